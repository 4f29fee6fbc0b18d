// RUN: weft-opt %s --split-input-file --verify-diagnostics --nn-plan-indices | FileCheck %s

// The smallest table counts; an embedding has no use for -100.
// CHECK: pipe.slot @tokens {{.*}}pipe.indices = 16 : i64
// CHECK-NOT: pipe.ignores
// CHECK: pipe.slot @labels {{.*}}pipe.ignores, pipe.indices = 32 : i64
// CHECK: pipe.slot @other : tensor<4x3xi64> {kind = "input", lifetime = "microbatch"}
module {
pipe.slot @tokens : tensor<4x3xi64> {kind = "input", lifetime = "microbatch"}
pipe.slot @labels : tensor<4x3xi64> {kind = "input", lifetime = "microbatch"}
pipe.slot @other : tensor<4x3xi64> {kind = "input", lifetime = "microbatch"}
func.func @model(%tokens: tensor<4x3xi64> {pipe.slot = @tokens}, %labels: tensor<4x3xi64> {pipe.slot = @labels}, %other: tensor<4x3xi64> {pipe.slot = @other},
                 %large: tensor<32x8xf32>, %small: tensor<16x8xf32>, %logits: tensor<12x32xf32>) {
  %0 = nn.embedding %tokens, %large : (tensor<4x3xi64>, tensor<32x8xf32>) -> tensor<4x3x8xf32>
  %flat = nn.reshape %tokens : (tensor<4x3xi64>) -> tensor<12xi64>
  %1 = nn.embedding %flat, %small : (tensor<12xi64>, tensor<16x8xf32>) -> tensor<12x8xf32>
  %row = nn.reshape %labels : (tensor<4x3xi64>) -> tensor<12xi64>
  %sum, %lse = nn.cross_entropy %logits, %row : (tensor<12x32xf32>, tensor<12xi64>) -> (tensor<f32>, tensor<12xf32>)
  %2 = nn.neg %other : tensor<4x3xi64>
  %3 = nn.embedding %2, %large : (tensor<4x3xi64>, tensor<32x8xf32>) -> tensor<4x3x8xf32>
  return
}
}

// -----

// A position table that is as long as the sample, and one that is not.
module {
func.func @model(%long: tensor<12x8xf32>, %short: tensor<8x8xf32>) {
  %0 = nn.iota dim 0 : tensor<10xi64>
  %two = nn.constant dense<2> : tensor<10xi64>
  %1 = nn.add %0, %two : tensor<10xi64>
  %2 = nn.embedding %1, %long : (tensor<10xi64>, tensor<12x8xf32>) -> tensor<10x8xf32>
  // expected-error@+2 {{looks up what its table lacks: got indices up to 9, expected less than 8}}
  // expected-note@+1 {{export with a smaller --seq}}
  %3 = nn.embedding %0, %short : (tensor<10xi64>, tensor<8x8xf32>) -> tensor<10x8xf32>
  return
}
}
