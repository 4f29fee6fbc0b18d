// RUN: weft-opt %s --dist-propagate-layouts | FileCheck %s

// How axes flow from slots and wishes through the rules of ops.

#mesh = #dist.mesh<dp_shard = 2, tp = (2, 2)>
module attributes {dist.mesh = #mesh} {

// The constraint of a slot is its layout; batch inputs without one have dim 0
// over the data axes; everything else is replicated.
// CHECK: pipe.slot @x : tensor<4x8xf32, #dist.layout<#mesh, dp_shard = shard(0)>>
pipe.slot @x : tensor<4x8xf32> {kind = "input", lifetime = "microbatch"}
// CHECK: pipe.slot @w : tensor<8x8xf32, #dist.layout<#mesh, tp = shard(0), dp_shard = shard(0)>>
pipe.slot @w : tensor<8x8xf32> {kind = "parameter", lifetime = "run", constraint = #dist.constraint<tp = shard(0), dp_shard = shard(0)>}
// CHECK: pipe.slot @bias : tensor<8xf32, #dist.layout<#mesh>>
pipe.slot @bias : tensor<8xf32> {kind = "parameter", lifetime = "run"}

// A parameter is gathered where it is used; the batch axis comes from the
// input, tp from what is left of the weight.
// CHECK-LABEL: func.func @colwise
func.func @colwise(%x: tensor<4x8xf32> {pipe.slot = @x}, %w: tensor<8x8xf32> {pipe.slot = @w}) {
  // CHECK: dist.constrain {{.*}}<dp_shard = replicate> {dist.layouts = [#dist.layout<#mesh, tp = shard(0)>]}
  %g = dist.constrain %w <dp_shard = replicate> : tensor<8x8xf32>
  // CHECK: nn.contract {{.*}}dist.layouts = [#dist.layout<#mesh, dp_shard = shard(0), tp = shard(1)>]
  %y = nn.contract "bi,oi->bo" %x, %g : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  return
}

// A wish reaches the op that makes the value and, against program order, the
// ops before it.
// CHECK-LABEL: func.func @flows_backward_from_a_wish
func.func @flows_backward_from_a_wish(%bias: tensor<8xf32> {pipe.slot = @bias}) {
  // CHECK: nn.exp {{.*}}dist.layouts = [#dist.layout<#mesh, tp = shard(0)>]
  %e = nn.exp %bias : tensor<8xf32>
  // CHECK: nn.broadcast {{.*}}dist.layouts = [#dist.layout<#mesh, tp = shard(1)>]
  %b = nn.broadcast %e dims [1] : (tensor<8xf32>) -> tensor<4x8xf32>
  %c = dist.constrain %b <tp = shard(1)> : tensor<4x8xf32>
  return
}

// A sum of shards is partial; a product, which no communicator makes, is not.
// CHECK-LABEL: func.func @combines
func.func @combines(%x: tensor<4x8xf32> {pipe.slot = @x}) {
  // CHECK: nn.reduce sum {{.*}}dist.assignment = array<i64: 0, -1, -1>
  %0 = nn.reduce sum %x dims [0] : (tensor<4x8xf32>) -> tensor<8xf32>
  // CHECK: nn.reduce product {{.*}}dist.assignment = array<i64: -1, -1, -1>
  %1 = nn.reduce product %x dims [0] : (tensor<4x8xf32>) -> tensor<8xf32>
  return
}

// Replicate entries of a wish never flow.
// CHECK-LABEL: func.func @keeps_replicate_wishes_here
func.func @keeps_replicate_wishes_here(%x: tensor<4x8xf32> {pipe.slot = @x}) {
  // CHECK: nn.exp {{.*}}dist.layouts = [#dist.layout<#mesh, dp_shard = shard(0)>]
  %e = nn.exp %x : tensor<4x8xf32>
  // CHECK: dist.constrain {{.*}}<dp_shard = replicate> {dist.layouts = [#dist.layout<#mesh>]}
  %r = dist.constrain %e <dp_shard = replicate> : tensor<4x8xf32>
  return
}

// CHECK-LABEL: func.func @fills_open_axes_of_a_wish
func.func @fills_open_axes_of_a_wish(%x: tensor<4x8xf32> {pipe.slot = @x}) {
  // CHECK: dist.constrain {{.*}}dist.layouts = [#dist.layout<#mesh, dp_shard = shard(0), tp = shard(1)>]
  %c = dist.constrain %x <tp = shard(1)> : tensor<4x8xf32>
  return
}

// A gradient's constraint to its slot: the data axes of the slot flow nowhere,
// the tp of the weight's use flows back.
// CHECK-LABEL: func.func @keeps_one_way_axes_from_the_operand
func.func @keeps_one_way_axes_from_the_operand(%bias: tensor<8xf32> {pipe.slot = @bias}) {
  // CHECK: nn.exp {{.*}}dist.layouts = [#dist.layout<#mesh, tp = shard(0)>]
  %e = nn.exp %bias : tensor<8xf32>
  %c = dist.constrain %e <tp = shard(0), dp_shard = shard(0)> {dist.one_way = ["dp_shard"]} : tensor<8xf32>
  return
}

// A reduced dim leaves the result replicated here: it comes out partial.
// CHECK-LABEL: func.func @assigns_axis_to_reduced_dim
func.func @assigns_axis_to_reduced_dim(%x: tensor<4x8xf32> {pipe.slot = @x}) {
  // CHECK: nn.reduce {{.*}}dist.assignment = array<i64: 0, -1, -1>, dist.layouts = [#dist.layout<#mesh>]
  %y = nn.reduce sum %x dims [0] : (tensor<4x8xf32>) -> tensor<8xf32>
  return
}

// Of a merged dim only the outermost factor is cut, and only evenly: two heads
// take one sub-axis of tp.
// CHECK-LABEL: func.func @narrows_to_the_sub_axis_that_divides_the_heads
func.func @narrows_to_the_sub_axis_that_divides_the_heads(%x: tensor<4x8xf32> {pipe.slot = @x}) {
  %c = dist.constrain %x <tp = shard(1)> : tensor<4x8xf32>
  // CHECK: nn.reshape {{.*}}dist.layouts = [#dist.layout<#mesh, dp_shard = shard(0), tp.0 = shard(1)>]
  %h = nn.reshape %c : (tensor<4x8xf32>) -> tensor<4x2x4xf32>
  // CHECK: nn.reshape {{.*}}dist.layouts = [#dist.layout<#mesh, dp_shard = shard(0), tp = shard(1)>]
  %h4 = nn.reshape %c : (tensor<4x8xf32>) -> tensor<4x4x2xf32>
  // CHECK: nn.reshape {{.*}}dist.layouts = [#dist.layout<#mesh, dp_shard = shard(0), tp.0 = shard(2)>]
  %h1 = nn.reshape %c : (tensor<4x8xf32>) -> tensor<4x1x2x4xf32>
  return
}

// A plain dim may be cut unevenly.
// CHECK-LABEL: func.func @cuts_plain_dims_unevenly
func.func @cuts_plain_dims_unevenly(%x: tensor<4x8xf32> {pipe.slot = @x}) {
  %s = nn.slice %x offsets [0, 0] sizes [4, 5] strides [1, 1] : (tensor<4x8xf32>) -> tensor<4x5xf32>
  %c = dist.constrain %s <tp = shard(1)> : tensor<4x5xf32>
  // CHECK: nn.exp {{.*}}dist.layouts = [#dist.layout<#mesh, dp_shard = shard(0), tp = shard(1)>]
  %e = nn.exp %c : tensor<4x5xf32>
  return
}

// A dim that an op needs whole takes no axis.
// CHECK-LABEL: func.func @never_shards_a_whole_dim
func.func @never_shards_a_whole_dim(%x: tensor<4x8xf32> {pipe.slot = @x}) {
  %c = dist.constrain %x <tp = shard(1)> : tensor<4x8xf32>
  // CHECK: nn.softmax {{.*}}dist.layouts = [#dist.layout<#mesh, dp_shard = shard(0)>]
  %s = nn.softmax %c : tensor<4x8xf32>
  return
}

// In one dim tp lies outside of dp_shard, whichever comes first.
// CHECK-LABEL: func.func @nests_tp_outside_of_dp_shard
func.func @nests_tp_outside_of_dp_shard(%x: tensor<4x8xf32> {pipe.slot = @x}) {
  %e = nn.exp %x : tensor<4x8xf32>
  // CHECK: dist.constrain {{.*}}dist.layouts = [#dist.layout<#mesh, tp = shard(0), dp_shard = shard(0)>]
  %c = dist.constrain %e <tp = shard(0)> : tensor<4x8xf32>
  return
}

// Each use of a constant has its own, which lies as the use wants it.
// CHECK-LABEL: func.func @clones_constants_for_each_use
func.func @clones_constants_for_each_use(%x: tensor<4x8xf32> {pipe.slot = @x}, %w: tensor<8x8xf32> {pipe.slot = @w}) {
  // CHECK-DAG: nn.constant {{.*}}dist.layouts = [#dist.layout<#mesh, dp_shard = shard(0)>]
  // CHECK-DAG: nn.constant {{.*}}dist.layouts = [#dist.layout<#mesh, tp = shard(1)>]
  %one = nn.constant dense<1.0> : tensor<4x8xf32>
  %a = nn.add %x, %one : tensor<4x8xf32>
  %b = nn.exp %one : tensor<4x8xf32>
  %c = dist.constrain %b <tp = shard(1)> : tensor<4x8xf32>
  return
}

// What is written to a slot lies like it where nobody else asks.
// CHECK-LABEL: func.func @results_take_the_layout_of_their_slot
func.func @results_take_the_layout_of_their_slot() -> (tensor<8x8xf32> {pipe.slot = @w}) {
  // CHECK: nn.constant {{.*}}dist.layouts = [#dist.layout<#mesh, tp = shard(0), dp_shard = shard(0)>]
  %zero = nn.constant dense<0.0> : tensor<8x8xf32>
  return %zero : tensor<8x8xf32>
}

// Partial entries of a wish are part of its layout.
// CHECK-LABEL: func.func @keeps_a_wish_for_a_partial_value
func.func @keeps_a_wish_for_a_partial_value(%bias: tensor<8xf32> {pipe.slot = @bias}) {
  // CHECK: dist.constrain {{.*}}dist.layouts = [#dist.layout<#mesh, dp_shard = partial(sum), tp = partial(sum)>]
  %c = dist.constrain %bias <dp_shard = partial(sum), tp = partial(sum)> : tensor<8xf32>
  return
}

// What a user decided stays, and others follow it.
// CHECK-LABEL: func.func @leaves_a_given_layout_alone
func.func @leaves_a_given_layout_alone(%x: tensor<4x8xf32> {pipe.slot = @x}) {
  // CHECK: nn.exp {{.*}}dist.assignment = array<i64: 0, 1, 1>, dist.layouts = [#dist.layout<#mesh, dp_shard = shard(0), tp = shard(1)>]
  %e = nn.exp %x {dist.layouts = [#dist.layout<#mesh, dp_shard = shard(0), tp = shard(1)>]} : tensor<4x8xf32>
  // CHECK: nn.neg {{.*}}dist.layouts = [#dist.layout<#mesh, dp_shard = shard(0), tp = shard(1)>]
  %n = nn.neg %e : tensor<4x8xf32>
  return
}
}
