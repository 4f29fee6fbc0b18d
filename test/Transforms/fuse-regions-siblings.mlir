// RUN: weft-opt %s --prog-fuse-regions | FileCheck %s
// RUN: weft-opt %s --prog-fuse-regions | weft-opt --prog-fuse-regions | FileCheck %s
// RUN: weft-opt %s --prog-fuse-regions=alone | FileCheck %s --check-prefix=ALONE

// The cotangents of silu(g) * u: the contraction between keeps the regions
// apart, what they read brings them together.
// CHECK-LABEL: func.func @joins_what_reads_the_same
// ALONE-LABEL: func.func @joins_what_reads_the_same
// ALONE: nn.silu
// ALONE: nn.contract
// ALONE: nn.sigmoid
func.func @joins_what_reads_the_same(%d: tensor<8x32xf32>, %g: tensor<8x32xf32>, %u: tensor<8x32xf32>, %w: tensor<32x16xf32>) -> (tensor<8x16xf32>, tensor<8x32xf32>) {
  // CHECK: %[[R:.*]]:2 = prog.fused %{{.*}}, %{{.*}}, %{{.*}} : (tensor<8x32xf32>, tensor<8x32xf32>, tensor<8x32xf32>) -> (tensor<8x32xf32>, tensor<8x32xf32>) {
  // CHECK-NEXT: ^bb0(%[[B:.*]]: tensor<8x32xf32>, %[[A:.*]]: tensor<8x32xf32>, %[[C:.*]]: tensor<8x32xf32>):
  // CHECK-NEXT: %[[S:.*]] = nn.silu %[[B]]
  // CHECK-NEXT: %[[DU:.*]] = nn.mul %[[A]], %[[S]]
  // CHECK-NEXT: %[[DS:.*]] = nn.mul %[[A]], %[[C]]
  // CHECK-NEXT: %[[Q:.*]] = nn.sigmoid %[[B]]
  // CHECK-NEXT: %[[DG:.*]] = nn.mul %[[DS]], %[[Q]]
  // CHECK-NEXT: prog.yield %[[DU]], %[[DG]]
  // CHECK: nn.contract "td,do->to" %[[R]]#0
  // CHECK-NOT: prog.fused
  // CHECK: return %{{.*}}, %[[R]]#1
  %s = nn.silu %g : tensor<8x32xf32>
  %du = nn.mul %d, %s : tensor<8x32xf32>
  %dx = nn.contract "td,do->to" %du, %w : (tensor<8x32xf32>, tensor<32x16xf32>) -> tensor<8x16xf32>
  %ds = nn.mul %d, %u : tensor<8x32xf32>
  %q = nn.sigmoid %g : tensor<8x32xf32>
  %dg = nn.mul %ds, %q : tensor<8x32xf32>
  return %dx, %dg : tensor<8x16xf32>, tensor<8x32xf32>
}

// What does not exist yet can't be read.
// CHECK-LABEL: func.func @waits_for_its_operands
func.func @waits_for_its_operands(%d: tensor<8x32xf32>, %g: tensor<8x32xf32>, %w: tensor<32x32xf32>) -> (tensor<8x32xf32>, tensor<8x32xf32>) {
  // CHECK: prog.fused
  // CHECK: nn.silu
  // CHECK: nn.contract
  // CHECK: prog.fused
  // CHECK: nn.sigmoid
  %s = nn.silu %g : tensor<8x32xf32>
  %du = nn.mul %d, %s : tensor<8x32xf32>
  %dx = nn.contract "td,do->to" %du, %w : (tensor<8x32xf32>, tensor<32x32xf32>) -> tensor<8x32xf32>
  %m = nn.softmax %dx : tensor<8x32xf32>
  %q = nn.sigmoid %g : tensor<8x32xf32>
  %dg = nn.mul %m, %q : tensor<8x32xf32>
  return %m, %dg : tensor<8x32xf32>, tensor<8x32xf32>
}

// One array of three is not enough, and short arithmetic may be taken in by
// contractions.
// CHECK-LABEL: func.func @stays_apart
func.func @stays_apart(%d: tensor<8x32xf32>, %g: tensor<8x32xf32>, %x: tensor<8x32xf32>, %y: tensor<8x32xf32>, %w: tensor<32x16xf32>) -> (tensor<8x16xf32>, tensor<8x32xf32>, tensor<8x16xf32>, tensor<8x32xf32>) {
  // CHECK: nn.silu
  // CHECK-NEXT: nn.mul
  // CHECK-NEXT: prog.yield
  // CHECK: nn.add
  // CHECK-NEXT: prog.yield
  // CHECK: nn.sigmoid
  // CHECK: prog.yield
  // CHECK: nn.sub
  // CHECK-NEXT: prog.yield
  %s = nn.silu %g : tensor<8x32xf32>
  %a = nn.mul %d, %s : tensor<8x32xf32>
  %p = nn.contract "td,do->to" %a, %w : (tensor<8x32xf32>, tensor<32x16xf32>) -> tensor<8x16xf32>
  %q = nn.sigmoid %g : tensor<8x32xf32>
  %t = nn.mul %q, %x : tensor<8x32xf32>
  %b = nn.add %t, %y : tensor<8x32xf32>
  %c = nn.add %d, %x : tensor<8x32xf32>
  %r = nn.contract "td,do->to" %c, %w : (tensor<8x32xf32>, tensor<32x16xf32>) -> tensor<8x16xf32>
  %e = nn.sub %d, %x : tensor<8x32xf32>
  return %p, %b, %r, %e : tensor<8x16xf32>, tensor<8x32xf32>, tensor<8x16xf32>, tensor<8x32xf32>
}
