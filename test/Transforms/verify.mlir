// RUN: weft-opt %s --prog-verify --split-input-file --verify-diagnostics

// A complete program is accepted.
module attributes {prog.regions = {input = 0 : i64, microbatch = 192 : i64, run = 0 : i64, step = 0 : i64}} {
  func.func @f() {
    %0 = prog.buffer "microbatch" at 0 : memref<4xi8>
    %1 = prog.buffer "microbatch" at 64 : memref<4xi8>
    %2 = prog.buffer "microbatch" at 128 : memref<32xi8>
    prog.launch @k ins(%0 : memref<4xi8>) outs(%1 : memref<4xi8>) scratch(%2 : memref<32xi8>)
    return
  }
  func.func private @k(%x: tensor<4xi1>) -> tensor<4xi1> attributes {prog.kernel, prog.scratch = 32 : i64} {
    %0 = nn.logical_not %x : tensor<4xi1>
    return %0 : tensor<4xi1>
  }
}

// -----

// expected-error @+2 {{module has no sizes of regions}}
// expected-note @+1 {{run prog-plan-memory}}
module {
}

// -----

module attributes {prog.regions = {microbatch = 64 : i64}} {
  func.func @buffers() {
    // expected-error @+1 {{'prog.buffer' op has no offset}}
    %0 = prog.buffer "microbatch" : memref<4xf32>
    // expected-error @+1 {{'prog.buffer' op ends behind its region: got byte 68, expected at most 64}}
    %1 = prog.buffer "microbatch" at 64 : memref<1xf32>
    // expected-error @+1 {{'prog.buffer' op ends behind its region: got byte 4, expected at most 0}}
    %2 = prog.buffer "run" at 0 : memref<1xf32>
    return
  }
}

// -----

module attributes {prog.regions = {microbatch = 64 : i64}} {
  func.func @launches() {
    %0 = prog.buffer "microbatch" at 0 : memref<4xf32>
    %1 = prog.buffer "microbatch" at 0 : memref<5xf32>
    // expected-error @+1 {{'prog.launch' op names no kernel: got @none}}
    prog.launch @none ins(%0 : memref<4xf32>) outs(%0 : memref<4xf32>)
    // expected-error @+1 {{'prog.launch' op has another number of inputs than its kernel: got 2, expected 1}}
    prog.launch @k ins(%0, %0 : memref<4xf32>, memref<4xf32>) outs(%0 : memref<4xf32>)
    // expected-error @+1 {{'prog.launch' op has outputs of another type than its kernel: got 'memref<5xf32>', expected memory of 'tensor<4xf32>'}}
    prog.launch @k ins(%0 : memref<4xf32>) outs(%1 : memref<5xf32>)
    %2 = prog.buffer "microbatch" at 0 : memref<8xi8>
    // expected-error @+1 {{'prog.launch' op has another size of scratch than its kernel: got 8, expected 0}}
    prog.launch @k ins(%0 : memref<4xf32>) outs(%0 : memref<4xf32>) scratch(%2 : memref<8xi8>)
    return
  }
  func.func private @k(%x: tensor<4xf32>) -> tensor<4xf32> attributes {prog.kernel} {
    %0 = nn.exp %x : tensor<4xf32>
    return %0 : tensor<4xf32>
  }
}

// -----

module attributes {prog.regions = {microbatch = 64 : i64}} {
  func.func @tensors() {
    // expected-error @+1 {{'nn.constant' op yields a tensor in the program phase: got 'tensor<f32>'}}
    %0 = nn.constant dense<0.0> : tensor<f32>
    return
  }
  // expected-error @+1 {{'func.func' op has arguments or results in the program phase}}
  func.func @arguments(%x: memref<4xf32>) {
    return
  }
  func.func @collectives() {
    %0 = prog.buffer "microbatch" at 0 : memref<4xf32>
    // expected-error @+1 {{'prog.collective' op is numbered out of order: got 1, expected 0}}
    prog.collective "all_reduce" 1 ins(%0 : memref<4xf32>) outs(%0 : memref<4xf32>) over #dist.mesh<tp = 2> ["tp"] reduce "sum" dims [] concat []
    prog.wait 1(%0 : memref<4xf32>)
    return
  }
  // expected-error @+1 {{'func.func' op does not wait for call 1}}
  func.func @waits_for_another() {
    %0 = prog.buffer "microbatch" at 0 : memref<4xf32>
    prog.collective "all_reduce" 1 ins(%0 : memref<4xf32>) outs(%0 : memref<4xf32>) over #dist.mesh<tp = 2> ["tp"] reduce "sum" dims [] concat []
    // expected-error @+1 {{'prog.wait' op waits for a call that is not under way: got 0}}
    prog.wait 0(%0 : memref<4xf32>)
    return
  }
}
