// RUN: weft-opt %s --verify-diagnostics --split-input-file

func.func @softmax_c1(%x: tensor<2x8xf32>) {
  // expected-error @+1 {{'nn.softmax' op shape of the result is wrong: got [2], expected [2, 8]}}
  %0 = nn.softmax %x : tensor<2x8xf32> to tensor<2xf32>
  return
}

// -----

func.func @softmax_c2(%x: tensor<f32>) {
  // expected-error @+1 {{'nn.softmax' op number of dims of operand 0 is wrong: got 0, expected at least 1}}
  %0 = nn.softmax %x : tensor<f32>
  return
}

// -----

func.func @rms_norm_c1(%x: tensor<2x8xf32>, %w: tensor<8xf32>) {
  // expected-error @+1 {{'nn.rms_norm' op element type of the result is wrong: got 'bf16', expected 'f32'}}
  %0:2 = nn.rms_norm %x, %w eps 1.0e-5 : (tensor<2x8xf32>, tensor<8xf32>) -> (tensor<2x8xbf16>, tensor<2xf32>)
  return
}

// -----

func.func @rms_norm_c2(%x: tensor<2x8xf32>, %w: tensor<2xf32>) {
  // expected-error @+1 {{'nn.rms_norm' op shape of weight is wrong: got [2], expected [8]}}
  %0:2 = nn.rms_norm %x, %w eps 1.0e-5 : (tensor<2x8xf32>, tensor<2xf32>) -> (tensor<2x8xf32>, tensor<2xf32>)
  return
}

// -----

func.func @rms_norm_c3(%x: tensor<2x8xf32>, %w: tensor<8xf32>) {
  // expected-error @+1 {{'nn.rms_norm' op shape of rstd is wrong: got [2, 1], expected [2]}}
  %0:2 = nn.rms_norm %x, %w eps 1.0e-5 : (tensor<2x8xf32>, tensor<8xf32>) -> (tensor<2x8xf32>, tensor<2x1xf32>)
  return
}

// -----

func.func @rms_norm_grad_c1(%dy: tensor<2x7xf32>, %x: tensor<2x8xf32>, %w: tensor<8xf32>, %r: tensor<2xf32>) {
  // expected-error @+1 {{'nn.rms_norm_grad' op shape of dy is wrong: got [2, 7], expected [2, 8]}}
  %0:2 = nn.rms_norm_grad %dy, %x, %w, %r : (tensor<2x7xf32>, tensor<2x8xf32>, tensor<8xf32>, tensor<2xf32>) -> (tensor<2x8xf32>, tensor<8xf32>)
  return
}

// -----

func.func @rms_norm_grad_c2(%x: tensor<2x8xf32>, %w: tensor<8xf32>, %r: tensor<2xf32>) {
  // expected-error @+1 {{'nn.rms_norm_grad' op shape of dweight is wrong: got [2, 8], expected [8]}}
  %0:2 = nn.rms_norm_grad %x, %x, %w, %r : (tensor<2x8xf32>, tensor<2x8xf32>, tensor<8xf32>, tensor<2xf32>) -> (tensor<2x8xf32>, tensor<2x8xf32>)
  return
}

// -----

func.func @rms_norm_grad_c3(%x: tensor<2x8xf32>, %w: tensor<8xf32>, %r: tensor<8xf32>) {
  // expected-error @+1 {{'nn.rms_norm_grad' op shape of rstd is wrong: got [8], expected [2]}}
  %0:2 = nn.rms_norm_grad %x, %x, %w, %r : (tensor<2x8xf32>, tensor<2x8xf32>, tensor<8xf32>, tensor<8xf32>) -> (tensor<2x8xf32>, tensor<8xf32>)
  return
}

// -----

