// RUN: weft-opt %s --prog-fuse-regions | FileCheck %s
// RUN: weft-opt %s --prog-fuse-regions | weft-opt --prog-fuse-regions | FileCheck %s
// RUN: weft-opt %s --prog-fuse-regions=alone | FileCheck %s --check-prefix=ALONE
// RUN: weft-opt %s --prog-fuse-regions --prog-lower | FileCheck %s --check-prefix=LOWERED

pipe.slot @x : tensor<8x64xf32> {kind = "activation", lifetime = "run"}
pipe.slot @w : tensor<32x64xf32> {kind = "parameter", lifetime = "run"}
pipe.slot @r : tensor<8x32xf32> {kind = "activation", lifetime = "run"}
pipe.slot @y : tensor<8x32xf32> {kind = "activation", lifetime = "run"}
pipe.slot @z : tensor<8x32xf32> {kind = "activation", lifetime = "run"}
// The region runs on the contraction's sums, in place on what it adds.
// CHECK-LABEL: func.func @adds_a_residual
// ALONE-LABEL: func.func @adds_a_residual
// ALONE: nn.contract
// ALONE: prog.fused
// LOWERED-LABEL: func.func @adds_a_residual
// LOWERED: prog.launch @fused_contract_add_{{.*}} ins(%{{.*}}, %{{.*}}, %[[R:.*]] : memref<8x64xf32>, memref<32x64xf32>, memref<8x32xf32>) outs(%{{.*}} : memref<8x32xf32>)
// LOWERED-NEXT: return
func.func @adds_a_residual(%x: tensor<8x64xf32> {pipe.slot = @x}, %w: tensor<32x64xf32> {pipe.slot = @w}, %r: tensor<8x32xf32> {pipe.slot = @r})
    -> (tensor<8x32xf32> {pipe.slot = @y}) {
  // CHECK: %[[SUM:.*]] = prog.fused %[[X:.*]], %[[W:.*]], %[[R:.*]] : (tensor<8x64xf32>, tensor<32x64xf32>, tensor<8x32xf32>) -> tensor<8x32xf32> {
  // CHECK: ^bb0(%[[A:.*]]: tensor<8x64xf32>, %[[B:.*]]: tensor<32x64xf32>, %[[C:.*]]: tensor<8x32xf32>):
  // CHECK: %[[P:.*]] = nn.contract "td,od->to" %[[A]], %[[B]]
  // CHECK: %[[Q:.*]] = nn.add %[[C]], %[[P]]
  // CHECK: prog.yield %[[Q]]
  // CHECK: return %[[SUM]]
  %p = nn.contract "td,od->to" %x, %w : (tensor<8x64xf32>, tensor<32x64xf32>) -> tensor<8x32xf32>
  %q = nn.add %r, %p : tensor<8x32xf32>
  return %q : tensor<8x32xf32>
}

// What backward keeps is one more result.
// CHECK-LABEL: func.func @keeps_what_others_read
func.func @keeps_what_others_read(%x: tensor<8x64xf32> {pipe.slot = @x}, %w: tensor<32x64xf32> {pipe.slot = @w}, %r: tensor<8x32xf32> {pipe.slot = @r})
    -> (tensor<8x32xf32> {pipe.slot = @y}, tensor<8x32xf32> {pipe.slot = @z}) {
  // CHECK: %[[BOTH:.*]]:2 = prog.fused
  // CHECK: %[[P:.*]] = nn.contract
  // CHECK: %[[Q:.*]] = nn.mul
  // CHECK: prog.yield %[[Q]], %[[P]]
  // CHECK: return %[[BOTH]]#0, %[[BOTH]]#1
  %p = nn.contract "td,od->to" %x, %w : (tensor<8x64xf32>, tensor<32x64xf32>) -> tensor<8x32xf32>
  %s = nn.relu %r : tensor<8x32xf32>
  %q = nn.mul %s, %p : tensor<8x32xf32>
  return %q, %p : tensor<8x32xf32>, tensor<8x32xf32>
}

