// RUN: weft-opt %s --prog-fuse-regions | FileCheck %s
// RUN: weft-opt %s --prog-fuse-regions | weft-opt --prog-fuse-regions | FileCheck %s
// RUN: weft-opt %s --prog-fuse-regions=alone | FileCheck %s --check-prefix=ALONE

// A chain is one region; what only members read is no result.
// CHECK-LABEL: func.func @fuses_a_chain
// ALONE-LABEL: func.func @fuses_a_chain
// ALONE: %[[S:.*]] = prog.fused %{{.*}} : (tensor<4xf32>) -> tensor<4xf32> {
// ALONE: prog.fused %[[S]], %{{.*}} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32> {
func.func @fuses_a_chain(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: %[[Z:.*]] = prog.fused %{{.*}}, %{{.*}} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: nn.silu
  // CHECK-NEXT: nn.mul
  // CHECK-NEXT: prog.yield
  // CHECK: return %[[Z]]
  %s = nn.silu %x : tensor<4xf32>
  %m = nn.mul %s, %y : tensor<4xf32>
  return %m : tensor<4xf32>
}

// A value that an op outside reads becomes a result; the chain goes on behind
// that op in the same region, since nothing new is needed for it.
// CHECK-LABEL: func.func @yields_what_others_read
func.func @yields_what_others_read(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<f32>) {
  // CHECK: %[[R:.*]]:2 = prog.fused
  // CHECK: prog.yield %{{.*}}, %{{.*}} : tensor<4xf32>, tensor<4xf32>
  // CHECK: nn.reduce sum %[[R]]#0
  // CHECK-NOT: prog.fused
  %e = nn.exp %x : tensor<4xf32>
  %s = nn.reduce sum %e dims [0] : (tensor<4xf32>) -> tensor<f32>
  %l = nn.neg %e : tensor<4xf32>
  return %l, %s : tensor<4xf32>, tensor<f32>
}

// No region depends on itself by way of an op outside: here a softmax.
// CHECK-LABEL: func.func @makes_no_cycle
func.func @makes_no_cycle(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: %[[E:.*]] = prog.fused
  // CHECK: nn.exp
  // CHECK: %[[S:.*]] = nn.softmax %[[E]]
  // CHECK: prog.fused %[[E]], %[[S]]
  // CHECK: nn.mul
  %e = nn.exp %x : tensor<4xf32>
  %s = nn.softmax %e : tensor<4xf32>
  %m = nn.mul %e, %s : tensor<4xf32>
  return %m : tensor<4xf32>
}

// Nor by way of a region of another shape.
// CHECK-LABEL: func.func @makes_no_cycle_through_scalars
func.func @makes_no_cycle_through_scalars(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: %[[E:.*]] = prog.fused %{{.*}} : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: %[[S:.*]] = nn.reduce sum %[[E]]
  // CHECK: %[[Q:.*]] = prog.fused %[[S]] : (tensor<f32>) -> tensor<f32>
  // CHECK: nn.sqrt
  // CHECK: prog.fused %[[E]], %[[Q]] : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  // CHECK: nn.broadcast
  // CHECK: nn.div
  %e = nn.exp %x : tensor<4xf32>
  %s = nn.reduce sum %e dims [0] : (tensor<4xf32>) -> tensor<f32>
  %q = nn.sqrt %s : tensor<f32>
  %b = nn.broadcast %q dims [] : (tensor<f32>) -> tensor<4xf32>
  %d = nn.div %e, %b : tensor<4xf32>
  return %d : tensor<4xf32>
}

// Two chains that nobody has read yet meet in one region.
// CHECK-LABEL: func.func @merges_regions
func.func @merges_regions(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: prog.fused
  // CHECK: nn.exp
  // CHECK-NEXT: nn.log
  // CHECK-NEXT: nn.add
  // CHECK-NOT: prog.fused
  %e = nn.exp %x : tensor<4xf32>
  %l = nn.log %y : tensor<4xf32>
  %a = nn.add %e, %l : tensor<4xf32>
  return %a : tensor<4xf32>
}

