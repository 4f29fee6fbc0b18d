// What a buffer holds when it is read, whatever the memory plan says. Most
// such faults are faults of the plan as well, and told twice.
// RUN: weft-opt %s --prog-verify --split-input-file --verify-diagnostics

// Two values share memory one after the other; the result goes to its slot.
module attributes {prog.regions = {microbatch = 128 : i64, run = 64 : i64}} {
  pipe.slot @x : tensor<4xf32> {kind = "parameter", lifetime = "run", prog.region = "run", prog.offset = 0 : i64}
  func.func @reuses_memory() {
    %x = prog.buffer "run" slot @x at 0 : memref<4xf32>
    %a = prog.buffer "microbatch" at 0 : memref<4xf32>
    prog.launch @k ins(%x : memref<4xf32>) outs(%a : memref<4xf32>)
    %b = prog.buffer "microbatch" at 64 : memref<4xf32>
    prog.launch @k ins(%a : memref<4xf32>) outs(%b : memref<4xf32>)
    %c = prog.buffer "microbatch" at 0 : memref<4xf32>
    prog.launch @k ins(%b : memref<4xf32>) outs(%c : memref<4xf32>)
    prog.launch @k ins(%c : memref<4xf32>) outs(%c : memref<4xf32>)
    prog.copy %c to %x : memref<4xf32> to memref<4xf32>
    return
  }
  // What has no elements may lie anywhere, also in the midst of a value.
  func.func @holds_nothing() {
    %x = prog.buffer "run" slot @x at 0 : memref<4xf32>
    %a = prog.buffer "microbatch" at 0 : memref<4xf32>
    %none = prog.buffer "microbatch" at 0 : memref<0xf32>
    prog.launch @k ins(%x : memref<4xf32>) outs(%a : memref<4xf32>)
    prog.launch @empty ins(%x : memref<4xf32>) outs(%none : memref<0xf32>)
    prog.launch @joined ins(%a, %none : memref<4xf32>, memref<0xf32>) outs(%x : memref<4xf32>)
    return
  }
  func.func private @k(%x: tensor<4xf32>) -> tensor<4xf32> attributes {prog.kernel} {
    %0 = nn.exp %x : tensor<4xf32>
    return %0 : tensor<4xf32>
  }
  func.func private @empty(%x: tensor<4xf32>) -> tensor<0xf32> attributes {prog.kernel} {
    %0 = nn.slice %x offsets [4] sizes [0] strides [1] : (tensor<4xf32>) -> tensor<0xf32>
    return %0 : tensor<0xf32>
  }
  func.func private @joined(%x: tensor<4xf32>, %y: tensor<0xf32>) -> tensor<4xf32> attributes {prog.kernel} {
    %0 = nn.concat %x, %y dim 0 : (tensor<4xf32>, tensor<0xf32>) -> tensor<4xf32>
    return %0 : tensor<4xf32>
  }
}

// -----