// Long arithmetic is worth waiting for if the sums need not be written.
// CHECK-LABEL: func.func @takes_a_heavy_region
func.func @takes_a_heavy_region(%x: tensor<8x64xf32> {pipe.slot = @x}, %w: tensor<32x64xf32> {pipe.slot = @w})
    -> (tensor<8x32xf32> {pipe.slot = @y}) {
  // CHECK: prog.fused
  // CHECK: nn.contract
  // CHECK: nn.silu
  %p = nn.contract "td,od->to" %x, %w : (tensor<8x64xf32>, tensor<32x64xf32>) -> tensor<8x32xf32>
  %q = nn.silu %p : tensor<8x32xf32>
  return %q : tensor<8x32xf32>
}

// CHECK-LABEL: func.func @leaves_a_heavy_region_if_the_sums_are_kept
func.func @leaves_a_heavy_region_if_the_sums_are_kept(%x: tensor<8x64xf32> {pipe.slot = @x}, %w: tensor<32x64xf32> {pipe.slot = @w})
    -> (tensor<8x32xf32> {pipe.slot = @y}, tensor<8x32xf32> {pipe.slot = @z}) {
  // CHECK: %[[P:.*]] = nn.contract
  // CHECK: prog.fused %[[P]]
  // CHECK: nn.silu
  %p = nn.contract "td,od->to" %x, %w : (tensor<8x64xf32>, tensor<32x64xf32>) -> tensor<8x32xf32>
  %q = nn.silu %p : tensor<8x32xf32>
  return %q, %p : tensor<8x32xf32>, tensor<8x32xf32>
}

// Of two contractions, the later.
// CHECK-LABEL: func.func @takes_the_last
func.func @takes_the_last(%x: tensor<8x64xf32> {pipe.slot = @x}, %w: tensor<32x64xf32> {pipe.slot = @w})
    -> (tensor<8x32xf32> {pipe.slot = @y}) {
  // CHECK: %[[FIRST:.*]] = nn.contract "td,od->to"
  // CHECK: prog.fused %{{.*}}, %{{.*}}, %[[FIRST]]
  // CHECK: nn.contract "td,od->to"
  // CHECK: nn.add
  %p = nn.contract "td,od->to" %x, %w : (tensor<8x64xf32>, tensor<32x64xf32>) -> tensor<8x32xf32>
  %n = nn.neg %x : tensor<8x64xf32>
  %q = nn.contract "td,od->to" %n, %w : (tensor<8x64xf32>, tensor<32x64xf32>) -> tensor<8x32xf32>
  %s = nn.add %p, %q : tensor<8x32xf32>
  return %s : tensor<8x32xf32>
}

pipe.slot @bias : tensor<32xf32> {kind = "parameter", lifetime = "run"}
// CHECK-LABEL: func.func @adds_a_bias
func.func @adds_a_bias(%x: tensor<8x64xf32> {pipe.slot = @x}, %w: tensor<32x64xf32> {pipe.slot = @w}, %b: tensor<32xf32> {pipe.slot = @bias})
    -> (tensor<8x32xf32> {pipe.slot = @y}) {
  // CHECK: prog.fused %{{.*}} : (tensor<8x64xf32>, tensor<32x64xf32>, tensor<32xf32>) -> tensor<8x32xf32>
  // CHECK: nn.contract
  // CHECK: nn.broadcast
  %p = nn.contract "td,od->to" %x, %w : (tensor<8x64xf32>, tensor<32x64xf32>) -> tensor<8x32xf32>
  %r = nn.broadcast %b dims [1] : (tensor<32xf32>) -> tensor<8x32xf32>
  %q = nn.add %p, %r : tensor<8x32xf32>
  return %q : tensor<8x32xf32>
}