// Constants, iotas and broadcasts are made again in every region.
// CHECK-LABEL: func.func @clones_what_is_cheap
func.func @clones_what_is_cheap(%x: tensor<2x4xf32>, %b: tensor<4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>) {
  // CHECK: %[[A:.*]] = prog.fused
  // CHECK: nn.constant dense<2.000000e+00> : tensor<2x4xf32>
  // CHECK: nn.broadcast
  // CHECK: nn.softmax %[[A]]
  // CHECK: prog.fused
  // CHECK: nn.constant dense<2.000000e+00> : tensor<2x4xf32>
  // CHECK: nn.broadcast
  %two = nn.constant dense<2.0> : tensor<4xf32>
  %twos = nn.broadcast %two dims [1] : (tensor<4xf32>) -> tensor<2x4xf32>
  %bias = nn.broadcast %b dims [1] : (tensor<4xf32>) -> tensor<2x4xf32>
  %m = nn.mul %x, %twos : tensor<2x4xf32>
  %a = nn.add %m, %bias : tensor<2x4xf32>
  %s = nn.softmax %a : tensor<2x4xf32>
  %n = nn.mul %s, %twos : tensor<2x4xf32>
  %c = nn.add %n, %bias : tensor<2x4xf32>
  return %a, %c : tensor<2x4xf32>, tensor<2x4xf32>
}

// A broadcast of a broadcast is one; an input read in two ways is two inputs.
// CHECK-LABEL: func.func @reads_an_input_in_one_way
// CHECK-SAME: %[[X:.*]]: tensor<3xf32>
func.func @reads_an_input_in_one_way(%x: tensor<3xf32>) -> tensor<3x3xf32> {
  // CHECK: prog.fused %[[X]], %[[X]] : (tensor<3xf32>, tensor<3xf32>) -> tensor<3x3xf32> {
  // CHECK: ^bb0(%[[A:.*]]: tensor<3xf32>, %[[B:.*]]: tensor<3xf32>):
  // CHECK-NEXT: %[[ROWS:.*]] = nn.broadcast %[[A]] dims [1]
  // CHECK-NEXT: %[[COLUMNS:.*]] = nn.broadcast %[[B]] dims [0]
  // CHECK-NEXT: nn.mul %[[ROWS]], %[[COLUMNS]]
  %row = nn.broadcast %x dims [0] : (tensor<3xf32>) -> tensor<3xf32>
  %a = nn.broadcast %row dims [1] : (tensor<3xf32>) -> tensor<3x3xf32>
  %b = nn.broadcast %x dims [0] : (tensor<3xf32>) -> tensor<3x3xf32>
  %m = nn.mul %a, %b : tensor<3x3xf32>
  return %m : tensor<3x3xf32>
}

// Each result of a constant gets its own, as late as can be, so that the slot
// it goes to may be read before.
// CHECK-LABEL: func.func @writes_zeros_last
func.func @writes_zeros_last(%g: tensor<4xf32> {pipe.slot = @g}, %h: tensor<4xf32> {pipe.slot = @h})
    -> (tensor<f32>, tensor<4xf32> {pipe.slot = @g}, tensor<4xf32> {pipe.slot = @h}) {
  // CHECK: %[[SUM:.*]] = nn.reduce
  // CHECK: %[[G:.*]] = prog.fused : () -> tensor<4xf32>
  // CHECK: %[[H:.*]] = prog.fused : () -> tensor<4xf32>
  // CHECK: return %[[SUM]], %[[G]], %[[H]]
  %zero = nn.constant dense<0.0> : tensor<4xf32>
  %a = nn.add %g, %h : tensor<4xf32>
  %sum = nn.reduce sum %a dims [0] : (tensor<4xf32>) -> tensor<f32>
  return %sum, %zero, %zero : tensor<f32>, tensor<4xf32>, tensor<4xf32>
}

