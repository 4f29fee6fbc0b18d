// RUN: weft-opt %s --prog-plan-memory --split-input-file | FileCheck %s
// RUN: weft-opt %s --prog-plan-memory --split-input-file | weft-opt --prog-plan-memory --split-input-file | FileCheck %s

// Slots lie one after the other, each on a line of 64 bytes, by what a rank
// holds of them. The region of inputs is of one microbatch.
// CHECK: prog.regions = {input = 9 : i64, microbatch = 0 : i64, run = 132 : i64, step = 4 : i64}
#mesh = #dist.mesh<tp = 4>
module attributes {dist.mesh = #mesh} {
  // CHECK: pipe.slot @w {{.*}} prog.offset = 0 : i64, prog.region = "run"
  pipe.slot @w : tensor<100xf32, #dist.layout<#mesh, tp = shard(0)>> {kind = "parameter", lifetime = "run"}
  // CHECK: pipe.slot @lr {{.*}} prog.offset = 128 : i64, prog.region = "run"
  pipe.slot @lr : tensor<f32> {kind = "scalar", lifetime = "run"}
  // CHECK: pipe.slot @seed {{.*}} prog.offset = 0 : i64, prog.region = "step"
  pipe.slot @seed : tensor<f32> {kind = "scalar", lifetime = "step"}
  // CHECK: pipe.slot @x {{.*}} prog.offset = 0 : i64, prog.region = "input"
  pipe.slot @x : tensor<9xi1> {kind = "input", lifetime = "microbatch"}
  // CHECK-LABEL: func.func @knows_its_slots
  // CHECK: prog.buffer "run" slot @lr at 128
  func.func @knows_its_slots() {
    %0 = prog.buffer "run" slot @lr : memref<f32>
    return
  }
}

// -----

// Temporaries share bytes when no op names both; all functions start behind
// the slots of the region.
// CHECK: prog.memory = {at = "shares_bytes",
// CHECK-SAME: padding = 0 : i64, {{.*}}saved = 64 : i64, {{.*}}scratch = 100 : i64, transient = 256 : i64}
// CHECK-SAME: largest = [{bytes = 128 : i64, category = "transient", name = "shares_bytes: a", type = tensor<32xf32>}, {bytes = 128 : i64, category = "transient", name = "shares_bytes: b", type = tensor<32xf32>}, {bytes = 100 : i64, category = "scratch", name = "shares_bytes: temporary 2", type = tensor<100xi8>}, {bytes = 64 : i64, category = "saved", name = "s", type = tensor<16xf32>}]
// CHECK-SAME: least = 420 : i64, peak = 420 : i64}
// CHECK-SAME: prog.regions = {input = 0 : i64, microbatch = 420 : i64, run = 0 : i64, step = 0 : i64}
module {
  pipe.slot @s : tensor<16xf32> {kind = "activation", lifetime = "microbatch"}
  // CHECK-LABEL: func.func @shares_bytes
  func.func @shares_bytes() {
    // CHECK: prog.buffer "microbatch" at [[A:[0-9]+]] : memref<32xf32>
    %a = prog.buffer "microbatch" : memref<32xf32> loc("a")
    %b = prog.buffer "microbatch" : memref<32xf32> loc("b")
    // CHECK: prog.launch
    prog.launch @k outs(%a : memref<32xf32>)
    %scratch = prog.buffer "microbatch" : memref<100xi8>
    prog.launch @k ins(%a : memref<32xf32>) outs(%b : memref<32xf32>) scratch(%scratch : memref<100xi8>)
    // CHECK: prog.buffer "microbatch" at [[A]] : memref<32xf32>
    %c = prog.buffer "microbatch" : memref<32xf32>
    // A use of a view is a use of the buffer.
    %v = prog.view %b : memref<32xf32> to memref<4x8xf32>
    prog.launch @k ins(%v : memref<4x8xf32>) outs(%c : memref<32xf32>)
    return
  }
  // CHECK-LABEL: func.func @starts_behind_slots
  func.func @starts_behind_slots() {
    // CHECK: prog.buffer "microbatch" at 64 : memref<f32>
    %a = prog.buffer "microbatch" : memref<f32>
    prog.launch @k outs(%a : memref<f32>)
    return
  }
  func.func private @k() attributes {prog.kernel}
}

