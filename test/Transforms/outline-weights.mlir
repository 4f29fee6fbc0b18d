// RUN: weft-opt %s --nn-outline-weights --split-input-file --verify-diagnostics | FileCheck %s
// RUN: not weft-opt %s --nn-outline-weights=accumulate=false --split-input-file 2>/dev/null | FileCheck %s --check-prefix=ONE

// The count of labels moves to @weigh; its total, reduced once, to @seed.
pipe.slot @w : tensor<8xf32> {kind = "parameter", lifetime = "run", trainable}
pipe.slot @labels : tensor<4xi64> {kind = "input", lifetime = "microbatch"}
pipe.slot @term0.sum : tensor<f32> {kind = "scalar", lifetime = "step", coefficient = 0.5 : f64}
// CHECK: pipe.slot @term0.weight : tensor<f32> {constraint = #dist.constraint<dp_replicate = partial(sum), dp_shard = partial(sum), cp = partial(sum)>, kind = "scalar", lifetime = "step"}
pipe.slot @term0.weight : tensor<f32> {kind = "scalar", lifetime = "microbatch"}
// CHECK: pipe.slot @term0.seed : tensor<f32>

// CHECK: func.func @model
// CHECK-SAME: -> (tensor<f32> {pipe.slot = @term0.sum}) {
// CHECK-NOT: nn.compare
// CHECK: return
func.func @model(%w: tensor<8xf32> {pipe.slot = @w}, %labels: tensor<4xi64> {pipe.slot = @labels})
    -> (tensor<f32> {pipe.slot = @term0.sum}, tensor<f32> {pipe.slot = @term0.weight}) {
  %sum = nn.reduce sum %w dims [0] : (tensor<8xf32>) -> tensor<f32>
  %ignored = nn.constant dense<-100> : tensor<4xi64>
  %counts = nn.compare ne %labels, %ignored : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi1>
  %ones = nn.cast %counts : (tensor<4xi1>) -> tensor<4xf32>
  %weight = nn.reduce sum %ones dims [0] : (tensor<4xf32>) -> tensor<f32>
  return %sum, %weight : tensor<f32>, tensor<f32>
}

// CHECK: func.func @weigh(%[[LABELS:.*]]: tensor<4xi64> {pipe.slot = @labels}, %[[OLD:.*]]: tensor<f32> {pipe.slot = @term0.weight}) -> (tensor<f32> {pipe.slot = @term0.weight}) {
// CHECK: nn.compare ne %[[LABELS]]
// CHECK: %[[COUNT:.*]] = nn.reduce sum
// CHECK: %[[NEW:.*]] = nn.add %[[OLD]], %[[COUNT]]
// CHECK: return %[[NEW]]
// Of one microbatch the count is the weight.
// ONE: func.func @weigh(%{{[^,]*}} {pipe.slot = @labels}) -> (tensor<f32> {pipe.slot = @term0.weight}) {
// ONE: %[[COUNT:.*]] = nn.reduce sum
// ONE-NEXT: return %[[COUNT]]

// CHECK: func.func @seed(%[[PART:.*]]: tensor<f32> {pipe.slot = @term0.weight}) -> (tensor<f32> {pipe.slot = @term0.seed}) {
// CHECK: %[[TOTAL:.*]] = dist.constrain %[[PART]] <dp_replicate = replicate, dp_shard = replicate, cp = replicate>
// CHECK: %[[COEFFICIENT:.*]] = nn.constant dense<5.000000e-01>
// CHECK: %[[QUOTIENT:.*]] = nn.div %[[COEFFICIENT]], %[[TOTAL]]
// CHECK: %[[EMPTY:.*]] = nn.compare eq %[[TOTAL]]
// CHECK: %[[SEED:.*]] = nn.select %[[EMPTY]], %{{.*}}, %[[QUOTIENT]]
// CHECK: return %[[SEED]]

// -----

// The weights of several terms are reduced as one vector.
pipe.slot @x : tensor<4xf32> {kind = "input", lifetime = "microbatch"}
pipe.slot @term0.sum : tensor<f32> {kind = "scalar", lifetime = "step", coefficient = 1.0 : f64}
pipe.slot @term0.weight : tensor<f32> {kind = "scalar", lifetime = "step"}
pipe.slot @term1.sum : tensor<f32> {kind = "scalar", lifetime = "step", coefficient = 2.0 : f64}
pipe.slot @term1.weight : tensor<f32> {kind = "scalar", lifetime = "step"}
func.func @model(%x: tensor<4xf32> {pipe.slot = @x})
    -> (tensor<f32> {pipe.slot = @term0.sum}, tensor<f32> {pipe.slot = @term0.weight},
        tensor<f32> {pipe.slot = @term1.sum}, tensor<f32> {pipe.slot = @term1.weight}) {
  %sum = nn.reduce sum %x dims [0] : (tensor<4xf32>) -> tensor<f32>
  %one = nn.constant dense<1.0> : tensor<f32>
  return %sum, %one, %sum, %one : tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>
}

// CHECK: func.func @seed(
// CHECK: %[[PARTS:.*]] = nn.concat %{{.*}}, %{{.*}} dim 0
// CHECK-COUNT-1: dist.constrain %[[PARTS]]
// CHECK-NOT: dist.constrain
// CHECK: return %{{.*}}, %{{.*}} : tensor<f32>, tensor<f32>

// -----

// A weight is known before the model runs.
pipe.slot @w : tensor<f32> {kind = "parameter", lifetime = "run"}
pipe.slot @term0.sum : tensor<f32> {kind = "scalar", lifetime = "step", coefficient = 1.0 : f64}
pipe.slot @term0.weight : tensor<f32> {kind = "scalar", lifetime = "step"}
func.func @model(%w: tensor<f32> {pipe.slot = @w})
    -> (tensor<f32> {pipe.slot = @term0.sum}, tensor<f32> {pipe.slot = @term0.weight}) {
  // expected-error@+1 {{"term0.weight" depends on more than the batch: got slot "w" of kind "parameter", expected kind "input"}}
  %weight = nn.exp %w : tensor<f32>
  return %w, %weight : tensor<f32>, tensor<f32>
}

// -----

pipe.slot @x : tensor<f32> {kind = "input", lifetime = "microbatch"}
pipe.slot @term0.sum : tensor<f32> {kind = "scalar", lifetime = "step", coefficient = 1.0 : f64}
// expected-error@+1 {{loss term has no weight: got no result of slot "term0.weight"}}
func.func @model(%x: tensor<f32> {pipe.slot = @x}) -> (tensor<f32> {pipe.slot = @term0.sum}) {
  return %x : tensor<f32>
}