// An op far behind is not moved up: what it computes would wait for its reader.
// CHECK-LABEL: func.func @leaves_what_is_far
func.func @leaves_what_is_far(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: %[[E:.*]] = prog.fused
  // CHECK: nn.exp
  // CHECK: nn.softmax %[[E]]
  // CHECK: prog.fused %[[E]], %{{.*}}
  // CHECK: nn.neg
  %e = nn.exp %x : tensor<4xf32>
  %0 = nn.softmax %e : tensor<4xf32>
  %1 = nn.softmax %0 : tensor<4xf32>
  %2 = nn.softmax %1 : tensor<4xf32>
  %3 = nn.softmax %2 : tensor<4xf32>
  %4 = nn.softmax %3 : tensor<4xf32>
  %5 = nn.softmax %4 : tensor<4xf32>
  %6 = nn.softmax %5 : tensor<4xf32>
  %7 = nn.softmax %6 : tensor<4xf32>
  %8 = nn.softmax %7 : tensor<4xf32>
  %9 = nn.softmax %8 : tensor<4xf32>
  %10 = nn.softmax %9 : tensor<4xf32>
  %11 = nn.softmax %10 : tensor<4xf32>
  %12 = nn.softmax %11 : tensor<4xf32>
  %13 = nn.softmax %12 : tensor<4xf32>
  %14 = nn.softmax %13 : tensor<4xf32>
  %15 = nn.softmax %14 : tensor<4xf32>
  %16 = nn.softmax %15 : tensor<4xf32>
  %n = nn.neg %e : tensor<4xf32>
  %m = nn.mul %n, %16 : tensor<4xf32>
  return %m : tensor<4xf32>
}

// What was noted for other passes is not part of a kernel.
// CHECK-LABEL: func.func @drops_notes
func.func @drops_notes(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: nn.exp %{{.*}} : tensor<4xf32>
  %e = nn.exp %x {unit = "model.layers.0"} : tensor<4xf32>
  return %e : tensor<4xf32>
}

// What a distant op reads is computed again there if its operand is in memory
// anyhow: one value less to keep.
// CHECK-LABEL: func.func @computes_again_what_is_read_from_afar
// ALONE-LABEL: func.func @computes_again_what_is_read_from_afar
// ALONE-COUNT-1: nn.silu
// ALONE-NOT: nn.silu
func.func @computes_again_what_is_read_from_afar(%x: tensor<4xf32>) -> tensor<8xf32> {
  // CHECK: %[[G:.*]] = nn.softmax %{{.*}}
  // CHECK: prog.fused %[[G]] : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: nn.silu
  // CHECK: prog.fused %[[G]], %{{.*}} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  // CHECK: nn.silu
  // CHECK-NEXT: nn.mul
  %g = nn.softmax %x : tensor<4xf32>
  %s = nn.silu %g : tensor<4xf32>
  %c0 = nn.softmax %s : tensor<4xf32>
  %c1 = nn.softmax %c0 : tensor<4xf32>
  %c2 = nn.softmax %c1 : tensor<4xf32>
  %c3 = nn.softmax %c2 : tensor<4xf32>
  %c4 = nn.softmax %c3 : tensor<4xf32>
  %c5 = nn.softmax %c4 : tensor<4xf32>
  %c6 = nn.softmax %c5 : tensor<4xf32>
  %c7 = nn.softmax %c6 : tensor<4xf32>
  %c8 = nn.softmax %c7 : tensor<4xf32>
  %c9 = nn.softmax %c8 : tensor<4xf32>
  %c10 = nn.softmax %c9 : tensor<4xf32>
  %c11 = nn.softmax %c10 : tensor<4xf32>
  %c12 = nn.softmax %c11 : tensor<4xf32>
  %c13 = nn.softmax %c12 : tensor<4xf32>
  %c14 = nn.softmax %c13 : tensor<4xf32>
  %c15 = nn.softmax %c14 : tensor<4xf32>
  %c16 = nn.softmax %c15 : tensor<4xf32>
  %m = nn.mul %c16, %s : tensor<4xf32>
  %r = nn.concat %m, %g dim 0 : (tensor<4xf32>, tensor<4xf32>) -> tensor<8xf32>
  return %r : tensor<8xf32>
}

