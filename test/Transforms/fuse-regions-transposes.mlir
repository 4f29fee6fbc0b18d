// RUN: weft-opt %s --prog-fuse-regions | FileCheck %s
// RUN: weft-opt %s --prog-fuse-regions | weft-opt --prog-fuse-regions | FileCheck %s
// RUN: weft-opt %s --prog-fuse-regions=alone | FileCheck %s --check-prefix=ALONE
// RUN: weft-opt %s --prog-fuse-regions --prog-lower | FileCheck %s --check-prefix=LOWERED

pipe.slot @x : tensor<2x5x3x8xf32> {kind = "activation", lifetime = "run"}
pipe.slot @kv : tensor<2x3x5x8xf32> {kind = "activation", lifetime = "run"}
pipe.slot @table : tensor<5x8xf32> {kind = "buffer", lifetime = "run"}
pipe.slot @positions : tensor<5xi64> {kind = "buffer", lifetime = "run"}
pipe.slot @y : tensor<2x3x5x8xf32> {kind = "activation", lifetime = "run"}
pipe.slot @z : tensor<2x5x3x8xf32> {kind = "activation", lifetime = "run"}
pipe.slot @dq : tensor<2x3x5x8xf32> {kind = "activation", lifetime = "run"}
pipe.slot @dk : tensor<2x3x5x8xf32> {kind = "activation", lifetime = "run"}

