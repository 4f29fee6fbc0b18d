// RUN: weft-opt %s --verify-diagnostics --split-input-file

func.func @constant_c1() {
  // expected-error @+1 {{'nn.constant' op shape of the result is wrong: got [5], expected [4]}}
  %0 = nn.constant dense<0.0> : tensor<4xf32> to tensor<5xf32>
  return
}

// -----

func.func @constant_c2() {
  // expected-error @+1 {{'nn.constant' op number of different elements is too large: got 65, expected at most 64}}
  %0 = nn.constant dense<"0x0102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F303132333435363738393A3B3C3D3E3F4041"> : tensor<65xi8>
  return
}

// -----

func.func @iota_c1() {
  // expected-error @+1 {{'nn.iota' op dim is out of range: got 1, expected 0 to 0}}
  %0 = nn.iota dim 1 : tensor<4xi64>
  return
}

// -----

func.func @contract_c1(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{'nn.contract' op equation is malformed: got "ab->a", expected the form "a,b->c"}}
  %0 = nn.contract "ab->a" %x, %x : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @contract_c1_letters(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{'nn.contract' op number of letters for operand 1 is wrong: got 1, expected 2}}
  %0 = nn.contract "ab,b->a" %x, %x : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @contract_c2(%x: tensor<2x3xf32>, %y: tensor<4x5xf32>) {
  // expected-error @+1 {{'nn.contract' op letter "b" has two sizes: got 4, expected 3}}
  %0 = nn.contract "ab,bc->ac" %x, %y : (tensor<2x3xf32>, tensor<4x5xf32>) -> tensor<2x5xf32>
  return
}

// -----

func.func @contract_c3(%x: tensor<3x3xf32>, %y: tensor<3xf32>) {
  // expected-error @+1 {{'nn.contract' op letter "a" occurs twice in "aa"}}
  %0 = nn.contract "aa,a->a" %x, %y : (tensor<3x3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @contract_c4(%x: tensor<3xf32>) {
  // expected-error @+1 {{'nn.contract' op letter "b" of the result is in no operand}}
  %0 = nn.contract "a,a->b" %x, %x : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @contract_c4_lhs(%x: tensor<2x3xf32>, %y: tensor<2xf32>) {
  // expected-error @+1 {{'nn.contract' op letter "b" is in operand 0 only}}
  %0 = nn.contract "ab,a->a" %x, %y : (tensor<2x3xf32>, tensor<2xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @contract_c4_rhs(%x: tensor<2xf32>, %y: tensor<2x3xf32>) {
  // expected-error @+1 {{'nn.contract' op letter "b" is in operand 1 only}}
  %0 = nn.contract "a,ab->a" %x, %y : (tensor<2xf32>, tensor<2x3xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @reduce_c1(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{'nn.reduce' op dims are not increasing: got [1, 0]}}
  %0 = nn.reduce sum %x dims [1, 0] : (tensor<2x3xf32>) -> tensor<f32>
  return
}

// -----

func.func @reduce_c2(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{'nn.reduce' op shape of the result is wrong: got [2, 1], expected [2]}}
  %0 = nn.reduce sum %x dims [1] : (tensor<2x3xf32>) -> tensor<2x1xf32>
  return
}

// -----

func.func @reduce_c3(%x: tensor<2x3xbf16>) {
  // A sum may be in f32.
  %0 = nn.reduce sum %x dims [1] : (tensor<2x3xbf16>) -> tensor<2xf32>
  // expected-error @+1 {{'nn.reduce' op element type of the result is wrong: got 'f32', expected 'bf16'}}
  %1 = nn.reduce max %x dims [1] : (tensor<2x3xbf16>) -> tensor<2xf32>
  return
}

// -----

func.func @broadcast_c1(%x: tensor<2xf32>) {
  // expected-error @+1 {{'nn.broadcast' op number of dims of the operand is wrong: got 1, expected 2}}
  %0 = nn.broadcast %x dims [0, 1] : (tensor<2xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @broadcast_c2(%x: tensor<1xf32>) {
  // expected-error @+1 {{'nn.broadcast' op shape of the operand is wrong: got [1], expected [2]}}
  %0 = nn.broadcast %x dims [0] : (tensor<1xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @broadcast_c3(%x: tensor<2xf32>) {
  // expected-error @+1 {{'nn.broadcast' op element type of the result is wrong: got 'f64', expected 'f32'}}
  %0 = nn.broadcast %x dims [0] : (tensor<2xf32>) -> tensor<2x3xf64>
  return
}

// -----

func.func @reshape_c1(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{'nn.reshape' op number of elements changes: got 5, expected 6}}
  %0 = nn.reshape %x : (tensor<2x3xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @reshape_c2(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{'nn.reshape' op element type of the result is wrong: got 'i64', expected 'f32'}}
  %0 = nn.reshape %x : (tensor<2x3xf32>) -> tensor<6xi64>
  return
}