// Not if the operand would have to be kept instead.
// CHECK-LABEL: func.func @keeps_what_has_no_operand_left
// ALONE-LABEL: func.func @keeps_what_has_no_operand_left
func.func @keeps_what_has_no_operand_left(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: %[[S:.*]] = prog.fused
  // CHECK: nn.silu
  // CHECK: prog.fused %{{.*}}, %[[S]] : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  // CHECK-NOT: nn.silu
  %g = nn.softmax %x : tensor<4xf32>
  %s = nn.silu %g : tensor<4xf32>
  %c0 = nn.softmax %s : tensor<4xf32>
  %c1 = nn.softmax %c0 : tensor<4xf32>
  %c2 = nn.softmax %c1 : tensor<4xf32>
  %c3 = nn.softmax %c2 : tensor<4xf32>
  %c4 = nn.softmax %c3 : tensor<4xf32>
  %c5 = nn.softmax %c4 : tensor<4xf32>
  %c6 = nn.softmax %c5 : tensor<4xf32>
  %c7 = nn.softmax %c6 : tensor<4xf32>
  %c8 = nn.softmax %c7 : tensor<4xf32>
  %c9 = nn.softmax %c8 : tensor<4xf32>
  %c10 = nn.softmax %c9 : tensor<4xf32>
  %c11 = nn.softmax %c10 : tensor<4xf32>
  %c12 = nn.softmax %c11 : tensor<4xf32>
  %c13 = nn.softmax %c12 : tensor<4xf32>
  %c14 = nn.softmax %c13 : tensor<4xf32>
  %c15 = nn.softmax %c14 : tensor<4xf32>
  %c16 = nn.softmax %c15 : tensor<4xf32>
  %m = nn.mul %c16, %s : tensor<4xf32>
  return %m : tensor<4xf32>
}

// Nor if another op reads the value as far away: it is kept anyhow.
// CHECK-LABEL: func.func @keeps_what_others_read_from_afar
func.func @keeps_what_others_read_from_afar(%x: tensor<4xf32>) -> tensor<8xf32> {
  // CHECK: %[[S:.*]] = prog.fused
  // CHECK: nn.silu
  // CHECK: prog.fused %{{.*}}, %[[S]], %{{.*}} : 
  // CHECK-NOT: nn.silu
  %g = nn.softmax %x : tensor<4xf32>
  %s = nn.silu %g : tensor<4xf32>
  %c0 = nn.softmax %s : tensor<4xf32>
  %c1 = nn.softmax %c0 : tensor<4xf32>
  %c2 = nn.softmax %c1 : tensor<4xf32>
  %c3 = nn.softmax %c2 : tensor<4xf32>
  %c4 = nn.softmax %c3 : tensor<4xf32>
  %c5 = nn.softmax %c4 : tensor<4xf32>
  %c6 = nn.softmax %c5 : tensor<4xf32>
  %c7 = nn.softmax %c6 : tensor<4xf32>
  %c8 = nn.softmax %c7 : tensor<4xf32>
  %c9 = nn.softmax %c8 : tensor<4xf32>
  %c10 = nn.softmax %c9 : tensor<4xf32>
  %c11 = nn.softmax %c10 : tensor<4xf32>
  %c12 = nn.softmax %c11 : tensor<4xf32>
  %c13 = nn.softmax %c12 : tensor<4xf32>
  %c14 = nn.softmax %c13 : tensor<4xf32>
  %c15 = nn.softmax %c14 : tensor<4xf32>
  %c16 = nn.softmax %c15 : tensor<4xf32>
  %m = nn.mul %c16, %s : tensor<4xf32>
  %n = nn.mul %m, %g : tensor<4xf32>
  %r = nn.concat %n, %s dim 0 : (tensor<4xf32>, tensor<4xf32>) -> tensor<8xf32>
  return %r : tensor<8xf32>
}