module attributes {prog.regions = {microbatch = 256 : i64, run = 64 : i64}} {
  pipe.slot @x : tensor<4xf32> {kind = "parameter", lifetime = "run", prog.region = "run", prog.offset = 0 : i64}
  // expected-error @+1 {{'func.func' op values "a" and "b" overlap at byte 64 in step 4}}
  func.func @overwrites() {
    %x = prog.buffer "run" slot @x at 0 : memref<4xf32>
    %a = prog.buffer "microbatch" at 0 : memref<32xf32> loc("a")
    %b = prog.buffer "microbatch" at 64 : memref<4xf32> loc("b")
    prog.launch @wide ins(%x : memref<4xf32>) outs(%a : memref<32xf32>)
    prog.launch @k ins(%x : memref<4xf32>) outs(%b : memref<4xf32>)
    // expected-error @+1 {{'prog.launch' op reads "a" where "b" lies: byte 64 of region "microbatch"}}
    prog.launch @narrow ins(%a : memref<32xf32>) outs(%x : memref<4xf32>)
    return
  }
  // expected-error @+1 {{'func.func' op values "a" and "b" overlap at byte 64 in step 4}}
  func.func @overlaps() {
    %x = prog.buffer "run" slot @x at 0 : memref<4xf32>
    %a = prog.buffer "microbatch" at 0 : memref<32xf32> loc("a")
    %b = prog.buffer "microbatch" at 64 : memref<4xf32> loc("b")
    prog.launch @wide ins(%x : memref<4xf32>) outs(%a : memref<32xf32>)
    // expected-error @+1 {{'prog.launch' op writes "b" over its operand "a"}}
    prog.launch @narrow ins(%a : memref<32xf32>) outs(%b : memref<4xf32>)
    return
  }
  // expected-error @+1 {{'func.func' op values "b" and "a" overlap at byte 0 in step 3}}
  func.func @writes_twice() {
    %x = prog.buffer "run" slot @x at 0 : memref<4xf32>
    %a = prog.buffer "microbatch" at 0 : memref<4xf32> loc("a")
    %b = prog.buffer "microbatch" at 0 : memref<4xf32> loc("b")
    // expected-error @+1 {{'prog.launch' op writes "b" over its operand "a"}}
    prog.launch @pair ins(%x : memref<4xf32>) outs(%a, %b : memref<4xf32>, memref<4xf32>)
    return
  }
  func.func @reads_nothing() {
    %x = prog.buffer "run" slot @x at 0 : memref<4xf32>
    %b = prog.buffer "microbatch" at 64 : memref<4xf32> loc("b")
    // expected-error @+1 {{'prog.launch' op reads "b", of which not all is written}}
    prog.launch @k ins(%b : memref<4xf32>) outs(%x : memref<4xf32>)
    return
  }
  // expected-error @+1 {{'func.func' op leaves something else in the memory of slot @x}}
  func.func @clobbers() {
    %x = prog.buffer "run" slot @x at 0 : memref<4xf32>
    // expected-error @+1 {{'prog.buffer' op is no slot's in a region of slots: got "run", expected "microbatch"}}
    %b = prog.buffer "run" at 0 : memref<4xf32>
    prog.launch @k ins(%x : memref<4xf32>) outs(%x : memref<4xf32>)
    prog.coordinate "extent" 1 over #dist.mesh<tp = 2> ["tp"] to %b : memref<4xf32>
    return
  }
  func.func private @k(%x: tensor<4xf32>) -> tensor<4xf32> attributes {prog.kernel} {
    %0 = nn.exp %x : tensor<4xf32>
    return %0 : tensor<4xf32>
  }
  func.func private @pair(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) attributes {prog.kernel} {
    %0:2 = prog.fused %x : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
    ^bb0(%y: tensor<4xf32>):
      %1 = nn.exp %y : tensor<4xf32>
      %2 = nn.neg %y : tensor<4xf32>
      prog.yield %1, %2 : tensor<4xf32>, tensor<4xf32>
    }
    return %0#0, %0#1 : tensor<4xf32>, tensor<4xf32>
  }
  func.func private @wide(%x: tensor<4xf32>) -> tensor<32xf32> attributes {prog.kernel} {
    %0 = nn.pad %x low [0] high [28] interior [0] : (tensor<4xf32>) -> tensor<32xf32>
    return %0 : tensor<32xf32>
  }
  func.func private @narrow(%x: tensor<32xf32>) -> tensor<4xf32> attributes {prog.kernel} {
    %0 = nn.slice %x offsets [0] sizes [4] strides [1] : (tensor<32xf32>) -> tensor<4xf32>
    return %0 : tensor<4xf32>
  }
}

// -----

module attributes {prog.regions = {microbatch = 128 : i64, run = 64 : i64}} {
  pipe.slot @x : tensor<4xf32> {kind = "parameter", lifetime = "run", prog.region = "run", prog.offset = 0 : i64}
  func.func @uses_lent_memory() {
    %x = prog.buffer "run" slot @x at 0 : memref<4xf32>
    %a = prog.buffer "microbatch" at 0 : memref<4xf32>
    %b = prog.buffer "microbatch" at 64 : memref<4xf32>
    prog.launch @k ins(%x : memref<4xf32>) outs(%a : memref<4xf32>)
    prog.collective "all_reduce" 0 ins(%a : memref<4xf32>) outs(%b : memref<4xf32>) over #dist.mesh<tp = 2> ["tp"] reduce "sum" dims [] concat []
    // The input may be read.
    prog.launch @k ins(%a : memref<4xf32>) outs(%x : memref<4xf32>)
    // expected-error @+1 {{'prog.launch' op reads memory of call 0 before it is waited for}}
    prog.launch @k ins(%b : memref<4xf32>) outs(%x : memref<4xf32>)
    // expected-error @+1 {{'prog.launch' op writes memory of call 0 before it is waited for}}
    prog.launch @k ins(%x : memref<4xf32>) outs(%a : memref<4xf32>)
    prog.wait 0(%a, %b : memref<4xf32>, memref<4xf32>)
    prog.launch @k ins(%b : memref<4xf32>) outs(%x : memref<4xf32>)
    return
  }
  func.func private @k(%x: tensor<4xf32>) -> tensor<4xf32> attributes {prog.kernel} {
    %0 = nn.exp %x : tensor<4xf32>
    return %0 : tensor<4xf32>
  }
}
