// RUN: weft-opt %s --nn-apply-precision="compute=bf16 reduce=bf16" | FileCheck %s
// RUN: weft-opt %s --nn-apply-precision="compute=bf16 reduce=bf16" --nn-apply-precision="compute=bf16" | FileCheck %s
// RUN: weft-opt %s --nn-apply-precision | FileCheck %s --check-prefix=PLAIN
// RUN: not weft-opt %s --nn-apply-precision="compute=f8" 2>&1 | FileCheck %s --check-prefix=ERROR

// ERROR: error: type of option compute is unknown: got "f8", expected "f32" or "bf16"

// Without a narrow type nothing changes.
// PLAIN-NOT: bf16
// PLAIN-NOT: nn.cast

#mesh = #dist.mesh<dp_shard = 2>
module attributes {dist.mesh = #mesh} {
// Parameters keep their type; they note in which one gradients are reduced.
// CHECK: pipe.slot @w : tensor<16x8xf32> {{.*}}reduce_type = bf16
// CHECK: pipe.slot @scale : tensor<8xf32>
// CHECK-NOT: reduce_type
// CHECK-SAME: }
pipe.slot @w : tensor<16x8xf32> {kind = "parameter", lifetime = "run", trainable}
pipe.slot @scale : tensor<8xf32> {kind = "parameter", lifetime = "run"}
pipe.slot @table : tensor<4x8xf32> {kind = "buffer", lifetime = "run"}
pipe.slot @labels : tensor<4xi64> {kind = "input", lifetime = "microbatch"}
pipe.slot @sum : tensor<f32> {kind = "scalar", lifetime = "microbatch"}

// CHECK: func.func @model(%[[W:[^:]*]]: {{[^,]*}}, %[[SCALE:[^:]*]]: {{[^,]*}}, %[[X:[^:]*]]: {{[^,]*}},
func.func @model(%w: tensor<16x8xf32> {pipe.slot = @w}, %scale: tensor<8xf32> {pipe.slot = @scale},
    %x: tensor<4x8xf32> {pipe.slot = @table}, %labels: tensor<4xi64> {pipe.slot = @labels})
    -> (tensor<f32> {pipe.slot = @sum}) {
  // A norm takes the type of its operand, and its weight that of the norm.
  // CHECK: %[[NARROW_SCALE:.*]] = nn.cast %[[SCALE]] : (tensor<8xf32>) -> tensor<8xbf16>
  // CHECK: %[[WIDE_SCALE:.*]] = nn.cast %[[NARROW_SCALE]]
  // CHECK: %[[NORMED:.*]], %{{.*}} = nn.rms_norm %[[X]], %[[WIDE_SCALE]] {{.*}}-> (tensor<4x8xf32>, tensor<4xf32>)
  %n:2 = nn.rms_norm %x, %scale eps 1.0e-5 : (tensor<4x8xf32>, tensor<8xf32>) -> (tensor<4x8xf32>, tensor<4xf32>)
  // A parameter is cast in front of its gather, a value in front of a
  // constraint if only narrow ops read it.
  // CHECK: %[[NARROW:.*]] = nn.cast %[[W]] : (tensor<16x8xf32>) -> tensor<16x8xbf16>
  // CHECK: %[[WHOLE:.*]] = dist.constrain %[[NARROW]] <dp_shard = replicate> : tensor<16x8xbf16>
  // CHECK: %[[IN:.*]] = nn.cast %[[NORMED]] : (tensor<4x8xf32>) -> tensor<4x8xbf16>
  // CHECK: %[[GATHERED:.*]] = dist.constrain %[[IN]]
  %whole = dist.constrain %w <dp_shard = replicate> : tensor<16x8xf32>
  %in = dist.constrain %n#0 <dp_shard = replicate> : tensor<4x8xf32>
  // CHECK: %[[Y:.*]] = nn.contract {{.*}} %[[GATHERED]], %[[WHOLE]] : {{.*}} -> tensor<4x16xbf16>
  %y = nn.contract "md,nd->mn" %in, %whole : (tensor<4x8xf32>, tensor<16x8xf32>) -> tensor<4x16xf32>
  // A sum of narrow values is narrow, with a constant that is exact; one that
  // is not exact, a function and a product are in f32.
  // CHECK: nn.constant dense<5.000000e-01> : tensor<4x16xbf16>
  // CHECK: %[[A:.*]] = nn.add %[[Y]], %{{.*}} : tensor<4x16xbf16>
  %half = nn.constant dense<0.5> : tensor<4x16xf32>
  %a = nn.add %y, %half : tensor<4x16xf32>
  // CHECK: %[[WIDE:.*]] = nn.cast %[[A]] : (tensor<4x16xbf16>) -> tensor<4x16xf32>
  // CHECK: %[[B:.*]] = nn.add %[[WIDE]], %{{.*}} : tensor<4x16xf32>
  %third = nn.constant dense<0.3> : tensor<4x16xf32>
  %b = nn.add %a, %third : tensor<4x16xf32>
  // CHECK: %[[C:.*]] = nn.silu %[[WIDE]] : tensor<4x16xf32>
  %c = nn.silu %a : tensor<4x16xf32>
  // CHECK: %[[D:.*]] = nn.mul %[[B]], %[[C]] : tensor<4x16xf32>
  %d = nn.mul %b, %c : tensor<4x16xf32>
  // The loss takes logits as they come and is in f32.
  // CHECK: %[[IND:.*]] = nn.cast %[[D]] : {{.*}} -> tensor<4x16xbf16>
  // CHECK: %[[LOGITS:.*]] = nn.contract {{.*}} %[[IND]], %[[WHOLE]] : {{.*}} -> tensor<4x8xbf16>
  // CHECK: nn.cross_entropy %[[LOGITS]], {{.*}} -> (tensor<f32>, tensor<4xf32>)
  %logits = nn.contract "mn,nd->md" %d, %whole : (tensor<4x16xf32>, tensor<16x8xf32>) -> tensor<4x8xf32>
  %loss:2 = nn.cross_entropy %logits, %labels : (tensor<4x8xf32>, tensor<4xi64>) -> (tensor<f32>, tensor<4xf32>)
  return %loss#0 : tensor<f32>
}
}