// CHECK-LABEL: func.func @reads_rows_where_they_are
// ALONE-LABEL: func.func @reads_rows_where_they_are
// ALONE: nn.transpose
// ALONE: nn.rotary
// LOWERED-LABEL: func.func @reads_rows_where_they_are
// LOWERED: prog.launch @fused_transpose_rotary_{{.*}} ins(%{{.*}}, %{{.*}}, %{{.*}} : memref<2x5x3x8xf32>, memref<5x8xf32>, memref<5x8xf32>) outs(%{{.*}} : memref<2x3x5x8xf32>)
// LOWERED-NEXT: return
func.func @reads_rows_where_they_are(%x: tensor<2x5x3x8xf32> {pipe.slot = @x}, %c: tensor<5x8xf32> {pipe.slot = @table})
    -> (tensor<2x3x5x8xf32> {pipe.slot = @y}) {
  // CHECK: %[[Y:.*]] = prog.fused %{{.*}}, %[[C:.*]], %[[C]] : (tensor<2x5x3x8xf32>, tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<2x3x5x8xf32> {
  // CHECK: ^bb0(%[[A:.*]]: tensor<2x5x3x8xf32>, %[[B:.*]]: tensor<5x8xf32>, %[[D:.*]]: tensor<5x8xf32>):
  // CHECK: %[[H:.*]] = nn.transpose %[[A]] permutation [0, 2, 1, 3]
  // CHECK: %[[R:.*]] = nn.rotary %[[H]], %[[B]], %[[D]]
  // CHECK: prog.yield %[[R]]
  // CHECK-NOT: nn.transpose
  // CHECK: return %[[Y]]
  %h = nn.transpose %x permutation [0, 2, 1, 3] : (tensor<2x5x3x8xf32>) -> tensor<2x3x5x8xf32>
  %y = nn.rotary %h, %c, %c : (tensor<2x3x5x8xf32>, tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<2x3x5x8xf32>
  return %y : tensor<2x3x5x8xf32>
}

// The gradient reads the output as attention has written it, and the value
// where it lay.
// CHECK-LABEL: func.func @attention_and_its_gradient
// LOWERED-LABEL: func.func @attention_and_its_gradient
// LOWERED-NOT: prog.launch @transpose
// LOWERED: return
func.func @attention_and_its_gradient(%q: tensor<2x3x5x8xf32> {pipe.slot = @kv}, %x: tensor<2x5x3x8xf32> {pipe.slot = @x}, %p: tensor<5xi64> {pipe.slot = @positions})
    -> (tensor<2x5x3x8xf32> {pipe.slot = @z}, tensor<2x3x5x8xf32> {pipe.slot = @dq}, tensor<2x3x5x8xf32> {pipe.slot = @dk}, tensor<2x5x3x8xf32> {pipe.slot = @x}) {
  // CHECK: %[[F:.*]]:2 = prog.fused %[[Q:.*]], %[[Q]], %[[X:.*]], %[[P:.*]], %[[P]] : {{.*}} -> (tensor<2x5x3x8xf32>, tensor<2x3x5xf32>)
  // CHECK: %[[V:.*]] = nn.transpose %{{.*}} permutation [0, 2, 1, 3]
  // CHECK: %[[O:.*]], %[[LSE:.*]] = nn.attention %{{.*}}, %{{.*}}, %[[V]]
  // CHECK: %[[OT:.*]] = nn.transpose %[[O]]
  // CHECK: prog.yield %[[OT]], %[[LSE]]
  // CHECK: %[[G:.*]]:3 = prog.fused %[[F]]#0, %[[Q]], %[[Q]], %[[X]], %[[F]]#0, %[[F]]#1, %[[P]], %[[P]]
  // CHECK-COUNT-3: nn.transpose
  // CHECK: %[[DQ:.*]], %[[DK:.*]], %[[DV:.*]] = nn.attention_grad
  // CHECK: %[[DVT:.*]] = nn.transpose %[[DV]]
  // CHECK: prog.yield %[[DQ]], %[[DK]], %[[DVT]]
  // CHECK: return %[[F]]#0, %[[G]]#0, %[[G]]#1, %[[G]]#2
  %v = nn.transpose %x permutation [0, 2, 1, 3] : (tensor<2x5x3x8xf32>) -> tensor<2x3x5x8xf32>
  %o, %lse = nn.attention %q, %q, %v, %p, %p {scale = 0.5 : f64, causal} : (tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>, tensor<5xi64>, tensor<5xi64>) -> (tensor<2x3x5x8xf32>, tensor<2x3x5xf32>)
  %ot = nn.transpose %o permutation [0, 2, 1, 3] : (tensor<2x3x5x8xf32>) -> tensor<2x5x3x8xf32>
  %do = nn.transpose %ot permutation [0, 2, 1, 3] : (tensor<2x5x3x8xf32>) -> tensor<2x3x5x8xf32>
  %dq, %dk, %dv = nn.attention_grad %do, %q, %q, %v, %o, %lse, %p, %p {scale = 0.5 : f64, causal} : (tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>, tensor<2x3x5xf32>, tensor<5xi64>, tensor<5xi64>) -> (tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>)
  %dvt = nn.transpose %dv permutation [0, 2, 1, 3] : (tensor<2x3x5x8xf32>) -> tensor<2x5x3x8xf32>
  return %ot, %dq, %dk, %dvt : tensor<2x5x3x8xf32>, tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>, tensor<2x5x3x8xf32>
}

// What something else reads is copied.
// CHECK-LABEL: func.func @keeps_what_others_read
func.func @keeps_what_others_read(%x: tensor<2x5x3x8xf32> {pipe.slot = @x}, %c: tensor<5x8xf32> {pipe.slot = @table})
    -> (tensor<2x3x5x8xf32> {pipe.slot = @y}, tensor<2x3x5x8xf32> {pipe.slot = @dq}) {
  // CHECK: %[[H:.*]] = nn.transpose
  // CHECK: %[[Y:.*]] = nn.rotary %[[H]]
  // CHECK: return %[[Y]], %[[H]]
  %h = nn.transpose %x permutation [0, 2, 1, 3] : (tensor<2x5x3x8xf32>) -> tensor<2x3x5x8xf32>
  %y = nn.rotary %h, %c, %c : (tensor<2x3x5x8xf32>, tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<2x3x5x8xf32>
  return %y, %h : tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>
}

// Other permutations are no swap of heads and rows.
// CHECK-LABEL: func.func @keeps_other_permutations
func.func @keeps_other_permutations(%x: tensor<2x5x3x8xf32> {pipe.slot = @x}, %c: tensor<3x8xf32> {pipe.slot = @table})
    -> (tensor<5x2x3x8xf32> {pipe.slot = @y}) {
  // CHECK: nn.transpose
  // CHECK: nn.rotary
  %h = nn.transpose %x permutation [1, 0, 2, 3] : (tensor<2x5x3x8xf32>) -> tensor<5x2x3x8xf32>
  %y = nn.rotary %h, %c, %c : (tensor<5x2x3x8xf32>, tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<5x2x3x8xf32>
  return %y : tensor<5x2x3x8xf32>
}
