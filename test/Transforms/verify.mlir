// RUN: weft-opt %s --prog-verify --split-input-file --verify-diagnostics

// A complete program is accepted.
module attributes {prog.regions = {input = 0 : i64, microbatch = 192 : i64, run = 64 : i64, step = 0 : i64}} {
  pipe.slot @x : tensor<4xi1> {kind = "buffer", lifetime = "run", prog.region = "run", prog.offset = 0 : i64}
  func.func @f() {
    %0 = prog.buffer "run" slot @x at 0 : memref<4xi8>
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

module attributes {prog.regions = {microbatch = 192 : i64}} {
  func.func @launches() {
    %0 = prog.buffer "microbatch" at 0 : memref<4xf32>
    %1 = prog.buffer "microbatch" at 64 : memref<5xf32>
    // expected-error @+1 {{'prog.launch' op names no kernel: got @none}}
    prog.launch @none ins(%0 : memref<4xf32>) outs(%0 : memref<4xf32>)
    // expected-error @+1 {{'prog.launch' op has another number of inputs than its kernel: got 2, expected 1}}
    prog.launch @k ins(%0, %0 : memref<4xf32>, memref<4xf32>) outs(%0 : memref<4xf32>)
    // expected-error @+1 {{'prog.launch' op has outputs of another type than its kernel: got 'memref<5xf32>', expected memory of 'tensor<4xf32>'}}
    prog.launch @k ins(%0 : memref<4xf32>) outs(%1 : memref<5xf32>)
    %2 = prog.buffer "microbatch" at 128 : memref<8xi8>
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

// -----

// Slots share no byte; a buffer of a slot lies where the slot does.
// expected-error @+1 {{region "run": values "a" and "b" overlap at byte 64 in step 0}}
module attributes {prog.regions = {microbatch = 128 : i64, run = 256 : i64, step = 0 : i64}} {
  pipe.slot @a : tensor<32xf32> {kind = "parameter", lifetime = "run", prog.region = "run", prog.offset = 0 : i64}
  pipe.slot @b : tensor<32xf32> {kind = "parameter", lifetime = "run", prog.region = "run", prog.offset = 64 : i64}
  pipe.slot @s : tensor<4xf32> {kind = "activation", lifetime = "microbatch", prog.region = "microbatch", prog.offset = 0 : i64}
  func.func @slots() {
    // expected-error @+1 {{'prog.buffer' op does not lie where its slot does: got offset 128, expected 64}}
    %0 = prog.buffer "run" slot @b at 128 : memref<32xf32>
    // expected-error @+1 {{'prog.buffer' op names no slot that has a place: got @none}}
    %1 = prog.buffer "run" slot @none at 0 : memref<32xf32>
    // expected-error @+1 {{'prog.buffer' op lies among slots: got offset 0, expected at least 16}}
    %2 = prog.buffer "microbatch" at 0 : memref<4xf32>
    // expected-error @+1 {{'prog.buffer' op is no slot's in a region of slots: got "run", expected "microbatch"}}
    %3 = prog.buffer "run" at 192 : memref<4xf32>
    prog.copy %2 to %3 : memref<4xf32> to memref<4xf32>
    return
  }
}

// -----

// Temporaries share a byte only if no two ops need both.
module attributes {prog.regions = {microbatch = 192 : i64, run = 0 : i64, step = 0 : i64}} {
  func.func @apart() {
    %0 = prog.buffer "microbatch" at 0 : memref<4xf32>
    %1 = prog.buffer "microbatch" at 64 : memref<4xf32>
    prog.coordinate "extent" 1 over #dist.mesh<tp = 2> ["tp"] to %0 : memref<4xf32>
    prog.copy %0 to %1 : memref<4xf32> to memref<4xf32>
    %2 = prog.buffer "microbatch" at 0 : memref<4xf32>
    prog.copy %1 to %2 : memref<4xf32> to memref<4xf32>
    return
  }
  // expected-error @+1 {{'func.func' op values "temporary 2" and "temporary 0" overlap at byte 0 in step 5}}
  func.func @together() {
    %0 = prog.buffer "microbatch" at 0 : memref<4xf32>
    %1 = prog.buffer "microbatch" at 64 : memref<4xf32>
    prog.coordinate "extent" 1 over #dist.mesh<tp = 2> ["tp"] to %0 : memref<4xf32>
    prog.copy %0 to %1 : memref<4xf32> to memref<4xf32>
    %2 = prog.buffer "microbatch" at 0 : memref<4xf32>
    prog.copy %1 to %2 : memref<4xf32> to memref<4xf32>
    // expected-error @+1 {{'prog.copy' op reads "a temporary" where "a temporary" lies: byte 0 of region "microbatch"}}
    prog.copy %0 to %1 : memref<4xf32> to memref<4xf32>
    return
  }
}
