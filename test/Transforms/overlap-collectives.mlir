// RUN: weft-opt %s --dist-overlap-collectives | FileCheck %s --check-prefixes=CHECK,PRE
// RUN: weft-opt %s --dist-overlap-collectives=prefetch=none | FileCheck %s --check-prefixes=CHECK,NONE
// RUN: weft-opt %s --dist-overlap-collectives=prefetch=post | FileCheck %s --check-prefixes=CHECK,POST
// RUN: not weft-opt %s --dist-overlap-collectives=prefetch=early 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// UNKNOWN: error: unknown prefetch policy: got "early", expected pre, post or none

#mesh = #dist.mesh<dp_shard = 2>
module attributes {dist.mesh = #mesh} {
pipe.slot @w : tensor<8xf32> {kind = "parameter", lifetime = "run", unit = "layers.0"}
pipe.slot @v : tensor<8xf32> {kind = "parameter", lifetime = "run", unit = "layers.1"}
pipe.slot @g.w : tensor<8xf32> {kind = "gradient", lifetime = "run", unit = "layers.0"}
pipe.slot @x : tensor<8xf32> {kind = "input", lifetime = "microbatch"}
pipe.slot @y : tensor<8xf32> {kind = "scalar", lifetime = "run"}

// A collective starts where its operand is known and is waited for by its
// first user.
// CHECK-LABEL: func.func @waits_before_first_user
func.func @waits_before_first_user(%x: tensor<8xf32> {pipe.slot = @x}) -> (tensor<8xf32> {pipe.slot = @y}) {
  // CHECK: %[[FUTURE:.*]] = dist.start
  // CHECK: nn.exp
  // CHECK-NEXT: %[[SUM:.*]] = dist.wait %[[FUTURE]]
  // CHECK-NEXT: nn.add %{{.*}}, %[[SUM]]
  %sum = dist.all_reduce "sum" %x over #mesh ["dp_shard"] : (tensor<8xf32>) -> tensor<8xf32>
  %e = nn.exp %x : tensor<8xf32>
  %r = nn.add %e, %sum : tensor<8xf32>
  return %r : tensor<8xf32>
}

// The second unit's gather starts while the first unit computes, or at need.
// CHECK-LABEL: func.func @prefetches_the_next_unit
func.func @prefetches_the_next_unit(%w: tensor<4xf32> {pipe.slot = @w}, %v: tensor<4xf32> {pipe.slot = @v}) -> (tensor<8xf32> {pipe.slot = @y}) {
  // PRE: dist.wait
  // PRE-NEXT: dist.start
  // PRE: nn.exp
  // NONE: nn.exp
  // NONE-NEXT: dist.start
  %gw = dist.all_gather %w over #mesh ["dp_shard"] dims [0] : (tensor<4xf32>) -> tensor<8xf32>
  %e = nn.exp %gw : tensor<8xf32>
  %gv = dist.all_gather %v over #mesh ["dp_shard"] dims [0] : (tensor<4xf32>) -> tensor<8xf32>
  %r = nn.mul %e, %gv : tensor<8xf32>
  return %r : tensor<8xf32>
}

// What casts a parameter for its gather moves along.
// CHECK-LABEL: func.func @prefetches_a_narrow_parameter
func.func @prefetches_a_narrow_parameter(%w: tensor<4xf32> {pipe.slot = @w}, %v: tensor<4xf32> {pipe.slot = @v}) -> (tensor<8xf32> {pipe.slot = @y}) {
  // PRE: dist.wait
  // PRE-NEXT: nn.cast %{{.*}} : (tensor<4xf32>) -> tensor<4xbf16>
  // PRE-NEXT: dist.start
  // PRE: nn.exp
  // NONE: nn.exp
  // NONE-NEXT: nn.cast
  // NONE-NEXT: dist.start
  %gw = dist.all_gather %w over #mesh ["dp_shard"] dims [0] : (tensor<4xf32>) -> tensor<8xf32>
  %e = nn.exp %gw : tensor<8xf32>
  %c = nn.cast %v : (tensor<4xf32>) -> tensor<4xbf16>
  %gv = dist.all_gather %c over #mesh ["dp_shard"] dims [0] : (tensor<4xbf16>) -> tensor<8xbf16>
  %u = nn.cast %gv : (tensor<8xbf16>) -> tensor<8xf32>
  %r = nn.mul %e, %u : tensor<8xf32>
  return %r : tensor<8xf32>
}

// With "post" a gather overtakes the gradient reduction before it.
// CHECK-LABEL: func.func @gathers_before_the_reduction
func.func @gathers_before_the_reduction(%v: tensor<4xf32> {pipe.slot = @v}, %x: tensor<8xf32> {pipe.slot = @x}) -> (tensor<4xf32> {pipe.slot = @g.w}, tensor<8xf32> {pipe.slot = @y}) {
  // POST: dist.all_gather
  // POST: dist.reduce_scatter
  // NONE: dist.reduce_scatter
  // NONE: dist.all_gather
  %g = dist.reduce_scatter "sum" %x over #mesh ["dp_shard"] dims [0] : (tensor<8xf32>) -> tensor<4xf32>
  %gv = dist.all_gather %v over #mesh ["dp_shard"] dims [0] : (tensor<4xf32>) -> tensor<8xf32>
  return %g, %gv : tensor<4xf32>, tensor<8xf32>
}

// What backward gathers again is not held through forward.
// CHECK-LABEL: func.func @does_not_leave_backward
func.func @does_not_leave_backward(%w: tensor<4xf32> {pipe.slot = @w}, %v: tensor<4xf32> {pipe.slot = @v}) -> (tensor<8xf32> {pipe.slot = @y}) {
  // CHECK: nn.exp
  // CHECK-NEXT: dist.start
  // CHECK: recomputed
  %gw = dist.all_gather %w over #mesh ["dp_shard"] dims [0] : (tensor<4xf32>) -> tensor<8xf32>
  %e = nn.exp %gw : tensor<8xf32>
  %gv = dist.all_gather %v over #mesh ["dp_shard"] dims [0] {recomputed} : (tensor<4xf32>) -> tensor<8xf32>
  %r = nn.mul %e, %gv : tensor<8xf32>
  return %r : tensor<8xf32>
}
}
