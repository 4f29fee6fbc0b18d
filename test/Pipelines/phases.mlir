// RUN: weft-opt %s "--weft-to-typed=set=mesh.dp_shard=2 set=mesh.tp=2" | FileCheck %s --check-prefix=TYPED
// RUN: weft-opt %s "--weft-to-scheduled=set=mesh.dp_shard=2 set=mesh.tp=2 set=step.microbatches=2" --mlir-print-ir-after=dist-apply-plan --mlir-print-ir-after=pipe-verify-stages --mlir-print-ir-after=dist-propagate-layouts --mlir-print-ir-after=dist-verify-local --mlir-print-ir-after=pipe-verify-schedule 2>&1 | FileCheck %s

// One block of a transformer through all phases: data parallel with sharded
// state, tensor parallel in the styles that the model publishes.

// Annotated: the plan is on the slots and the boundaries.
// CHECK: IR Dump After {{.*}}dist-apply-plan
// CHECK: module attributes {dist.mesh = #mesh
// CHECK: pipe.slot @q.weight {{.*}}constraint = #dist.constraint<tp = shard(0), dp_shard = shard(0)>{{.*}}unit = "layers.0"
// CHECK: dist.constrain %{{.*}} <dp_shard = replicate>
// CHECK-NOT: nn.boundary

// Staged: one joint function, the weights before it, the update behind it.
// CHECK: IR Dump After {{.*}}pipe-verify-stages
// CHECK: pipe.slot @g.q.weight : tensor<8x8xf32> {{.*}}kind = "gradient"
// CHECK: func.func @stage0(
// CHECK: nn.attention_grad
// CHECK: nn.sum_of %{{.*}}, %{{.*}} : tensor<8x8xf32>
// CHECK: func.func @weigh(
// CHECK: func.func @seed(
// CHECK: func.func @stage0_update(

// Decided: a layout on every op.
// CHECK: IR Dump After {{.*}}dist-propagate-layouts
// CHECK: nn.embedding {{.*}}dist.assignment
// CHECK: nn.attention {{.*}}dist.layouts = [#dist.layout<#mesh, dp_shard = shard(0), tp = shard(1)>

// Typed: the embedding and the row-parallel projection come out partial, the
// gradient is moved to its slot at once.
// TYPED: func.func @stage0(
// TYPED: nn.embedding {{.*}} -> tensor<4x6x8xf32, #dist.layout<#mesh, dp_shard = shard(0), tp = partial(sum)>>
// TYPED: %[[PROJECTED:.*]] = nn.contract "btd,od->bto" {{.*}} -> tensor<4x6x8xf32, #dist.layout<#mesh, dp_shard = shard(0), tp = partial(sum)>>
// TYPED-NEXT: dist.redistribute %[[PROJECTED]]
// TYPED: dist.redistribute %{{.*}} : tensor<8x8xf32, #dist.layout<#mesh, tp = shard(0), dp_shard = partial(sum)>> to tensor<8x8xf32, #dist.layout<#mesh, tp = shard(0), dp_shard = shard(0)>>
// TYPED-NOT: dist.constrain

// Local: shapes of one rank; redistributes are collectives.
// CHECK: IR Dump After {{.*}}dist-verify-local
// CHECK: dist.all_gather %{{.*}} over #mesh ["dp_shard"] dims [0] : (tensor<4x8xf32>) -> tensor<8x8xf32>
// CHECK: nn.embedding %{{.*}}, %{{.*}} offset %{{.*}} : (tensor<2x6xi64>, tensor<8x8xf32>, tensor<i64>) -> tensor<2x6x8xf32>
// CHECK-NEXT: dist.all_reduce "sum" %{{.*}} over #mesh ["tp"]
// CHECK: dist.reduce_scatter "sum" %{{.*}} over #mesh ["dp_shard"] dims [0]

// Scheduled: a call per unit, one for all gradients, and the table.
// CHECK: IR Dump After {{.*}}pipe-verify-schedule
// CHECK: %{{.*}}:5 = dist.all_gather {{.*}}gathered = "saved"
// CHECK: dist.all_gather {{.*}}recomputed
// CHECK: %{{.*}}:7 = dist.reduce_scatter "sum"
// CHECK: pipe.schedule [{call = @weigh, microbatch = 0 : i64}, {call = @weigh, microbatch = 1 : i64}, {call = @seed}, {call = @stage0, microbatch = 0 : i64}, {call = @stage0, microbatch = 1 : i64}, {call = @stage0_update}]

