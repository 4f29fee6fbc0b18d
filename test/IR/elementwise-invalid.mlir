// RUN: weft-opt %s --verify-diagnostics --split-input-file

func.func @unary_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{'nn.exp' op shape of operand 0 is wrong: got [4], expected [5]}}
  %0 = nn.exp %x : tensor<4xf32> to tensor<5xf32>
  return
}

// -----

func.func @unary_c1_element_type(%x: tensor<4xf32>) {
  // expected-error @+1 {{'nn.exp' op element type of operand 0 is wrong: got 'f32', expected 'f64'}}
  %0 = nn.exp %x : tensor<4xf32> to tensor<4xf64>
  return
}

// -----

func.func @binary_c1(%x: tensor<4x1xf32>, %y: tensor<4x8xf32>) {
  // expected-error @+1 {{'nn.add' op shape of operand 0 is wrong: got [4, 1], expected [4, 8]}}
  %0 = nn.add %x, %y : (tensor<4x1xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @binary_types(%x: tensor<4xf32>) {
  // expected-error @+1 {{number of operand types is wrong: got 1, expected 2}}
  %0 = nn.add %x, %x : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @sum_of_c1(%x: tensor<4xf32>, %y: tensor<4xbf16>) {
  // expected-error @+1 {{'nn.sum_of' op element type of operand 1 is wrong: got 'bf16', expected 'f32'}}
  %0 = nn.sum_of %x, %y : (tensor<4xf32>, tensor<4xbf16>) -> tensor<4xf32>
  return
}

// -----

func.func @sum_of_c2() {
  // expected-error @+1 {{'nn.sum_of' op number of operands is wrong: got 0, expected at least 1}}
  %0 = nn.sum_of : tensor<4xf32>
  return
}

// -----

func.func @compare_c1(%x: tensor<4xi64>, %y: tensor<4xf32>) {
  // expected-error @+1 {{'nn.compare' op element type of operand 1 is wrong: got 'f32', expected 'i64'}}
  %0 = nn.compare lt %x, %y : (tensor<4xi64>, tensor<4xf32>) -> tensor<4xi1>
  return
}

// -----

func.func @compare_c2(%x: tensor<4xi64>) {
  // expected-error @+1 {{'nn.compare' op shape of the result is wrong: got [5], expected [4]}}
  %0 = nn.compare lt %x, %x : (tensor<4xi64>, tensor<4xi64>) -> tensor<5xi1>
  return
}

// -----

func.func @select_c1(%c: tensor<1xi1>, %x: tensor<4xf32>) {
  // expected-error @+1 {{'nn.select' op shape of operand 0 is wrong: got [1], expected [4]}}
  %0 = nn.select %c, %x, %x : (tensor<1xi1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @select_c2(%c: tensor<4xi1>, %x: tensor<4xf32>, %y: tensor<4xf64>) {
  // expected-error @+1 {{'nn.select' op element type of operand 2 is wrong: got 'f64', expected 'f32'}}
  %0 = nn.select %c, %x, %y : (tensor<4xi1>, tensor<4xf32>, tensor<4xf64>) -> tensor<4xf32>
  return
}

// -----

func.func @cast_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{'nn.cast' op shape of the result is wrong: got [5], expected [4]}}
  %0 = nn.cast %x : (tensor<4xf32>) -> tensor<5xi64>
  return
}