// -----

// Inputs are there once per microbatch.
// CHECK: prog.memory = {{.*}} inputs = 192 : i64
// CHECK-SAME: largest = [{bytes = 192 : i64, category = "inputs", name = "x", type = tensor<16xf32>}]
// CHECK-SAME: peak = 192 : i64
module {
  pipe.slot @x : tensor<16xf32> {kind = "input", lifetime = "microbatch"}
  func.func @stage0() {
    return
  }
  pipe.schedule [{call = @stage0, microbatch = 0 : i64}, {call = @stage0, microbatch = 2 : i64}]
}

// -----

// What forward keeps for backward, what a collective writes, what lies between
// values; the fullest moment is in the op where all four are live.
// CHECK: prog.memory = {at = "stage0: f/grad",
// CHECK-SAME: communication = 128 : i64
// CHECK-SAME: padding = 60 : i64
// CHECK-SAME: saved = 68 : i64
// CHECK-SAME: transient = 68 : i64
// CHECK-SAME: least = 324 : i64, peak = 324 : i64
#mesh = #dist.mesh<tp = 2>
module attributes {dist.mesh = #mesh} {
  pipe.slot @s : tensor<f32> {kind = "activation", lifetime = "microbatch"}
  func.func @stage0() {
    %a = prog.buffer "microbatch" : memref<16xf32>
    %b = prog.buffer "microbatch" : memref<32xf32>
    %c = prog.buffer "microbatch" : memref<f32>
    %d = prog.buffer "microbatch" : memref<16xf32>
    prog.launch @k outs(%a : memref<16xf32>) loc("f")
    prog.collective "all_gather" 0 ins(%a : memref<16xf32>) outs(%b : memref<32xf32>) over #mesh ["tp"] reduce "sum" dims [0] concat []
    prog.wait 0(%a, %b : memref<16xf32>, memref<32xf32>)
    prog.launch @k ins(%a, %b : memref<16xf32>, memref<32xf32>) outs(%c, %d : memref<f32>, memref<16xf32>) loc("f/grad")
    return
  }
  func.func private @k() attributes {prog.kernel}
}

// -----

// What collectives touch comes first, and of that what fills pages of 4096
// bytes: it begins on one.
#mesh = #dist.mesh<dp = 2>
module attributes {dist.mesh = #mesh} {
  // CHECK: pipe.slot @alone {{.*}} prog.offset = 12544 : i64
  pipe.slot @alone : tensor<1024xf32> {kind = "parameter", lifetime = "run"}
  // CHECK: pipe.slot @norm {{.*}} prog.offset = 12288 : i64
  pipe.slot @norm : tensor<64xf32> {kind = "parameter", lifetime = "run"}
  // CHECK: pipe.slot @first {{.*}} prog.offset = 0 : i64
  pipe.slot @first : tensor<2x1024xf32> {kind = "parameter", lifetime = "run"}
  // CHECK: pipe.slot @second {{.*}} prog.offset = 8192 : i64
  pipe.slot @second : tensor<1024xf32> {kind = "parameter", lifetime = "run"}
  func.func @gathers() {
    %n = prog.buffer "run" slot @norm : memref<64xf32>
    %a = prog.buffer "run" slot @first : memref<2x1024xf32>
    %b = prog.buffer "run" slot @second : memref<1024xf32>
    %x = prog.buffer "microbatch" : memref<128xf32>
    %y = prog.buffer "microbatch" : memref<4x1024xf32>
    %z = prog.buffer "microbatch" : memref<2048xf32>
    prog.collective "all_gather" 0 ins(%n, %a, %b : memref<64xf32>, memref<2x1024xf32>, memref<1024xf32>) outs(%x, %y, %z : memref<128xf32>, memref<4x1024xf32>, memref<2048xf32>) over #mesh ["dp"] reduce "sum" dims [0, 0, 0] concat []
    prog.wait 0(%n, %a, %b, %x, %y, %z : memref<64xf32>, memref<2x1024xf32>, memref<1024xf32>, memref<128xf32>, memref<4x1024xf32>, memref<2048xf32>)
    return
  }
}