pipe.slot @w30 : tensor<30x64xf32> {kind = "parameter", lifetime = "run"}
pipe.slot @bias30 : tensor<30xf32> {kind = "parameter", lifetime = "run"}
pipe.slot @y30 : tensor<8x30xf32> {kind = "activation", lifetime = "run"}
// A register could hold the end of one row and the beginning of the next.
// CHECK-LABEL: func.func @leaves_a_bias_of_odd_rows
func.func @leaves_a_bias_of_odd_rows(%x: tensor<8x64xf32> {pipe.slot = @x}, %w: tensor<30x64xf32> {pipe.slot = @w30}, %b: tensor<30xf32> {pipe.slot = @bias30})
    -> (tensor<8x30xf32> {pipe.slot = @y30}) {
  // CHECK: %[[P:.*]] = nn.contract
  // CHECK: prog.fused %[[P]]
  %p = nn.contract "td,od->to" %x, %w : (tensor<8x64xf32>, tensor<30x64xf32>) -> tensor<8x30xf32>
  %r = nn.broadcast %b dims [1] : (tensor<30xf32>) -> tensor<8x30xf32>
  %q = nn.add %p, %r : tensor<8x30xf32>
  return %q : tensor<8x30xf32>
}

// What is read in between can't wait for the region.
// CHECK-LABEL: func.func @leaves_what_is_read_before
func.func @leaves_what_is_read_before(%x: tensor<8x64xf32> {pipe.slot = @x}, %w: tensor<32x64xf32> {pipe.slot = @w}, %r: tensor<8x32xf32> {pipe.slot = @r})
    -> (tensor<8x32xf32> {pipe.slot = @y}) {
  // CHECK: %[[P:.*]] = nn.contract "td,od->to"
  // CHECK: %[[S:.*]] = nn.softmax %[[P]]
  // CHECK: prog.fused %[[P]], %[[S]]
  // CHECK-NOT: nn.contract
  // CHECK: return
  %p = nn.contract "td,od->to" %x, %w : (tensor<8x64xf32>, tensor<32x64xf32>) -> tensor<8x32xf32>
  %s = nn.softmax %p : tensor<8x32xf32>
  %q = nn.add %p, %s : tensor<8x32xf32>
  return %q : tensor<8x32xf32>
}

pipe.slot @xb : tensor<8x64xbf16> {kind = "activation", lifetime = "run"}
pipe.slot @wb : tensor<32x64xbf16> {kind = "parameter", lifetime = "run"}
pipe.slot @rb : tensor<8x32xbf16> {kind = "activation", lifetime = "run"}
pipe.slot @yb : tensor<8x32xbf16> {kind = "activation", lifetime = "run"}
// The region gets sums of bf16 products as they would have been stored.
// CHECK-LABEL: func.func @adds_to_sums_of_bf16
// LOWERED-LABEL: func.func @adds_to_sums_of_bf16
// LOWERED: prog.launch @fused_contract_add_{{.*}} outs(%{{.*}} : memref<8x32xbf16>)
// LOWERED-NEXT: return
func.func @adds_to_sums_of_bf16(%x: tensor<8x64xbf16> {pipe.slot = @xb}, %w: tensor<32x64xbf16> {pipe.slot = @wb}, %r: tensor<8x32xbf16> {pipe.slot = @rb})
    -> (tensor<8x32xbf16> {pipe.slot = @yb}) {
  // CHECK: prog.fused %{{.*}} : (tensor<8x64xbf16>, tensor<32x64xbf16>, tensor<8x32xbf16>) -> tensor<8x32xbf16>
  // CHECK: nn.contract
  // CHECK: nn.add
  %p = nn.contract "td,od->to" %x, %w : (tensor<8x64xbf16>, tensor<32x64xbf16>) -> tensor<8x32xbf16>
  %q = nn.add %r, %p : tensor<8x32xbf16>
  return %q : tensor<8x32xbf16>
}

