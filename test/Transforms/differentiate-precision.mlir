// RUN: weft-opt %s --nn-differentiate --split-input-file | FileCheck %s

// A parameter that is used in bf16: its gradient is summed in f32 and reaches
// the slot without having been rounded, though cotangents are bf16.
pipe.slot @w : tensor<8x4xf32> {kind = "parameter", lifetime = "run", trainable, constraint = #dist.constraint<dp_shard = shard(0)>}
pipe.slot @b : tensor<8xf32> {kind = "parameter", lifetime = "run", trainable}
pipe.slot @x : tensor<2x4xbf16> {kind = "input", lifetime = "microbatch"}
pipe.slot @term0.sum : tensor<f32> {kind = "scalar", lifetime = "step", coefficient = 1.0 : f64}
pipe.slot @term0.seed : tensor<f32> {kind = "scalar", lifetime = "step"}
func.func @model(%w: tensor<8x4xf32> {pipe.slot = @w}, %b: tensor<8xf32> {pipe.slot = @b}, %x: tensor<2x4xbf16> {pipe.slot = @x})
    -> (tensor<f32> {pipe.slot = @term0.sum}) {
  // CHECK-LABEL: func.func @stage0
  // CHECK: %[[X:[^ ]*]]: tensor<2x4xbf16> {pipe.slot = @x}
  %c = nn.cast %w : (tensor<8x4xf32>) -> tensor<8x4xbf16>
  %whole = dist.constrain %c <dp_shard = replicate> : tensor<8x4xbf16>
  %narrow = nn.cast %b : (tensor<8xf32>) -> tensor<8xbf16>
  %y = nn.contract "bi,oi->bo" %x, %whole : (tensor<2x4xbf16>, tensor<8x4xbf16>) -> tensor<2x8xbf16>
  %bias = nn.broadcast %narrow dims [1] : (tensor<8xbf16>) -> tensor<2x8xbf16>
  %z = nn.add %y, %bias : tensor<2x8xbf16>
  %wide = nn.cast %z : (tensor<2x8xbf16>) -> tensor<2x8xf32>
  %sum = nn.reduce sum %wide dims [0, 1] : (tensor<2x8xf32>) -> tensor<f32>
  // CHECK: %[[DZ:.*]] = nn.cast %{{.*}} : (tensor<2x8xf32>) -> tensor<2x8xbf16>
  // CHECK: %[[DB:.*]] = nn.reduce sum %[[DZ]] dims [0] : (tensor<2x8xbf16>) -> tensor<8xf32>
  // CHECK: %[[DW:.*]] = nn.contract "bo,bi->oi" %[[DZ]], %[[X]] : (tensor<2x8xbf16>, tensor<2x4xbf16>) -> tensor<8x4xf32>
  // CHECK: %[[REDUCED:.*]] = dist.constrain %[[DW]] <dp_shard = shard(0)>
  // CHECK: nn.sum_of %{{.*}}, %[[REDUCED]]
  // CHECK: nn.sum_of %{{.*}}, %[[DB]]
  return %sum : tensor<f32>
}

// -----

// In the type that the slot asks for a gradient is reduced; each rank's part
// is rounded, the slot is not.
pipe.slot @w : tensor<8xf32> {kind = "parameter", lifetime = "run", trainable, reduce_type = bf16, constraint = #dist.constraint<dp_shard = shard(0)>}
pipe.slot @term0.sum : tensor<f32> {kind = "scalar", lifetime = "step", coefficient = 1.0 : f64}
pipe.slot @term0.seed : tensor<f32> {kind = "scalar", lifetime = "step"}
// CHECK-LABEL: func.func @stage0
func.func @model(%w: tensor<8xf32> {pipe.slot = @w}) -> (tensor<f32> {pipe.slot = @term0.sum}) {
  %sum = nn.reduce sum %w dims [0] : (tensor<8xf32>) -> tensor<f32>
  // CHECK: %[[PARTS:.*]] = nn.cast of_parts %{{.*}} : (tensor<8xf32>) -> tensor<8xbf16>
  // CHECK: %[[REDUCED:.*]] = dist.constrain %[[PARTS]] <dp_shard = shard(0)> {{.*}} : tensor<8xbf16>
  // CHECK: %[[WIDE:.*]] = nn.cast %[[REDUCED]] : (tensor<8xbf16>) -> tensor<8xf32>
  // CHECK: nn.sum_of %{{.*}}, %[[WIDE]]
  return %sum : tensor<f32>
}

// -----

// The same once a step.
pipe.slot @w : tensor<8xf32> {kind = "parameter", lifetime = "run", trainable, reduce = "last", reduce_type = bf16, constraint = #dist.constraint<dp_shard = shard(0)>}
pipe.slot @term0.sum : tensor<f32> {kind = "scalar", lifetime = "step", coefficient = 1.0 : f64}
pipe.slot @term0.seed : tensor<f32> {kind = "scalar", lifetime = "step"}
// CHECK: pipe.slot @g.w.open : tensor<8xf32>
// CHECK-LABEL: func.func @stage0_reduce
// CHECK: nn.cast of_parts %{{.*}} : (tensor<8xf32>) -> tensor<8xbf16>
// CHECK-NEXT: dist.constrain
// CHECK-NEXT: nn.cast %{{.*}} : (tensor<8xbf16>) -> tensor<8xf32>
func.func @model(%w: tensor<8xf32> {pipe.slot = @w}) -> (tensor<f32> {pipe.slot = @term0.sum}) {
  %sum = nn.reduce sum %w dims [0] : (tensor<8xf32>) -> tensor<f32>
  return %sum : tensor<f32>
}