module attributes {weft.tp_plan = {"embed" = "embedding_rowwise",
    "layers.*.q" = "colwise", "layers.*.k" = "colwise", "layers.*.v" = "colwise", "layers.*.o" = "rowwise",
    "head" = "colwise_gather_output"}, weft.units = ["layers.*"]} {
pipe.slot @embed.weight : tensor<16x8xf32> {kind = "parameter", lifetime = "run", names = ["embed.weight"], stored = "embed.weight", trainable}
pipe.slot @norm.weight : tensor<8xf32> {kind = "parameter", lifetime = "run", names = ["layers.0.norm.weight"], stored = "layers.0.norm.weight", trainable}
pipe.slot @q.weight : tensor<8x8xf32> {kind = "parameter", lifetime = "run", names = ["layers.0.q.weight"], stored = "layers.0.q.weight", trainable}
pipe.slot @k.weight : tensor<8x8xf32> {kind = "parameter", lifetime = "run", names = ["layers.0.k.weight"], stored = "layers.0.k.weight", trainable}
pipe.slot @v.weight : tensor<8x8xf32> {kind = "parameter", lifetime = "run", names = ["layers.0.v.weight"], stored = "layers.0.v.weight", trainable}
pipe.slot @o.weight : tensor<8x8xf32> {kind = "parameter", lifetime = "run", names = ["layers.0.o.weight"], stored = "layers.0.o.weight", trainable}
pipe.slot @head.weight : tensor<16x8xf32> {kind = "parameter", lifetime = "run", names = ["head.weight"], stored = "head.weight", trainable}
pipe.slot @tokens : tensor<4x6xi64> {kind = "input", lifetime = "microbatch"}
pipe.slot @labels : tensor<4x6xi64> {kind = "input", lifetime = "microbatch"}
pipe.slot @term0.sum : tensor<f32> {kind = "scalar", lifetime = "step", coefficient = 1.0 : f64}
pipe.slot @term0.weight : tensor<f32> {kind = "scalar", lifetime = "step"}

func.func @model(%embed: tensor<16x8xf32> {pipe.slot = @embed.weight}, %norm: tensor<8xf32> {pipe.slot = @norm.weight},
    %wq: tensor<8x8xf32> {pipe.slot = @q.weight}, %wk: tensor<8x8xf32> {pipe.slot = @k.weight}, %wv: tensor<8x8xf32> {pipe.slot = @v.weight},
    %wo: tensor<8x8xf32> {pipe.slot = @o.weight}, %head: tensor<16x8xf32> {pipe.slot = @head.weight},
    %tokens: tensor<4x6xi64> {pipe.slot = @tokens}, %labels: tensor<4x6xi64> {pipe.slot = @labels})
    -> (tensor<f32> {pipe.slot = @term0.sum}, tensor<f32> {pipe.slot = @term0.weight}) {
  %e = nn.embedding %tokens, %embed : (tensor<4x6xi64>, tensor<16x8xf32>) -> tensor<4x6x8xf32>
  %e1 = nn.boundary %e {module = "embed", side = "output", index = 0 : i64} : tensor<4x6x8xf32>
  %x = nn.boundary %e1 {module = "layers.0", side = "input", index = 0 : i64} : tensor<4x6x8xf32>
  %n, %rstd = nn.rms_norm %x, %norm eps 1.0e-5 : (tensor<4x6x8xf32>, tensor<8xf32>) -> (tensor<4x6x8xf32>, tensor<4x6xf32>)
  %qx = nn.boundary %n {module = "layers.0.q", side = "input", index = 0 : i64} : tensor<4x6x8xf32>
  %q0 = nn.contract "btd,od->bto" %qx, %wq : (tensor<4x6x8xf32>, tensor<8x8xf32>) -> tensor<4x6x8xf32>
  %q1 = nn.boundary %q0 {module = "layers.0.q", side = "output", index = 0 : i64} : tensor<4x6x8xf32>
  %q2 = nn.reshape %q1 : (tensor<4x6x8xf32>) -> tensor<4x6x2x4xf32>
  %q = nn.transpose %q2 permutation [0, 2, 1, 3] : (tensor<4x6x2x4xf32>) -> tensor<4x2x6x4xf32>
  %kx = nn.boundary %n {module = "layers.0.k", side = "input", index = 0 : i64} : tensor<4x6x8xf32>
  %k0 = nn.contract "btd,od->bto" %kx, %wk : (tensor<4x6x8xf32>, tensor<8x8xf32>) -> tensor<4x6x8xf32>
  %k1 = nn.boundary %k0 {module = "layers.0.k", side = "output", index = 0 : i64} : tensor<4x6x8xf32>
  %k2 = nn.reshape %k1 : (tensor<4x6x8xf32>) -> tensor<4x6x2x4xf32>
  %k = nn.transpose %k2 permutation [0, 2, 1, 3] : (tensor<4x6x2x4xf32>) -> tensor<4x2x6x4xf32>
  %vx = nn.boundary %n {module = "layers.0.v", side = "input", index = 0 : i64} : tensor<4x6x8xf32>
  %v0 = nn.contract "btd,od->bto" %vx, %wv : (tensor<4x6x8xf32>, tensor<8x8xf32>) -> tensor<4x6x8xf32>
  %v1 = nn.boundary %v0 {module = "layers.0.v", side = "output", index = 0 : i64} : tensor<4x6x8xf32>
  %v2 = nn.reshape %v1 : (tensor<4x6x8xf32>) -> tensor<4x6x2x4xf32>
  %v = nn.transpose %v2 permutation [0, 2, 1, 3] : (tensor<4x6x2x4xf32>) -> tensor<4x2x6x4xf32>
  %i = nn.iota dim 0 : tensor<6xi64>
  %a0, %lse = nn.attention %q, %k, %v, %i, %i {scale = 0.5 : f64, causal} : (tensor<4x2x6x4xf32>, tensor<4x2x6x4xf32>, tensor<4x2x6x4xf32>, tensor<6xi64>, tensor<6xi64>) -> (tensor<4x2x6x4xf32>, tensor<4x2x6xf32>)
  %a1 = nn.transpose %a0 permutation [0, 2, 1, 3] : (tensor<4x2x6x4xf32>) -> tensor<4x6x2x4xf32>
  %a2 = nn.reshape %a1 : (tensor<4x6x2x4xf32>) -> tensor<4x6x8xf32>
  %ox = nn.boundary %a2 {module = "layers.0.o", side = "input", index = 0 : i64} : tensor<4x6x8xf32>
  %o0 = nn.contract "btd,od->bto" %ox, %wo : (tensor<4x6x8xf32>, tensor<8x8xf32>) -> tensor<4x6x8xf32>
  %o1 = nn.boundary %o0 {module = "layers.0.o", side = "output", index = 0 : i64} : tensor<4x6x8xf32>
  %r = nn.add %x, %o1 : tensor<4x6x8xf32>
  %y = nn.boundary %r {module = "layers.0", side = "output", index = 0 : i64} : tensor<4x6x8xf32>
  %hx = nn.boundary %y {module = "head", side = "input", index = 0 : i64} : tensor<4x6x8xf32>
  %l0 = nn.contract "btd,od->bto" %hx, %head : (tensor<4x6x8xf32>, tensor<16x8xf32>) -> tensor<4x6x16xf32>
  %logits = nn.boundary %l0 {module = "head", side = "output", index = 0 : i64} : tensor<4x6x16xf32>
  %sum, %lse1 = nn.cross_entropy %logits, %labels : (tensor<4x6x16xf32>, tensor<4x6xi64>) -> (tensor<f32>, tensor<4x6xf32>)
  %ignored = nn.constant dense<-100> : tensor<4x6xi64>
  %counts = nn.compare ne %labels, %ignored : (tensor<4x6xi64>, tensor<4x6xi64>) -> tensor<4x6xi1>
  %ones = nn.cast %counts : (tensor<4x6xi1>) -> tensor<4x6xf32>
  %weight = nn.reduce sum %ones dims [0, 1] : (tensor<4x6xf32>) -> tensor<f32>
  return %sum, %weight : tensor<f32>, tensor<f32>
}
}
