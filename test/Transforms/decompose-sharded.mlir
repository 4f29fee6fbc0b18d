// RUN: weft-opt %s --dist-propagate-layouts --dist-decompose-sharded | FileCheck %s
// RUN: weft-opt %s --dist-propagate-layouts --dist-decompose-sharded --dist-materialize-layouts --dist-partition | FileCheck %s --check-prefix=LOCAL

#mesh = #dist.mesh<dp_shard = 2, tp = 2>
module attributes {dist.mesh = #mesh} {
pipe.slot @logits : tensor<2x3x16xf32> {kind = "input", lifetime = "microbatch", constraint = #dist.constraint<dp_shard = shard(0), tp = shard(2)>}
pipe.slot @rows : tensor<4x16xf32> {kind = "input", lifetime = "microbatch"}
pipe.slot @labels : tensor<2x3xi64> {kind = "input", lifetime = "microbatch"}
pipe.slot @seed : tensor<f32> {kind = "scalar", lifetime = "step"}

// Loss parallel: maximum, sum and the label's logit are combined, three fields
// of [batch, seq]; the logits stay where they are.
// CHECK-LABEL: func.func @reduces_three_fields_for_sharded_classes
func.func @reduces_three_fields_for_sharded_classes(%logits: tensor<2x3x16xf32> {pipe.slot = @logits}, %labels: tensor<2x3xi64> {pipe.slot = @labels}) {
  // CHECK-NOT: nn.cross_entropy
  // CHECK: nn.reduce max {{.*}}dist.assignment = array<i64: 0, 2>, dist.layouts = [#dist.layout<#mesh, dp_shard = shard(0)>]
  // CHECK: nn.exp {{.*}}dist.layouts = [#dist.layout<#mesh, dp_shard = shard(0), tp = shard(2)>]
  // CHECK: nn.pick
  // LOCAL: func.func @reduces_three_fields_for_sharded_classes
  // LOCAL: dist.all_reduce "max" {{.*}} ["tp"] : (tensor<1x3xf32>)
  // LOCAL: dist.all_reduce "sum" {{.*}} ["tp"] : (tensor<1x3xf32>)
  // LOCAL: dist.all_reduce "sum" {{.*}} ["tp"] : (tensor<1x3xf32>)
  // LOCAL-NOT: dist.all_{{.*}}["tp"]
  %sum, %lse = nn.cross_entropy %logits, %labels : (tensor<2x3x16xf32>, tensor<2x3xi64>) -> (tensor<f32>, tensor<2x3xf32>)
  return
}

// Its gradient needs no op of another rank.
// CHECK-LABEL: func.func @reduces_nothing_in_backward
func.func @reduces_nothing_in_backward(%logits: tensor<2x3x16xf32> {pipe.slot = @logits}, %labels: tensor<2x3xi64> {pipe.slot = @labels}, %seed: tensor<f32> {pipe.slot = @seed}) {
  %lse = nn.reduce max %logits dims [2] : (tensor<2x3x16xf32>) -> tensor<2x3xf32>
  // LOCAL: func.func @reduces_nothing_in_backward
  // LOCAL: dist.all_reduce "max"
  // LOCAL-NOT: dist.all_
  // LOCAL: return
  // CHECK: nn.cross_entropy_grad {{.*}}dist.layouts = [#dist.layout<#mesh, dp_shard = shard(0), tp = shard(2)>]
  %g = nn.cross_entropy_grad %logits, %labels, %lse, %seed : (tensor<2x3x16xf32>, tensor<2x3xi64>, tensor<2x3xf32>, tensor<f32>) -> tensor<2x3x16xf32>
  return
}

// Where nobody shards the whole dim the op keeps its better kernel.
// CHECK-LABEL: func.func @keeps_ops_whose_whole_dim_is_replicated
func.func @keeps_ops_whose_whole_dim_is_replicated(%x: tensor<4x16xf32> {pipe.slot = @rows}) {
  // CHECK: nn.softmax
  %s = nn.softmax %x : tensor<4x16xf32>
  return
}

// A wish is enough; what was decided before stays.
// CHECK-LABEL: func.func @decomposes_for_a_wish
func.func @decomposes_for_a_wish(%x: tensor<4x16xf32> {pipe.slot = @rows}) {
  %c = dist.constrain %x <tp = shard(1)> : tensor<4x16xf32>
  // CHECK-NOT: nn.softmax
  // CHECK: nn.div {{.*}}dist.layouts = [#dist.layout<#mesh, dp_shard = shard(0), tp = shard(1)>]
  // CHECK: nn.neg {{.*}}dist.layouts = [#dist.layout<#mesh, dp_shard = shard(0)>]
  %s = nn.softmax %c : tensor<4x16xf32>
  %n = nn.neg %s : tensor<4x16xf32>
  return
}

// An op without decomposition is gathered.
// CHECK-LABEL: func.func @gathers_for_ops_without_decomposition
func.func @gathers_for_ops_without_decomposition(%x: tensor<4x16xf32> {pipe.slot = @rows}) {
  %c = dist.constrain %x <tp = shard(1)> : tensor<4x16xf32>
  // LOCAL: dist.all_gather
  // CHECK: nn.concat {{.*}}dist.layouts = [#dist.layout<#mesh, dp_shard = shard(0)>]
  %s = nn.concat %c, %c dim 1 : (tensor<4x16xf32>, tensor<4x16xf32>) -> tensor<4x32xf32>
  return
}
}
