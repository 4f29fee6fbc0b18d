// RUN: weft-opt %s --split-input-file --nn-build-update | FileCheck %s
// RUN: weft-opt %s --split-input-file --nn-build-update="name=sgd momentum=0.9 clip=0 weight-decay=0.5" | FileCheck %s --check-prefix=SGD
// RUN: weft-opt %s --split-input-file --nn-build-update="name=sgd weight-decay=0 clip-norm=inf skip-nonfinite" | FileCheck %s --check-prefix=INF
// RUN: not weft-opt %s --split-input-file --nn-build-update=name=adam 2>&1 | FileCheck %s --check-prefix=BAD-NAME
// RUN: not weft-opt %s --split-input-file --nn-build-update=clip-norm=3 2>&1 | FileCheck %s --check-prefix=BAD-NORM

// BAD-NAME: optimizer is unknown: got "adam", expected "adamw" or "sgd"
// BAD-NORM: norm is unknown: got "3", expected "1", "2" or "inf"

pipe.slot @w : tensor<8xf32> {kind = "parameter", lifetime = "run", trainable, unit = "layer", optimizer = #dist.constraint<dp_shard = shard(0)>}
pipe.slot @g.w : tensor<8xf32> {kind = "gradient", lifetime = "run", of = @w}
pipe.slot @term0.sum : tensor<f32> {kind = "scalar", lifetime = "step", coefficient = 1.0 : f64}
pipe.slot @term0.weight : tensor<f32> {kind = "scalar", lifetime = "step"}
// CHECK: pipe.slot @fingerprint : tensor<4xf64> {constraint = #dist.constraint<dp_replicate = partial(sum), dp_shard = partial(sum), cp = partial(sum), tp = partial(sum)>
// CHECK: pipe.slot @m.w : tensor<8xf32> {constraint = #dist.constraint<dp_shard = shard(0)>, kind = "optimizer", lifetime = "run", of = @w, unit = "layer"}
// CHECK: pipe.slot @v.w : tensor<8xf32>
pipe.slot @u : tensor<2xf32> {kind = "parameter", lifetime = "run", trainable}
pipe.slot @g.u : tensor<2xf32> {kind = "gradient", lifetime = "run", of = @u}
func.func @stage0(%old: tensor<8xf32> {pipe.slot = @g.w}, %u: tensor<2xf32> {pipe.slot = @u})
    -> (tensor<8xf32> {pipe.slot = @g.w}, tensor<2xf32> {pipe.slot = @g.u}) {
  return %old, %u : tensor<8xf32>, tensor<2xf32>
}

// One vector of partial parts is reduced once.
// CHECK-LABEL: func.func @stage0_update
// What @stage0 adds to is zeroed, what it writes is not.
// CHECK-SAME: -> ({{.*}} {pipe.slot = @g.w}, tensor<2xf32> {pipe.slot = @u}, {{.*}} {pipe.slot = @v.u}, tensor<f32> {pipe.slot = @loss}
// CHECK: %[[SUM:.*]] = dist.constrain %{{.*}} <dp_replicate = partial(sum), dp_shard = partial(sum), cp = partial(sum), tp = partial(sum)> : tensor<f64>
// CHECK: %[[WEIGHT:.*]] = dist.constrain %{{.*}} = partial(sum)> : tensor<f64>
// CHECK: %[[SQUARE:.*]] = nn.mul %[[G:.*]], %[[G]] : tensor<8xf32>
// CHECK: %[[SQUARES:.*]] = dist.constrain %{{.*}} = partial(sum)> : tensor<f64>
// CHECK: %[[PARTS:.*]] = nn.concat {{.*}} -> tensor<7xf64>
// CHECK: dist.constrain %[[PARTS]] <dp_replicate = replicate, dp_shard = replicate, cp = replicate, tp = replicate> : tensor<7xf64>
// CHECK-NOT: dist.constrain
// The gradient is clipped, m and v move, the parameter decays and moves.
// CHECK: nn.pow
// CHECK: nn.minimum
// CHECK: %[[CLIPPED:.*]] = nn.mul %[[G]]
// CHECK: %[[DECAYED:.*]] = nn.mul %[[W:.*]], %{{.*}} : tensor<8xf32>
// CHECK: %[[TOWARDS:.*]] = nn.sub %[[CLIPPED]], %[[M:.*]] : tensor<8xf32>
// CHECK: %[[NEW_M:.*]] = nn.add %[[M]]
// CHECK: %[[NEW_V:.*]] = nn.add
// CHECK: %[[NEW_W:.*]] = nn.sub %[[DECAYED]]
// CHECK-NOT: nn.select {{.*}} tensor<8xf32>
// CHECK: return %[[NEW_W]], %[[NEW_M]], %[[NEW_V]]

// Without clipping the gradient is used as it is; no second moment.
// SGD: pipe.slot @m.w
// SGD-NOT: pipe.slot @v.w
// SGD-LABEL: func.func @stage0_update
// SGD-NOT: nn.minimum
// SGD: %[[HALF:.*]] = nn.constant dense<5.000000e-01> : tensor<8xf32>
// SGD: %[[DECAY:.*]] = nn.mul %[[W:.*]], %[[HALF]]
// SGD: %[[G:.*]] = nn.add %{{.*}}, %[[DECAY]]
// SGD: %[[KEPT:.*]] = nn.mul %{{.*}}, %{{.*}} : tensor<8xf32>
// SGD: %[[NEW_M:.*]] = nn.add %[[KEPT]], %[[G]]
// SGD: %[[STEP:.*]] = nn.mul %[[NEW_M]]
// SGD: %[[NEW_W:.*]] = nn.sub %[[W]], %[[STEP]]
// SGD: return %[[NEW_W]], %[[NEW_M]]

// The maximum norm has a reduction of its own; a skipped step is a select.
// INF-NOT: kind = "optimizer"
// INF-LABEL: func.func @stage0_update
// INF: nn.concat
// INF: nn.reduce max
// INF: dist.constrain %{{.*}} <dp_replicate = replicate, dp_shard = replicate, cp = replicate, tp = replicate> : tensor<f32>
// INF: %[[NEW_W:.*]] = nn.select %{{.*}} : (tensor<8xi1>, tensor<8xf32>, tensor<8xf32>)
// INF: return %[[NEW_W]]
