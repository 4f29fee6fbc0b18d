// RUN: weft-opt %s --verify-diagnostics --split-input-file

func.func @transpose_c1(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{'nn.transpose' op permutation is not one of 2 dims: got [0, 0]}}
  %0 = nn.transpose %x permutation [0, 0] : (tensor<2x3xf32>) -> tensor<2x2xf32>
  return
}

// -----

func.func @transpose_c2(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{'nn.transpose' op shape of the result is wrong: got [2, 3], expected [3, 2]}}
  %0 = nn.transpose %x permutation [1, 0] : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @slice_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{'nn.slice' op number of offsets is wrong: got 2, expected 1}}
  %0 = nn.slice %x offsets [0, 0] sizes [2] strides [1] : (tensor<4xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @slice_c1_stride(%x: tensor<4xf32>) {
  // expected-error @+1 {{'nn.slice' op value of strides is too small: got 0, expected at least 1}}
  %0 = nn.slice %x offsets [0] sizes [2] strides [0] : (tensor<4xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @slice_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{'nn.slice' op part exceeds the operand along dim 0: got index 4, expected less than 4}}
  %0 = nn.slice %x offsets [2] sizes [2] strides [2] : (tensor<4xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @slice_c3(%x: tensor<4xf32>) {
  // expected-error @+1 {{'nn.slice' op shape of the result is wrong: got [3], expected [2]}}
  %0 = nn.slice %x offsets [0] sizes [2] strides [1] : (tensor<4xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @pad_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{'nn.pad' op value of low is too small: got -1, expected at least 0}}
  %0 = nn.pad %x low [-1] high [0] interior [0] : (tensor<4xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @pad_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{'nn.pad' op shape of the result is wrong: got [8], expected [7]}}
  %0 = nn.pad %x low [0] high [0] interior [1] : (tensor<4xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @concat_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{'nn.concat' op dim is out of range: got -1, expected 0 to 0}}
  %0 = nn.concat %x, %x dim -1 : (tensor<4xf32>, tensor<4xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @concat_c2(%x: tensor<4x2xf32>, %y: tensor<4x3xf32>) {
  // expected-error @+1 {{'nn.concat' op shape of operand 1 is wrong: got [4, 3], expected [4, 2]}}
  %0 = nn.concat %x, %y dim 0 : (tensor<4x2xf32>, tensor<4x3xf32>) -> tensor<8x2xf32>
  return
}

// -----

func.func @concat_c3(%x: tensor<4xf32>) {
  // expected-error @+1 {{'nn.concat' op shape of the result is wrong: got [7], expected [8]}}
  %0 = nn.concat %x, %x dim 0 : (tensor<4xf32>, tensor<4xf32>) -> tensor<7xf32>
  return
}

// -----

func.func @mask_tail_c1(%x: tensor<4xf32>, %e: tensor<i64>) {
  // expected-error @+1 {{'nn.mask_tail' op dim is out of range: got 1, expected 0 to 0}}
  %0 = nn.mask_tail %x, %e dim 1 value 0.0 : (tensor<4xf32>, tensor<i64>) -> tensor<4xf32>
  return
}

// -----

func.func @mask_tail_c2(%x: tensor<4xf32>, %e: tensor<i64>) {
  // expected-error @+1 {{'nn.mask_tail' op shape of the result is wrong: got [3], expected [4]}}
  %0 = nn.mask_tail %x, %e dim 0 value 0.0 : (tensor<4xf32>, tensor<i64>) -> tensor<3xf32>
  return
}

// -----

func.func @pick_c1(%x: tensor<4xf32>, %i: tensor<4xi64>) {
  // expected-error @+1 {{'nn.pick' op number of dims of operand 0 is wrong: got 1, expected 2}}
  %0 = nn.pick %x, %i : (tensor<4xf32>, tensor<4xi64>) -> tensor<4xf32>
  return
}

// -----

func.func @pick_c2(%x: tensor<4x5xf32>, %i: tensor<4xi64>) {
  // expected-error @+1 {{'nn.pick' op shape of the result is wrong: got [4, 1], expected [4]}}
  %0 = nn.pick %x, %i : (tensor<4x5xf32>, tensor<4xi64>) -> tensor<4x1xf32>
  return
}

// -----

func.func @place_c1(%x: tensor<3xf32>, %i: tensor<4xi64>) {
  // expected-error @+1 {{'nn.place' op shape of operand 0 is wrong: got [3], expected [4]}}
  %0 = nn.place %x, %i : (tensor<3xf32>, tensor<4xi64>) -> tensor<4x5xf32>
  return
}

// -----

func.func @place_c2(%x: tensor<4xf32>, %i: tensor<4xi64>) {
  // expected-error @+1 {{'nn.place' op shape of the result is wrong: got [3, 5], expected [4, 5]}}
  %0 = nn.place %x, %i : (tensor<4xf32>, tensor<4xi64>) -> tensor<3x5xf32>
  return
}

// -----

func.func @boundary_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{'nn.boundary' op shape of the result is wrong: got [5], expected [4]}}
  %0 = nn.boundary %x {module = "m", side = "input", index = 0 : i64} : tensor<4xf32> to tensor<5xf32>
  return
}

// -----

func.func @boundary_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{'nn.boundary' op side is unknown: got "inputs", expected "input" or "output"}}
  %0 = nn.boundary %x {module = "m", side = "inputs", index = 0 : i64} : tensor<4xf32>
  return
}
