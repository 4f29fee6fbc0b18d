// RUN: weft-opt %s --dist-apply-plan="set=mesh.tp=2" | FileCheck %s

// Styles are about a layer's features: where a weight lies as [in, out], as
// GPT-2's do, "colwise" shards its second dim and "rowwise" its first. A matrix
// that is read both ways stays with its dims, as does a table.
module attributes {weft.tp_plan = {"up" = "colwise", "down" = "rowwise",
    "both" = "colwise", "table" = "embedding_colwise"}} {

// CHECK: pipe.slot @table {{.*}}constraint = #dist.constraint<tp = shard(1)>
pipe.slot @table : tensor<16x8xf32> {kind = "parameter", lifetime = "run", names = ["table.weight"], trainable}
// CHECK: pipe.slot @up {{.*}}constraint = #dist.constraint<tp = shard(1)>
pipe.slot @up : tensor<8x12xf32> {kind = "parameter", lifetime = "run", names = ["up.weight"], trainable}
// CHECK: pipe.slot @bias {{.*}}constraint = #dist.constraint<tp = shard(0)>
pipe.slot @bias : tensor<12xf32> {kind = "parameter", lifetime = "run", names = ["up.bias"], trainable}
// CHECK: pipe.slot @down {{.*}}constraint = #dist.constraint<tp = shard(0)>
pipe.slot @down : tensor<12x8xf32> {kind = "parameter", lifetime = "run", names = ["down.weight"], trainable}
// CHECK: pipe.slot @both {{.*}}constraint = #dist.constraint<tp = shard(0)>
pipe.slot @both : tensor<8x8xf32> {kind = "parameter", lifetime = "run", names = ["both.weight"], trainable}
pipe.slot @ids : tensor<2x4xi64> {kind = "input", lifetime = "microbatch"}
pipe.slot @sum : tensor<f32> {kind = "scalar", lifetime = "microbatch"}

func.func @model(%table: tensor<16x8xf32> {pipe.slot = @table}, %up: tensor<8x12xf32> {pipe.slot = @up}, %bias: tensor<12xf32> {pipe.slot = @bias},
    %down: tensor<12x8xf32> {pipe.slot = @down}, %both: tensor<8x8xf32> {pipe.slot = @both}, %ids: tensor<2x4xi64> {pipe.slot = @ids}) -> (tensor<f32> {pipe.slot = @sum}) {
  %e = nn.embedding %ids, %table : (tensor<2x4xi64>, tensor<16x8xf32>) -> tensor<2x4x8xf32>
  %p = nn.contract "btd,do->bto" %e, %up : (tensor<2x4x8xf32>, tensor<8x12xf32>) -> tensor<2x4x12xf32>
  %b = nn.broadcast %bias dims [2] : (tensor<12xf32>) -> tensor<2x4x12xf32>
  %q = nn.add %p, %b : tensor<2x4x12xf32>
  %d = nn.contract "btd,do->bto" %q, %down : (tensor<2x4x12xf32>, tensor<12x8xf32>) -> tensor<2x4x8xf32>
  %x = nn.contract "btd,do->bto" %d, %both : (tensor<2x4x8xf32>, tensor<8x8xf32>) -> tensor<2x4x8xf32>
  %y = nn.contract "btd,od->bto" %x, %both : (tensor<2x4x8xf32>, tensor<8x8xf32>) -> tensor<2x4x8xf32>
  %s = nn.reduce sum %y dims [0, 1, 2] : (tensor<2x4x8xf32>) -> tensor<f32>
  return %s : tensor<f32>
}
}
