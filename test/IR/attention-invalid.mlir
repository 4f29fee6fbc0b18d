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

func.func @attention_c5(%q: tensor<2x4x3x8xf32>, %k: tensor<2x2x5x8xf32>, %qp: tensor<3xi64>, %kp: tensor<5xi64>, %d0: tensor<2x3xi64>, %d1: tensor<2x3xi64>) {
  // expected-error @+1 {{'nn.attention' op shape of key documents is wrong: got [2, 3], expected [2, 5]}}
  %0:2 = nn.attention %q, %k, %k, %qp, %kp, %d0, %d1 {scale = 1.0 : f64} : (tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>, tensor<3xi64>, tensor<5xi64>, tensor<2x3xi64>, tensor<2x3xi64>) -> (tensor<2x4x3x8xf32>, tensor<2x4x3xf32>)
  return
}

// -----

func.func @attention_c5_count(%q: tensor<2x4x3x8xf32>, %k: tensor<2x2x5x8xf32>, %qp: tensor<3xi64>, %kp: tensor<5xi64>, %d0: tensor<2x3xi64>) {
  // expected-error @+1 {{'nn.attention' op number of documents is wrong: got 1, expected 0 or 2}}
  %0:2 = nn.attention %q, %k, %k, %qp, %kp, %d0 {scale = 1.0 : f64} : (tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>, tensor<3xi64>, tensor<5xi64>, tensor<2x3xi64>) -> (tensor<2x4x3x8xf32>, tensor<2x4x3xf32>)
  return
}

// -----

func.func @attention_c6(%q: tensor<2x4x3x8xf32>, %k: tensor<2x2x5x8xf32>, %qp: tensor<3xi64>, %kp: tensor<5xi64>) {
  // expected-error @+1 {{'nn.attention' op window is too small: got 0, expected at least 1}}
  %0:2 = nn.attention %q, %k, %k, %qp, %kp {causal, scale = 1.0 : f64, window = 0 : i64} : (tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>, tensor<3xi64>, tensor<5xi64>) -> (tensor<2x4x3x8xf32>, tensor<2x4x3xf32>)
  return
}

// -----

func.func @attention_c6_causal(%q: tensor<2x4x3x8xf32>, %k: tensor<2x2x5x8xf32>, %qp: tensor<3xi64>, %kp: tensor<5xi64>) {
  // expected-error @+1 {{'nn.attention' op window belongs to causal attention: got window 2 without "causal"}}
  %0:2 = nn.attention %q, %k, %k, %qp, %kp {scale = 1.0 : f64, window = 2 : i64} : (tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>, tensor<3xi64>, tensor<5xi64>) -> (tensor<2x4x3x8xf32>, tensor<2x4x3xf32>)
  return
}

// -----

func.func @attention_c7(%q: tensor<2x4x3x8xf32>, %k: tensor<2x2x5x8xf32>, %qp: tensor<3xi64>, %kp: tensor<5xi64>) {
  // expected-error @+1 {{'nn.attention' op softcap is wrong: got 0.000000e+00, expected a number above 0}}
  %0:2 = nn.attention %q, %k, %k, %qp, %kp {scale = 1.0 : f64, softcap = 0.0 : f64} : (tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>, tensor<3xi64>, tensor<5xi64>) -> (tensor<2x4x3x8xf32>, tensor<2x4x3xf32>)
  return
}

// -----

func.func @attention_grad_c1(%q: tensor<2x4x3x8xf32>, %k: tensor<2x2x5x8xf32>, %qp: tensor<3xi64>, %kp: tensor<5xi64>) {
  // expected-error @+1 {{'nn.attention_grad' op shape of lse is wrong: got [2, 4, 3, 8], expected [2, 4, 3]}}
  %0:3 = nn.attention_grad %q, %q, %k, %k, %q, %q, %qp, %kp {scale = 1.0 : f64} : (tensor<2x4x3x8xf32>, tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>, tensor<2x4x3x8xf32>, tensor<2x4x3x8xf32>, tensor<3xi64>, tensor<5xi64>) -> (tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>)
  return
}

// -----

func.func @attention_grad_c1_window(%q: tensor<2x4x3x8xf32>, %k: tensor<2x2x5x8xf32>, %l: tensor<2x4x3xf32>, %qp: tensor<3xi64>, %kp: tensor<5xi64>) {
  // expected-error @+1 {{'nn.attention_grad' op window is too small: got -1, expected at least 1}}
  %0:3 = nn.attention_grad %q, %q, %k, %k, %q, %l, %qp, %kp {causal, scale = 1.0 : f64, window = -1 : i64} : (tensor<2x4x3x8xf32>, tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>, tensor<2x4x3x8xf32>, tensor<2x4x3xf32>, tensor<3xi64>, tensor<5xi64>) -> (tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>)
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
