// RUN: weft-opt %s --nn-differentiate | FileCheck %s
//
// The adjoint of a composite op is its `_grad` op; tables, positions and
// labels have no cotangent, and nothing is left of what was built for them.

pipe.slot @table : tensor<16x8xf32> {kind = "parameter", lifetime = "run", trainable}
pipe.slot @w : tensor<8xf32> {kind = "parameter", lifetime = "run", trainable}
pipe.slot @cos : tensor<3x4xf32> {kind = "buffer", lifetime = "run"}
pipe.slot @sin : tensor<3x4xf32> {kind = "buffer", lifetime = "run"}
pipe.slot @tokens : tensor<2x3xi64> {kind = "input", lifetime = "microbatch"}
pipe.slot @term0.sum : tensor<f32> {kind = "scalar", lifetime = "step", coefficient = 1.0 : f64}
pipe.slot @term0.seed : tensor<f32> {kind = "scalar", lifetime = "step"}

// CHECK: func.func @stage0(%[[TABLE:.*]]: tensor<16x8xf32> {pipe.slot = @table}, %[[W:.*]]: tensor<8xf32> {pipe.slot = @w}, %[[COS:.*]]: tensor<3x4xf32> {pipe.slot = @cos}, %[[SIN:.*]]: tensor<3x4xf32> {pipe.slot = @sin}, %[[TOKENS:.*]]: tensor<2x3xi64> {pipe.slot = @tokens}, %[[SEED:.*]]: tensor<f32> {pipe.slot = @term0.seed}
func.func @model(%table: tensor<16x8xf32> {pipe.slot = @table}, %w: tensor<8xf32> {pipe.slot = @w}, %cos: tensor<3x4xf32> {pipe.slot = @cos}, %sin: tensor<3x4xf32> {pipe.slot = @sin}, %tokens: tensor<2x3xi64> {pipe.slot = @tokens})
    -> (tensor<f32> {pipe.slot = @term0.sum}) {
  %embedded = nn.embedding %tokens, %table : (tensor<2x3xi64>, tensor<16x8xf32>) -> tensor<2x3x8xf32>
  // CHECK: %[[EMBEDDED:.*]] = nn.embedding
  // CHECK: %[[X:.*]], %[[RSTD:.*]] = nn.rms_norm
  %x, %rstd = nn.rms_norm %embedded, %w eps 1.0e-5 : (tensor<2x3x8xf32>, tensor<8xf32>) -> (tensor<2x3x8xf32>, tensor<2x3xf32>)
  %split = nn.reshape %x : (tensor<2x3x8xf32>) -> tensor<2x3x2x4xf32>
  %heads = nn.transpose %split permutation [0, 2, 1, 3] : (tensor<2x3x2x4xf32>) -> tensor<2x2x3x4xf32>
  %q = nn.rotary %heads, %cos, %sin : (tensor<2x2x3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<2x2x3x4xf32>
  // CHECK: %[[Q:.*]] = nn.rotary
  %p = nn.iota dim 0 : tensor<3xi64>
  // CHECK: %[[P:.*]] = nn.iota
  // CHECK: %[[OUT:.*]], %[[LSE:.*]] = nn.attention
  %out, %lse = nn.attention %q, %q, %q, %p, %p {scale = 0.5 : f64, causal} : (tensor<2x2x3x4xf32>, tensor<2x2x3x4xf32>, tensor<2x2x3x4xf32>, tensor<3xi64>, tensor<3xi64>) -> (tensor<2x2x3x4xf32>, tensor<2x2x3xf32>)
  %back = nn.transpose %out permutation [0, 2, 1, 3] : (tensor<2x2x3x4xf32>) -> tensor<2x3x2x4xf32>
  %merged = nn.reshape %back : (tensor<2x3x2x4xf32>) -> tensor<2x3x8xf32>
  // CHECK: %[[WEIGHTS:.*]] = nn.softmax
  %weights = nn.softmax %merged : tensor<2x3x8xf32>
  %logits = nn.contract "bth,vh->btv" %weights, %table : (tensor<2x3x8xf32>, tensor<16x8xf32>) -> tensor<2x3x16xf32>
  // CHECK: %[[LOGITS:.*]] = nn.contract "bth,vh->btv"
  // CHECK: %{{.*}}, %[[LOSS_LSE:.*]] = nn.cross_entropy
  %sum, %loss_lse = nn.cross_entropy %logits, %tokens : (tensor<2x3x16xf32>, tensor<2x3xi64>) -> (tensor<f32>, tensor<2x3xf32>)

  // CHECK: %[[DLOGITS:.*]] = nn.cross_entropy_grad %[[LOGITS]], %[[TOKENS]], %[[LOSS_LSE]], %[[SEED]]
  // CHECK: %[[DWEIGHTS:.*]] = nn.contract "btv,vh->bth" %[[DLOGITS]], %[[TABLE]]
  // CHECK: %[[DHEAD:.*]] = nn.contract "btv,bth->vh" %[[DLOGITS]], %[[WEIGHTS]]
  // CHECK: %[[SHARE:.*]] = nn.mul %[[DWEIGHTS]], %[[WEIGHTS]]
  // CHECK: nn.reduce sum %[[SHARE]] dims [2]
  // CHECK: %[[DMERGED:.*]] = nn.mul %[[WEIGHTS]]
  // CHECK: nn.reshape %[[DMERGED]]
  // CHECK: %[[DOUT:.*]] = nn.transpose
  // CHECK: %[[DQ:.*]], %[[DK:.*]], %[[DV:.*]] = nn.attention_grad %[[DOUT]], %[[Q]], %[[Q]], %[[Q]], %[[OUT]], %[[LSE]], %[[P]], %[[P]] {causal, scale = 5.000000e-01 : f64}
  // CHECK: %[[DROTATED:.*]] = nn.sum_of %[[DQ]], %[[DK]], %[[DV]]
  // CHECK-NEXT: nn.rotary adjoint %[[DROTATED]], %[[COS]], %[[SIN]]
  // CHECK-NEXT: nn.transpose
  // CHECK-NEXT: %[[DX:.*]] = nn.reshape
  // CHECK-NEXT: %[[DEMBEDDED:.*]], %[[DW:.*]] = nn.rms_norm_grad %[[DX]], %[[EMBEDDED]], %[[W]], %[[RSTD]]
  // CHECK-NEXT: %[[DROWS:.*]] = nn.embedding_grad %[[DEMBEDDED]], %[[TOKENS]]
  // CHECK-NEXT: %[[DTABLE:.*]] = nn.sum_of %[[DHEAD]], %[[DROWS]]
  // CHECK-NEXT: nn.sum_of %{{.*}}, %[[DTABLE]]
  // CHECK-NEXT: nn.sum_of %{{.*}}, %[[DW]]
  return %sum : tensor<f32>
}
