// RUN: weft-opt %s --verify-diagnostics --split-input-file

func.func @attention_c1(%q: tensor<2x4x3x8xf32>, %k: tensor<2x2x5x16xf32>, %qp: tensor<3xi64>, %kp: tensor<5xi64>) {
  // expected-error @+1 {{'nn.attention' op shape of key is wrong: got [2, 2, 5, 16], expected [2, 2, 5, 8]}}
  %0:2 = nn.attention %q, %k, %k, %qp, %kp {scale = 1.0 : f64} : (tensor<2x4x3x8xf32>, tensor<2x2x5x16xf32>, tensor<2x2x5x16xf32>, tensor<3xi64>, tensor<5xi64>) -> (tensor<2x4x3x8xf32>, tensor<2x4x3xf32>)
  return
}

// -----

func.func @attention_c1_dims(%q: tensor<4x3x8xf32>, %k: tensor<2x2x5x8xf32>, %qp: tensor<3xi64>, %kp: tensor<5xi64>) {
  // expected-error @+1 {{'nn.attention' op number of dims of query is wrong: got 3, expected 4}}
  %0:2 = nn.attention %q, %k, %k, %qp, %kp {scale = 1.0 : f64} : (tensor<4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>, tensor<3xi64>, tensor<5xi64>) -> (tensor<4x3x8xf32>, tensor<4x3xf32>)
  return
}

// -----

func.func @attention_c1_value(%q: tensor<2x4x3x8xf32>, %k: tensor<2x2x5x8xf32>, %v: tensor<2x4x5x8xf32>, %qp: tensor<3xi64>, %kp: tensor<5xi64>) {
  // expected-error @+1 {{'nn.attention' op shape of value is wrong: got [2, 4, 5, 8], expected [2, 2, 5, 8]}}
  %0:2 = nn.attention %q, %k, %v, %qp, %kp {scale = 1.0 : f64} : (tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x4x5x8xf32>, tensor<3xi64>, tensor<5xi64>) -> (tensor<2x4x3x8xf32>, tensor<2x4x3xf32>)
  return
}

// -----

func.func @attention_c2(%q: tensor<2x4x3x8xf32>, %k: tensor<2x3x5x8xf32>, %qp: tensor<3xi64>, %kp: tensor<5xi64>) {
  // expected-error @+1 {{'nn.attention' op number of query heads is not a multiple of the kv heads: got 4 and 3}}
  %0:2 = nn.attention %q, %k, %k, %qp, %kp {scale = 1.0 : f64} : (tensor<2x4x3x8xf32>, tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>, tensor<3xi64>, tensor<5xi64>) -> (tensor<2x4x3x8xf32>, tensor<2x4x3xf32>)
  return
}

// -----

func.func @attention_c3(%q: tensor<2x4x3x8xf32>, %k: tensor<2x2x5x8xf32>, %qp: tensor<3xi64>) {
  // expected-error @+1 {{'nn.attention' op shape of key_positions is wrong: got [3], expected [5]}}
  %0:2 = nn.attention %q, %k, %k, %qp, %qp {scale = 1.0 : f64} : (tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>, tensor<3xi64>, tensor<3xi64>) -> (tensor<2x4x3x8xf32>, tensor<2x4x3xf32>)
  return
}

// -----

func.func @attention_c4(%q: tensor<2x4x3x8xf32>, %k: tensor<2x2x5x8xf32>, %qp: tensor<3xi64>, %kp: tensor<5xi64>) {
  // expected-error @+1 {{'nn.attention' op shape of lse is wrong: got [2, 4], expected [2, 4, 3]}}
  %0:2 = nn.attention %q, %k, %k, %qp, %kp {scale = 1.0 : f64} : (tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>, tensor<3xi64>, tensor<5xi64>) -> (tensor<2x4x3x8xf32>, tensor<2x4xf32>)
  return
}

// -----

func.func @attention_grad_c1(%q: tensor<2x4x3x8xf32>, %k: tensor<2x2x5x8xf32>, %qp: tensor<3xi64>, %kp: tensor<5xi64>) {
  // expected-error @+1 {{'nn.attention_grad' op shape of lse is wrong: got [2, 4, 3, 8], expected [2, 4, 3]}}
  %0:3 = nn.attention_grad %q, %q, %k, %k, %q, %q, %qp, %kp {scale = 1.0 : f64} : (tensor<2x4x3x8xf32>, tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>, tensor<2x4x3x8xf32>, tensor<2x4x3x8xf32>, tensor<3xi64>, tensor<5xi64>) -> (tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>)
  return
}

// -----

func.func @attention_grad_c2(%q: tensor<2x4x3x8xf32>, %k: tensor<2x2x5x8xf32>, %l: tensor<2x4x3xf32>, %qp: tensor<3xi64>, %kp: tensor<5xi64>) {
  // expected-error @+1 {{'nn.attention_grad' op shape of dout is wrong: got [2, 2, 5, 8], expected [2, 4, 3, 8]}}
  %0:3 = nn.attention_grad %k, %q, %k, %k, %q, %l, %qp, %kp {scale = 1.0 : f64} : (tensor<2x2x5x8xf32>, tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>, tensor<2x4x3x8xf32>, tensor<2x4x3xf32>, tensor<3xi64>, tensor<5xi64>) -> (tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>)
  return
}

// -----

func.func @attention_grad_c3(%q: tensor<2x4x3x8xf32>, %k: tensor<2x2x5x8xf32>, %l: tensor<2x4x3xf32>, %qp: tensor<3xi64>, %kp: tensor<5xi64>) {
  // expected-error @+1 {{'nn.attention_grad' op shape of dkey is wrong: got [2, 4, 5, 8], expected [2, 2, 5, 8]}}
  %0:3 = nn.attention_grad %q, %q, %k, %k, %q, %l, %qp, %kp {scale = 1.0 : f64} : (tensor<2x4x3x8xf32>, tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>, tensor<2x4x3x8xf32>, tensor<2x4x3xf32>, tensor<3xi64>, tensor<5xi64>) -> (tensor<2x4x3x8xf32>, tensor<2x4x5x8xf32>, tensor<2x2x5x8xf32>)
  return
}
