// RUN: split-file %s %t
// RUN: weft-opt %t/model.mlir --dist-apply-plan="config=%t/weft.toml" | FileCheck %s
// RUN: weft-opt %t/model.mlir --dist-apply-plan="set=mesh.dp_shard=2 set=fsdp.strategy=full set=mesh.dp_replicate=3 set=step.reduce=last" | FileCheck %s --check-prefix=HYBRID
// RUN: weft-opt %t/model.mlir --dist-apply-plan="set=mesh.dp_shard=2,fsdp.strategy=gradients" | FileCheck %s --check-prefix=GRADIENTS
// RUN: weft-opt %t/model.mlir --dist-apply-plan="set=mesh.dp_shard=2,fsdp.strategy=optimizer" | FileCheck %s --check-prefix=OPTIMIZER

// A tied parameter takes the style of either name; the user's style wins over
// the published one, and a layout over both. Without weft.units the longest
// list of modules makes the units.

// CHECK: #dist.mesh<dp_shard = 2, tp = 2>
// CHECK: pipe.slot @tied {{.*}}constraint = #dist.constraint<tp = shard(0), dp_shard = shard(0)>{{.*}}unit = "root"
// CHECK: pipe.slot @w {{.*}}constraint = #dist.constraint<tp = shard(1), dp_shard = replicate>{{.*}}unit = "net.1"
// CHECK: pipe.slot @bias {{.*}}constraint = #dist.constraint<tp = replicate, dp_shard = shard(0)>
// CHECK: func.func @model(%[[TIED:[^:]*]]: {{.*}} %[[W:[^:]*]]: {{[^,]*}}, %[[BIAS:[^:]*]]: {{[^,]*}},
// A layout names the second input by its argument; the style leaves it open.
// CHECK: %[[MASK:.*]] = nn.exp
// CHECK-NEXT: dist.constrain %[[MASK]] <tp = shard(1), dp_shard = shard(0)>
// CHECK-NOT: dist.constrain %[[W]]
// HYBRID: pipe.slot @tied {{.*}}constraint = #dist.constraint<dp_replicate = replicate, dp_shard = shard(0)>{{.*}}reduce = "last"
// HYBRID: pipe.slot @x {{.*}}constraint = #dist.constraint<dp_replicate = shard(0), dp_shard = shard(0)>

// The strategies differ only in which of the three is sharded.
// GRADIENTS: pipe.slot @w {{.*}}constraint = #dist.constraint<dp_shard = replicate>, gradient = #dist.constraint<dp_shard = shard(0)>{{.*}}optimizer = #dist.constraint<dp_shard = shard(0)>
// GRADIENTS-NOT: = dist.constrain %
// OPTIMIZER: pipe.slot @w {{.*}}constraint = #dist.constraint<dp_shard = replicate>, gradient = #dist.constraint<dp_shard = replicate>{{.*}}optimizer = #dist.constraint<dp_shard = shard(0)>

//--- weft.toml
[mesh]
dp_shard = 2
tp = 2
[plan.styles]
"net.*" = "rowwise"
"head" = "colwise"
[plan.layouts]
"net.1.weight" = "dp_shard = replicate"
"net.1:input.mask" = "tp = shard(-1), dp_shard = shard(0)"
//--- model.mlir
module attributes {weft.tp_plan = {"net.*" = "colwise"}} {
pipe.slot @tied : tensor<4x4xf32> {kind = "parameter", lifetime = "run", names = ["embed.weight", "head.weight"], trainable}
pipe.slot @w : tensor<4x4xf32> {kind = "parameter", lifetime = "run", names = ["net.1.weight"], trainable}
pipe.slot @bias : tensor<4xf32> {kind = "parameter", lifetime = "run", names = ["net.1.bias"], trainable}
pipe.slot @x : tensor<2x4xf32> {kind = "input", lifetime = "microbatch"}
pipe.slot @y : tensor<2x4xf32> {kind = "scalar", lifetime = "microbatch"}
func.func @model(%tied: tensor<4x4xf32> {pipe.slot = @tied}, %w: tensor<4x4xf32> {pipe.slot = @w},
    %bias: tensor<4xf32> {pipe.slot = @bias}, %x: tensor<2x4xf32> {pipe.slot = @x}) -> (tensor<2x4xf32> {pipe.slot = @y}) {
  %mask = nn.exp %x : tensor<2x4xf32>
  %m = nn.boundary %mask {module = "net.1", side = "input", index = 1 : i64, name = "mask"} : tensor<2x4xf32>
  %a = nn.boundary %x {module = "net.1", side = "input", index = 0 : i64, name = "x"} : tensor<2x4xf32>
  %b = nn.mul %a, %m : tensor<2x4xf32>
  %c = nn.contract "bi,oi->bo" %b, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  %d = nn.broadcast %bias dims [1] : (tensor<4xf32>) -> tensor<2x4xf32>
  %e = nn.add %c, %d : tensor<2x4xf32>
  %f = nn.contract "bi,oi->bo" %e, %tied : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  return %f : tensor<2x4xf32>
}
}
