// RUN: weft-opt %s --dist-apply-plan="set=mesh.dp_shard=2,mesh.tp=4" | FileCheck %s
// RUN: weft-opt %s --dist-apply-plan="set=mesh.dp_shard=2,mesh.tp=4" --dist-apply-plan="set=mesh.tp=8" | FileCheck %s
// RUN: weft-opt %s --dist-apply-plan="set=mesh.dp_shard=2,mesh.tp=4,plan.sequence_parallel=true,plan.loss_parallel=true" | FileCheck %s --check-prefix=SEQUENCE
// RUN: weft-opt %s --dist-apply-plan | FileCheck %s --check-prefix=ONE

// One block of a transformer with 8 query heads and 2 key-value heads.

// Key-value heads split tp into sub-axes; the record says what was applied.
// CHECK: #mesh = #dist.mesh<dp_shard = 2, tp = (2, 2)>
// CHECK: weft.applied = {rules = [
// CHECK-SAME: {matched = ["lm_head"], origin = "published", pattern = "lm_head", style = "colwise_gather_output"}
// CHECK-SAME: uncovered = ["model.embed.weight", "model.norm.weight"], units = ["model.layers.0"]
// ONE: #mesh = #dist.mesh<>
module attributes {weft.tp_plan = {
    "model.layers.*.q" = "colwise", "model.layers.*.k" = "colwise",
    "model.layers.*.o" = "rowwise", "lm_head" = "colwise_gather_output"},
    weft.units = ["model.layers.*"]} {

// What no rule covers is replicated along tp and in the root unit.
// CHECK: pipe.slot @embed {{.*}}constraint = #dist.constraint<tp = replicate, dp_shard = shard(0)>
// CHECK-SAME: unit = "root"
pipe.slot @embed : tensor<16x8xf32> {kind = "parameter", lifetime = "run", names = ["model.embed.weight"], trainable}
// In one dim tp lies outside of dp_shard; gradient and optimizer follow.
// CHECK: pipe.slot @q {{.*}}constraint = #dist.constraint<tp = shard(0), dp_shard = shard(0)>
// CHECK-SAME: gradient = #dist.constraint<tp = shard(0), dp_shard = shard(0)>
// CHECK-SAME: optimizer = #dist.constraint<tp = shard(0), dp_shard = shard(0)>, reduce = "each"
// CHECK-SAME: unit = "model.layers.0"
// ONE: pipe.slot @q {{.*}}constraint = #dist.constraint<>
pipe.slot @q : tensor<16x8xf32> {kind = "parameter", lifetime = "run", names = ["model.layers.0.q.weight"], trainable}
// CHECK: pipe.slot @k {{.*}}constraint = #dist.constraint<tp.0 = shard(0), tp.1 = replicate, dp_shard = shard(0)>
pipe.slot @k : tensor<4x8xf32> {kind = "parameter", lifetime = "run", names = ["model.layers.0.k.weight"], trainable}
// A frozen parameter has no gradient.
// CHECK: pipe.slot @o {{.*}}{constraint = #dist.constraint<tp = shard(1), dp_shard = shard(0)>, kind
pipe.slot @o : tensor<8x16xf32> {kind = "parameter", lifetime = "run", names = ["model.layers.0.o.weight"]}
pipe.slot @norm : tensor<8xf32> {kind = "parameter", lifetime = "run", names = ["model.norm.weight"], trainable}
// A tied parameter would answer to all its names; this one has one.
pipe.slot @head : tensor<16x8xf32> {kind = "parameter", lifetime = "run", names = ["lm_head.weight"], trainable}
// CHECK: pipe.slot @table {{.*}}constraint = #dist.constraint<tp = replicate, dp_shard = replicate>, kind = "buffer"
pipe.slot @table : tensor<4xf32> {kind = "buffer", lifetime = "run", stored = "table"}
// CHECK: pipe.slot @tokens {{.*}}constraint = #dist.constraint<dp_shard = shard(0), tp = replicate>
pipe.slot @tokens : tensor<2x4xi64> {kind = "input", lifetime = "microbatch"}
pipe.slot @labels : tensor<2x4xi64> {kind = "input", lifetime = "microbatch"}
pipe.slot @sum : tensor<f32> {kind = "scalar", lifetime = "microbatch"}

// CHECK: func.func @model(%[[EMBED:[^:]*]]: {{[^,]*}}, %[[Q:[^:]*]]: {{[^,]*}}, %[[K:[^:]*]]: {{[^,]*}}, %[[O:[^:]*]]:
func.func @model(%embed: tensor<16x8xf32> {pipe.slot = @embed}, %q: tensor<16x8xf32> {pipe.slot = @q},
    %k: tensor<4x8xf32> {pipe.slot = @k}, %o: tensor<8x16xf32> {pipe.slot = @o}, %norm: tensor<8xf32> {pipe.slot = @norm},
    %head: tensor<16x8xf32> {pipe.slot = @head}, %tokens: tensor<2x4xi64> {pipe.slot = @tokens},
    %labels: tensor<2x4xi64> {pipe.slot = @labels}) -> (tensor<f32> {pipe.slot = @sum}) {
  // A sharded parameter is used whole, from just before its first use on.
  // CHECK: %[[WHOLE:.*]] = dist.constrain %[[EMBED]] <dp_shard = replicate>
  // CHECK-NEXT: %[[ROWS:.*]] = nn.embedding %{{.*}}, %[[WHOLE]]
  // CHECK-NOT: nn.boundary
  // SEQUENCE: %[[ROWS:.*]] = nn.embedding
  // SEQUENCE-NEXT: %[[IN:.*]] = dist.constrain %[[ROWS]] <tp = shard(1)>
  // ONE: func.func
  // ONE-NOT: dist.constrain
  %e = nn.embedding %tokens, %embed : (tensor<2x4xi64>, tensor<16x8xf32>) -> tensor<2x4x8xf32>
  %e1 = nn.boundary %e {module = "model.embed", side = "output", index = 0 : i64} : tensor<2x4x8xf32>
  %x = nn.boundary %e1 {module = "model.layers.0", side = "input", index = 0 : i64} : tensor<2x4x8xf32>
  // Two modules that read one value with one wish share it.
  // CHECK-NEXT: %[[X:.*]] = dist.constrain %[[ROWS]] <tp = replicate>
  // CHECK: %[[QW:.*]] = dist.constrain %[[Q]] <dp_shard = replicate>
  // CHECK-NEXT: %[[QY:.*]] = nn.contract "btd,od->bto" %[[X]], %[[QW]]
  // CHECK-NEXT: dist.constrain %[[QY]] <tp = shard(2)>
  // SEQUENCE-NEXT: %[[X:.*]] = dist.constrain %[[IN]] <tp = replicate>
  %qx = nn.boundary %x {module = "model.layers.0.q", side = "input", index = 0 : i64} : tensor<2x4x8xf32>
  %qy = nn.contract "btd,od->bto" %qx, %q : (tensor<2x4x8xf32>, tensor<16x8xf32>) -> tensor<2x4x16xf32>
  %q1 = nn.boundary %qy {module = "model.layers.0.q", side = "output", index = 0 : i64} : tensor<2x4x16xf32>
  %q2 = nn.reshape %q1 : (tensor<2x4x16xf32>) -> tensor<2x4x8x2xf32>
  %q3 = nn.transpose %q2 permutation [0, 2, 1, 3] : (tensor<2x4x8x2xf32>) -> tensor<2x8x4x2xf32>
  // CHECK: %[[KW:.*]] = dist.constrain %[[K]] <dp_shard = replicate>
  // CHECK-NEXT: %[[KY:.*]] = nn.contract "btd,od->bto" %[[X]], %[[KW]]
  // CHECK-NEXT: dist.constrain %[[KY]] <tp.0 = shard(2), tp.1 = replicate>
  %kx = nn.boundary %x {module = "model.layers.0.k", side = "input", index = 0 : i64} : tensor<2x4x8xf32>
  %ky = nn.contract "btd,od->bto" %kx, %k : (tensor<2x4x8xf32>, tensor<4x8xf32>) -> tensor<2x4x4xf32>
  %k1 = nn.boundary %ky {module = "model.layers.0.k", side = "output", index = 0 : i64} : tensor<2x4x4xf32>
  %k2 = nn.reshape %k1 : (tensor<2x4x4xf32>) -> tensor<2x4x2x2xf32>
  %k3 = nn.transpose %k2 permutation [0, 2, 1, 3] : (tensor<2x4x2x2xf32>) -> tensor<2x2x4x2xf32>
  %i = nn.iota dim 0 : tensor<4xi64>
  %a, %lse = nn.attention %q3, %k3, %k3, %i, %i {scale = 1.0 : f64, causal} : (tensor<2x8x4x2xf32>, tensor<2x2x4x2xf32>, tensor<2x2x4x2xf32>, tensor<4xi64>, tensor<4xi64>) -> (tensor<2x8x4x2xf32>, tensor<2x8x4xf32>)
  %a1 = nn.transpose %a permutation [0, 2, 1, 3] : (tensor<2x8x4x2xf32>) -> tensor<2x4x8x2xf32>
  %a2 = nn.reshape %a1 : (tensor<2x4x8x2xf32>) -> tensor<2x4x16xf32>
  // A rowwise output is replicated, and open under sequence parallel.
  // CHECK: %[[OW:.*]] = dist.constrain %[[O]] <dp_shard = replicate>
  // CHECK-NEXT: %[[OY:.*]] = nn.contract {{.*}}, %[[OW]]
  // CHECK-NEXT: %[[OUT:.*]] = dist.constrain %[[OY]] <tp = replicate>
  // SEQUENCE: %[[OY:.*]] = nn.contract "btd,od->bto" {{.*}} -> tensor<2x4x8xf32>
  // SEQUENCE-NEXT: nn.add %[[IN]], %[[OY]]
  %ox = nn.boundary %a2 {module = "model.layers.0.o", side = "input", index = 0 : i64} : tensor<2x4x16xf32>
  %oy = nn.contract "btd,od->bto" %ox, %o : (tensor<2x4x16xf32>, tensor<8x16xf32>) -> tensor<2x4x8xf32>
  %o1 = nn.boundary %oy {module = "model.layers.0.o", side = "output", index = 0 : i64} : tensor<2x4x8xf32>
  %r = nn.add %x, %o1 : tensor<2x4x8xf32>
  %y = nn.boundary %r {module = "model.layers.0", side = "output", index = 0 : i64} : tensor<2x4x8xf32>
  // The last norm between the blocks and the head keeps the sequence sharded.
  // SEQUENCE: %[[NORMED:.*]], %{{.*}} = nn.rms_norm
  // SEQUENCE-NEXT: %[[NORM:.*]] = dist.constrain %[[NORMED]] <tp = shard(1)>
  // SEQUENCE-NEXT: dist.constrain %[[NORM]] <tp = replicate>
  %n, %rstd = nn.rms_norm %y, %norm eps 1.0e-5 : (tensor<2x4x8xf32>, tensor<8xf32>) -> (tensor<2x4x8xf32>, tensor<2x4xf32>)
  %n1 = nn.boundary %n {module = "model.norm", side = "output", index = 0 : i64} : tensor<2x4x8xf32>
  %hx = nn.boundary %n1 {module = "lm_head", side = "input", index = 0 : i64} : tensor<2x4x8xf32>
  // CHECK: %[[LOGITS:.*]] = nn.contract
  // CHECK-NEXT: dist.constrain %[[LOGITS]] <tp = replicate>
  // SEQUENCE: %[[LOGITS:.*]] = nn.contract
  // SEQUENCE-NEXT: dist.constrain %[[LOGITS]] <tp = shard(2)>
  %logits = nn.contract "btd,od->bto" %hx, %head : (tensor<2x4x8xf32>, tensor<16x8xf32>) -> tensor<2x4x16xf32>
  %h1 = nn.boundary %logits {module = "lm_head", side = "output", index = 0 : i64} : tensor<2x4x16xf32>
  %sum, %lse1 = nn.cross_entropy %h1, %labels : (tensor<2x4x16xf32>, tensor<2x4xi64>) -> (tensor<f32>, tensor<2x4xf32>)
  return %sum : tensor<f32>
}
}
