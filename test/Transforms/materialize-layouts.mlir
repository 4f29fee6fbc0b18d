// RUN: weft-opt %s --dist-propagate-layouts --dist-materialize-layouts | FileCheck %s

#mesh = #dist.mesh<dp_shard = 2, tp = 2>
module attributes {dist.mesh = #mesh} {
pipe.slot @x : tensor<4x8xf32> {kind = "input", lifetime = "microbatch"}
pipe.slot @open : tensor<4x8xf32> {kind = "activation", lifetime = "microbatch"}
pipe.slot @sum : tensor<8xf32> {kind = "activation", lifetime = "microbatch"}
pipe.slot @shards : tensor<8xf32> {kind = "activation", lifetime = "microbatch", constraint = #dist.constraint<dp_shard = shard(0)>}
pipe.slot @a : tensor<4x8xf32> {kind = "activation", lifetime = "microbatch", constraint = #dist.constraint<tp = shard(1)>}
pipe.slot @b : tensor<4x8xf32> {kind = "activation", lifetime = "microbatch", constraint = #dist.constraint<tp = shard(1)>}
pipe.slot @v : tensor<8x6xf32> {kind = "parameter", lifetime = "run", constraint = #dist.constraint<tp = shard(0)>}
pipe.slot @bias : tensor<6xf32> {kind = "parameter", lifetime = "run"}

// Slots give the types of arguments and results; the wish becomes a
// redistribute of its own, and the constrain op is gone.
// CHECK-LABEL: func.func @types_follow_slots
// CHECK-SAME: %[[X:.*]]: tensor<4x8xf32, #dist.layout<#mesh, dp_shard = shard(0)>> {pipe.slot = @x}) -> (tensor<4x8xf32, #dist.layout<#mesh>> {pipe.slot = @open})
func.func @types_follow_slots(%x: tensor<4x8xf32> {pipe.slot = @x}) -> (tensor<4x8xf32> {pipe.slot = @open}) {
  // CHECK-NEXT: %[[WHOLE:.*]] = dist.redistribute %[[X]] : {{.*}} to tensor<4x8xf32, #dist.layout<#mesh>>
  // CHECK-NEXT: return %[[WHOLE]]
  %c = dist.constrain %x <dp_shard = replicate> : tensor<4x8xf32>
  return %c : tensor<4x8xf32>
}

// Several users of one value in one other layout share the redistribute.
// CHECK-LABEL: func.func @redistributes_once_for_several_users
func.func @redistributes_once_for_several_users(%a: tensor<4x8xf32> {pipe.slot = @a}) -> (tensor<4x8xf32> {pipe.slot = @open}) {
  // CHECK: %[[WHOLE:.*]] = dist.redistribute
  // CHECK-NOT: dist.redistribute
  // CHECK: nn.softmax %[[WHOLE]]
  // CHECK: nn.concat %[[WHOLE]], %[[WHOLE]]
  %s = nn.softmax %a : tensor<4x8xf32>
  %d = nn.concat %a, %a dim 1 : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x16xf32>
  return %s : tensor<4x8xf32>
}

// Partial over all operands: the sum is reduced, not its terms.
// CHECK-LABEL: func.func @resolves_partials_after_their_sum
func.func @resolves_partials_after_their_sum(%a: tensor<4x8xf32> {pipe.slot = @a}, %b: tensor<4x8xf32> {pipe.slot = @b}, %v: tensor<8x6xf32> {pipe.slot = @v}) {
  // CHECK: nn.contract {{.*}} -> tensor<4x6xf32, #dist.layout<#mesh, tp = partial(sum)>>
  // CHECK-NEXT: nn.contract {{.*}} -> tensor<4x6xf32, #dist.layout<#mesh, tp = partial(sum)>>
  // CHECK-NEXT: %[[SUM:.*]] = nn.add
  // CHECK-NEXT: dist.redistribute %[[SUM]] : {{.*}} to tensor<4x6xf32, #dist.layout<#mesh>>
  %p = nn.contract "bi,io->bo" %a, %v : (tensor<4x8xf32>, tensor<8x6xf32>) -> tensor<4x6xf32>
  %q = nn.contract "bi,io->bo" %b, %v : (tensor<4x8xf32>, tensor<8x6xf32>) -> tensor<4x6xf32>
  %s = nn.add %p, %q : tensor<4x6xf32>
  %e = nn.exp %s : tensor<4x6xf32>
  return
}

// A residual or a bias is not partial: it is added once, to the whole value.
// CHECK-LABEL: func.func @resolves_partial_before_adding_a_replicated_value
func.func @resolves_partial_before_adding_a_replicated_value(%a: tensor<4x8xf32> {pipe.slot = @a}, %v: tensor<8x6xf32> {pipe.slot = @v}, %bias: tensor<6xf32> {pipe.slot = @bias}) {
  // CHECK: %[[PART:.*]] = nn.contract {{.*}} -> tensor<4x6xf32, #dist.layout<#mesh, tp = partial(sum)>>
  // CHECK: %[[WHOLE:.*]] = dist.redistribute %[[PART]] : {{.*}} to tensor<4x6xf32, #dist.layout<#mesh>>
  // CHECK: nn.add %[[WHOLE]], %{{.*}} : tensor<4x6xf32, #dist.layout<#mesh>>
  %p = nn.contract "bi,io->bo" %a, %v : (tensor<4x8xf32>, tensor<8x6xf32>) -> tensor<4x6xf32>
  %w = nn.broadcast %bias dims [1] : (tensor<6xf32>) -> tensor<4x6xf32>
  %s = nn.add %p, %w : tensor<4x6xf32>
  return
}

// Rounding each part and adding them is not rounding the sum.
// CHECK-LABEL: func.func @resolves_partial_before_a_down_cast
func.func @resolves_partial_before_a_down_cast(%x: tensor<4x8xf32> {pipe.slot = @x}) {
  // CHECK: nn.reduce sum {{.*}} -> tensor<8xf32, #dist.layout<#mesh, dp_shard = partial(sum)>>
  // CHECK-NEXT: %[[WHOLE:.*]] = dist.redistribute
  // CHECK-NEXT: nn.cast %[[WHOLE]]
  %r = nn.reduce sum %x dims [0] : (tensor<4x8xf32>) -> tensor<8xf32>
  %c = nn.cast %r : (tensor<8xf32>) -> tensor<8xbf16>
  return
}

// Unless that is asked for: gradients reduced in bf16.
// CHECK-LABEL: func.func @passes_a_partial_through_a_cast_of_parts
func.func @passes_a_partial_through_a_cast_of_parts(%x: tensor<4x8xf32> {pipe.slot = @x}) {
  // CHECK: nn.reduce sum
  // CHECK-NEXT: %[[PARTS:.*]] = nn.cast of_parts {{.*}} -> tensor<8xbf16, #dist.layout<#mesh, dp_shard = partial(sum)>>
  // CHECK-NEXT: dist.redistribute %[[PARTS]]
  %r = nn.reduce sum %x dims [0] : (tensor<4x8xf32>) -> tensor<8xf32>
  %c = nn.cast of_parts %r : (tensor<8xf32>) -> tensor<8xbf16>
  %e = nn.exp %c : tensor<8xbf16>
  return
}

// CHECK-LABEL: func.func @resolves_partial_before_a_nonlinear_op
func.func @resolves_partial_before_a_nonlinear_op(%x: tensor<4x8xf32> {pipe.slot = @x}) {
  // CHECK: nn.reduce sum
  // CHECK-NEXT: %[[WHOLE:.*]] = dist.redistribute
  // CHECK-NEXT: nn.exp %[[WHOLE]]
  %r = nn.reduce sum %x dims [0] : (tensor<4x8xf32>) -> tensor<8xf32>
  %e = nn.exp %r : tensor<8xf32>
  return
}

// Along a linear chain: where the fewest bytes are, and on ties the earliest.
// CHECK-LABEL: func.func @resolves_partial_where_fewest_bytes_are
func.func @resolves_partial_where_fewest_bytes_are(%x: tensor<4x8xf32> {pipe.slot = @x}) {
  // CHECK: nn.reduce sum
  // CHECK-NEXT: nn.neg
  // CHECK-NEXT: %[[SMALL:.*]] = nn.slice {{.*}} -> tensor<2xf32, #dist.layout<#mesh, dp_shard = partial(sum)>>
  // CHECK-NEXT: %[[WHOLE:.*]] = dist.redistribute %[[SMALL]]
  // CHECK-NEXT: nn.neg %[[WHOLE]]
  %r = nn.reduce sum %x dims [0] : (tensor<4x8xf32>) -> tensor<8xf32>
  %n = nn.neg %r : tensor<8xf32>
  %s = nn.slice %n offsets [0] sizes [2] strides [1] : (tensor<8xf32>) -> tensor<2xf32>
  %m = nn.neg %s : tensor<2xf32>
  return
}

// A value that several ops read is resolved once, before all of them.
// CHECK-LABEL: func.func @resolves_partial_at_once_for_several_users
func.func @resolves_partial_at_once_for_several_users(%x: tensor<4x8xf32> {pipe.slot = @x}) {
  // CHECK: nn.reduce sum
  // CHECK-NEXT: %[[WHOLE:.*]] = dist.redistribute
  // CHECK-NOT: dist.redistribute
  // CHECK: nn.neg %[[WHOLE]]
  %r = nn.reduce sum %x dims [0] : (tensor<4x8xf32>) -> tensor<8xf32>
  %n = nn.neg %r : tensor<8xf32>
  %s = nn.slice %r offsets [0] sizes [2] strides [1] : (tensor<8xf32>) -> tensor<2xf32>
  return
}

// One move from partial to what the slot, or a wish, asks for.
// CHECK-LABEL: func.func @moves_partial_to_shards_at_once
func.func @moves_partial_to_shards_at_once(%x: tensor<4x8xf32> {pipe.slot = @x}) -> (tensor<8xf32> {pipe.slot = @shards}, tensor<8xf32> {pipe.slot = @sum}) {
  // CHECK: %[[PART:.*]] = nn.reduce sum
  // CHECK: %[[OTHER:.*]] = nn.reduce sum
  // CHECK-NEXT: %[[WISH:.*]] = dist.redistribute %[[OTHER]] : {{.*}}partial(sum)>> to tensor<8xf32, #dist.layout<#mesh, tp = shard(0)>>
  // CHECK-NEXT: dist.redistribute %[[PART]] : {{.*}}dp_shard = partial(sum)>> to tensor<8xf32, #dist.layout<#mesh, dp_shard = shard(0)>>
  // CHECK-NEXT: dist.redistribute %[[WISH]] : {{.*}} to tensor<8xf32, #dist.layout<#mesh>>
  %r = nn.reduce sum %x dims [0] : (tensor<4x8xf32>) -> tensor<8xf32>
  %q = nn.reduce sum %x dims [0] : (tensor<4x8xf32>) -> tensor<8xf32>
  %c = dist.constrain %q <tp = shard(0)> {dist.one_way = ["tp"]} : tensor<8xf32>
  return %r, %c : tensor<8xf32>, tensor<8xf32>
}

// A wish for a partial value keeps it so: nothing is reduced.
// CHECK-LABEL: func.func @keeps_partial_where_wished
func.func @keeps_partial_where_wished(%x: tensor<4x8xf32> {pipe.slot = @x}) {
  // CHECK: nn.reduce sum
  // CHECK-NOT: dist.redistribute
  // CHECK: return
  %r = nn.reduce sum %x dims [0] : (tensor<4x8xf32>) -> tensor<8xf32>
  %c = dist.constrain %r <dp_shard = partial(sum)> : tensor<8xf32>
  return
}
}