func.func @rotary_c1(%x: tensor<2x4x3x8xf32>, %c: tensor<3x8xf32>) {
  // expected-error @+1 {{'nn.rotary' op shape of the result is wrong: got [2, 3, 4, 8], expected [2, 4, 3, 8]}}
  %0 = nn.rotary %x, %c, %c : (tensor<2x4x3x8xf32>, tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<2x3x4x8xf32>
  return
}

// -----

func.func @rotary_c2(%x: tensor<2x4x3x8xf32>, %c: tensor<3x8xf32>, %s: tensor<3x4xf32>) {
  // expected-error @+1 {{'nn.rotary' op shape of sin is wrong: got [3, 4], expected [3, 8]}}
  %0 = nn.rotary %x, %c, %s : (tensor<2x4x3x8xf32>, tensor<3x8xf32>, tensor<3x4xf32>) -> tensor<2x4x3x8xf32>
  return
}

// -----

func.func @rotary_c3(%x: tensor<2x4x3x7xf32>, %c: tensor<3x7xf32>) {
  // expected-error @+1 {{'nn.rotary' op head size is odd: got 7}}
  %0 = nn.rotary %x, %c, %c : (tensor<2x4x3x7xf32>, tensor<3x7xf32>, tensor<3x7xf32>) -> tensor<2x4x3x7xf32>
  return
}

// -----

func.func @embedding_c1(%i: tensor<2x3xi64>, %t: tensor<16xf32>) {
  // expected-error @+1 {{'nn.embedding' op number of dims of the table is wrong: got 1, expected 2}}
  %0 = nn.embedding %i, %t : (tensor<2x3xi64>, tensor<16xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @embedding_c2(%i: tensor<2x3xi64>, %t: tensor<16x8xf32>) {
  // expected-error @+1 {{'nn.embedding' op shape of the result is wrong: got [2, 3, 16], expected [2, 3, 8]}}
  %0 = nn.embedding %i, %t : (tensor<2x3xi64>, tensor<16x8xf32>) -> tensor<2x3x16xf32>
  return
}

// -----

func.func @embedding_grad_c1(%dy: tensor<2x3x8xf32>, %i: tensor<2x3xi64>) {
  // expected-error @+1 {{'nn.embedding_grad' op number of dims of the result is wrong: got 1, expected 2}}
  %0 = nn.embedding_grad %dy, %i : (tensor<2x3x8xf32>, tensor<2x3xi64>) -> tensor<8xf32>
  return
}

// -----

func.func @embedding_grad_c2(%dy: tensor<2x3x8xf32>, %i: tensor<2x3xi64>) {
  // expected-error @+1 {{'nn.embedding_grad' op shape of dy is wrong: got [2, 3, 8], expected [2, 3, 16]}}
  %0 = nn.embedding_grad %dy, %i : (tensor<2x3x8xf32>, tensor<2x3xi64>) -> tensor<8x16xf32>
  return
}

// -----

func.func @embedding_grad_c3(%dy: tensor<2x3x16xbf16>, %i: tensor<2x3xi64>) {
  // The sum may be in f32.
  %0 = nn.embedding_grad %dy, %i : (tensor<2x3x16xbf16>, tensor<2x3xi64>) -> tensor<8x16xf32>
  // expected-error @+1 {{'nn.embedding_grad' op element type of the result is wrong: got 'f64', expected 'bf16'}}
  %1 = nn.embedding_grad %dy, %i : (tensor<2x3x16xbf16>, tensor<2x3xi64>) -> tensor<8x16xf64>
  return
}

// -----

func.func @cross_entropy_c1(%x: tensor<2x3x16xf32>, %l: tensor<2x16xi64>) {
  // expected-error @+1 {{'nn.cross_entropy' op shape of labels is wrong: got [2, 16], expected [2, 3]}}
  %0:2 = nn.cross_entropy %x, %l : (tensor<2x3x16xf32>, tensor<2x16xi64>) -> (tensor<f32>, tensor<2x3xf32>)
  return
}

// -----

func.func @cross_entropy_c2(%x: tensor<2x3x16xf32>, %l: tensor<2x3xi64>) {
  // expected-error @+1 {{'nn.cross_entropy' op shape of the sum is wrong: got [1], expected []}}
  %0:2 = nn.cross_entropy %x, %l : (tensor<2x3x16xf32>, tensor<2x3xi64>) -> (tensor<1xf32>, tensor<2x3xf32>)
  return
}

// -----

func.func @cross_entropy_c3(%x: tensor<2x3x16xf32>, %l: tensor<2x3xi64>) {
  // expected-error @+1 {{'nn.cross_entropy' op shape of lse is wrong: got [2, 16], expected [2, 3]}}
  %0:2 = nn.cross_entropy %x, %l : (tensor<2x3x16xf32>, tensor<2x3xi64>) -> (tensor<f32>, tensor<2x16xf32>)
  return
}

// -----

func.func @cross_entropy_grad_c1(%x: tensor<2x3x16xf32>, %l: tensor<2x3xi64>, %e: tensor<2x3xf32>, %s: tensor<f32>) {
  // expected-error @+1 {{'nn.cross_entropy_grad' op shape of the result is wrong: got [2, 3], expected [2, 3, 16]}}
  %0 = nn.cross_entropy_grad %x, %l, %e, %s : (tensor<2x3x16xf32>, tensor<2x3xi64>, tensor<2x3xf32>, tensor<f32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @cross_entropy_grad_c2(%x: tensor<2x3x16xf32>, %l: tensor<2x3xi64>, %e: tensor<2xf32>, %s: tensor<f32>) {
  // expected-error @+1 {{'nn.cross_entropy_grad' op shape of lse is wrong: got [2], expected [2, 3]}}
  %0 = nn.cross_entropy_grad %x, %l, %e, %s : (tensor<2x3x16xf32>, tensor<2x3xi64>, tensor<2xf32>, tensor<f32>) -> tensor<2x3x16xf32>
  return
}

// -----

func.func @cross_entropy_grad_c3(%x: tensor<2x3x16xf32>, %l: tensor<2x3xi64>, %e: tensor<2x3xf32>) {
  // expected-error @+1 {{'nn.cross_entropy_grad' op shape of the seed is wrong: got [2, 3], expected []}}
  %0 = nn.cross_entropy_grad %x, %l, %e, %e : (tensor<2x3x16xf32>, tensor<2x3xi64>, tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3x16xf32>
  return
}
