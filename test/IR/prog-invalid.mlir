// RUN: weft-opt %s --verify-diagnostics --split-input-file

func.func @fused_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{'prog.fused' op block arguments do not have the operands' types}}
  %0 = prog.fused %x : (tensor<4xf32>) -> tensor<5xf32> {
  ^bb0(%a: tensor<5xf32>):
    prog.yield %a : tensor<5xf32>
  }
  return
}

// -----

func.func @fused_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{'prog.fused' op yielded types are not the results' types}}
  %0 = prog.fused %x : (tensor<4xf32>) -> tensor<5xf32> {
  ^bb0(%a: tensor<4xf32>):
    prog.yield %a : tensor<4xf32>
  }
  return
}

// -----

func.func @fused_c4(%x: tensor<2x3x4x8xf32>, %c: tensor<4x8xf32>) {
  // expected-error @+1 {{'prog.fused' op does not pass its operands and results to and from its row kernel one by one}}
  prog.fused %x, %c, %c : (tensor<2x3x4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<2x3x4x8xf32> {
  ^bb0(%a: tensor<2x3x4x8xf32>, %b: tensor<4x8xf32>, %d: tensor<4x8xf32>):
    %n = nn.neg %a : tensor<2x3x4x8xf32>
    %r = nn.rotary %n, %b, %d : (tensor<2x3x4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<2x3x4x8xf32>
    prog.yield %r : tensor<2x3x4x8xf32>
  }
  return
}

// -----

func.func @fused_c3(%x: tensor<4xf32>, %y: tensor<5xf32>) {
  // expected-error @+1 {{'prog.fused' op results differ in shape: got 'tensor<5xf32>' and 'tensor<4xf32>'}}
  %0:2 = prog.fused %x, %y : (tensor<4xf32>, tensor<5xf32>) -> (tensor<4xf32>, tensor<5xf32>) {
  ^bb0(%a: tensor<4xf32>, %b: tensor<5xf32>):
    prog.yield %a, %b : tensor<4xf32>, tensor<5xf32>
  }
  return
}

// -----

func.func @window_c1(%x: tensor<4xf32>, %s: tensor<i64>) {
  // expected-error @+1 {{'prog.window' op dim is out of range: got 1, expected less than 1}}
  %0 = prog.window %x from %s dim 1 : (tensor<4xf32>, tensor<i64>) -> tensor<2xf32>
  return
}

// -----

func.func @window_c2(%x: tensor<4x4xf32>, %s: tensor<i64>) {
  // expected-error @+1 {{'prog.window' op result differs in more than the dim: got 'tensor<2x2xf32>', expected 'tensor<2x4xf32>'}}
  %0 = prog.window %x from %s dim 0 : (tensor<4x4xf32>, tensor<i64>) -> tensor<2x2xf32>
  return
}

// -----

func.func @buffer_c1() {
  // expected-error @+1 {{'prog.buffer' op region is unknown: got "heap", expected run, step, microbatch or input}}
  %0 = prog.buffer "heap" : memref<4xf32>
  return
}

// -----

func.func @buffer_c2() {
  // expected-error @+1 {{'prog.buffer' op offset is not a multiple of 64: got 32}}
  %0 = prog.buffer "run" at 32 : memref<4xf32>
  return
}

// -----

func.func @view_c1(%x: memref<4xf32>) {
  // expected-error @+1 {{'prog.view' op memory differs: got 'memref<5xf32>', expected as many elements of the type of 'memref<4xf32>'}}
  %0 = prog.view %x : memref<4xf32> to memref<5xf32>
  return
}

// -----

func.func @copy_c1(%x: memref<4xf32>, %y: memref<5xf32>) {
  // expected-error @+1 {{'prog.copy' op types differ: got 'memref<4xf32>' and 'memref<5xf32>'}}
  prog.copy %x to %y : memref<4xf32> to memref<5xf32>
  return
}

// -----

func.func @collective_c1(%x: memref<4xf32>) {
  // expected-error @+1 {{'prog.collective' op numbers of operands differ: got 2 inputs and 1 outputs}}
  prog.collective "all_reduce" 0 ins(%x, %x : memref<4xf32>, memref<4xf32>) outs(%x : memref<4xf32>) over #dist.mesh<tp = 2> ["tp"] reduce "sum" dims [] concat []
  return
}