// CHECK-LABEL: func.func @widens_sums_of_bf16
func.func @widens_sums_of_bf16(%x: tensor<8x64xbf16> {pipe.slot = @xb}, %w: tensor<32x64xbf16> {pipe.slot = @wb})
    -> (tensor<8x32xf32> {pipe.slot = @y}) {
  // CHECK: prog.fused %{{.*}} : (tensor<8x64xbf16>, tensor<32x64xbf16>) -> tensor<8x32xf32>
  %p = nn.contract "td,od->to" %x, %w : (tensor<8x64xbf16>, tensor<32x64xbf16>) -> tensor<8x32xbf16>
  %q = nn.cast %p : (tensor<8x32xbf16>) -> tensor<8x32xf32>
  return %q : tensor<8x32xf32>
}

// A bias is not counted, nor what the contraction would have stored anyway.
// CHECK-LABEL: func.func @keeps_what_gelu_takes
func.func @keeps_what_gelu_takes(%x: tensor<8x64xbf16> {pipe.slot = @xb}, %w: tensor<32x64xbf16> {pipe.slot = @wb}, %b: tensor<32xf32> {pipe.slot = @bias})
    -> (tensor<8x32xf32> {pipe.slot = @y}, tensor<8x32xf32> {pipe.slot = @z}) {
  // CHECK: prog.fused %{{.*}} : (tensor<8x64xbf16>, tensor<32x64xbf16>, tensor<32xf32>) -> (tensor<8x32xf32>, tensor<8x32xf32>)
  %p = nn.contract "td,od->to" %x, %w : (tensor<8x64xbf16>, tensor<32x64xbf16>) -> tensor<8x32xf32>
  %r = nn.broadcast %b dims [1] : (tensor<32xf32>) -> tensor<8x32xf32>
  %s = nn.add %p, %r : tensor<8x32xf32>
  %q = nn.gelu %s : tensor<8x32xf32>
  return %q, %p : tensor<8x32xf32>, tensor<8x32xf32>
}

// 2 + 4 bytes of an element come slower than tiles of bf16 are made.
// CHECK-LABEL: func.func @leaves_what_tiles_of_bf16_would_wait_for
func.func @leaves_what_tiles_of_bf16_would_wait_for(%x: tensor<8x64xbf16> {pipe.slot = @xb}, %w: tensor<32x64xbf16> {pipe.slot = @wb}, %r: tensor<8x32xbf16> {pipe.slot = @rb})
    -> (tensor<8x32xf32> {pipe.slot = @y}) {
  // CHECK: %[[P:.*]] = nn.contract
  // CHECK: prog.fused %[[P]]
  // CHECK-NOT: nn.contract
  // CHECK: return
  %p = nn.contract "td,od->to" %x, %w : (tensor<8x64xbf16>, tensor<32x64xbf16>) -> tensor<8x32xbf16>
  %s = nn.add %p, %r : tensor<8x32xbf16>
  %q = nn.cast %s : (tensor<8x32xbf16>) -> tensor<8x32xf32>
  return %q : tensor<8x32xf32>
}

#mesh = #dist.mesh<tp = 2>
// A collective under way hides behind the contraction, which stays in front.
// CHECK-LABEL: func.func @leaves_what_hides_a_collective
func.func @leaves_what_hides_a_collective(%x: tensor<8x64xf32> {pipe.slot = @x}, %w: tensor<32x64xf32> {pipe.slot = @w}, %r: tensor<8x32xf32> {pipe.slot = @r})
    -> (tensor<8x32xf32> {pipe.slot = @y}) {
  // CHECK: %[[P:.*]] = nn.contract
  // CHECK: dist.all_reduce
  // CHECK: prog.fused %{{.*}}, %[[P]]
  %p = nn.contract "td,od->to" %x, %w : (tensor<8x64xf32>, tensor<32x64xf32>) -> tensor<8x32xf32>
  %g = dist.all_reduce "sum" %r over #mesh ["tp"] : (tensor<8x32xf32>) -> tensor<8x32xf32>
  %q = nn.add %g, %p : tensor<8x32xf32>
  return %q : tensor<8x32xf32>
}
