// RUN: weft-opt %s --prog-fuse-regions | FileCheck %s
// RUN: weft-opt %s --prog-fuse-regions | weft-opt --prog-fuse-regions | FileCheck %s
// RUN: weft-opt %s --prog-fuse-regions=alone | FileCheck %s --check-prefix=ALONE
// RUN: weft-opt %s --prog-fuse-regions --prog-lower | FileCheck %s --check-prefix=LOWERED

pipe.slot @g : tensor<8x64xf32> {kind = "gradient", lifetime = "run"}
pipe.slot @s : tensor<f32> {kind = "scalar", lifetime = "step"}
// What only a reduction reads is computed where it loads its elements.
// CHECK-LABEL: func.func @reduces_what_it_computes
// ALONE-LABEL: func.func @reduces_what_it_computes
// ALONE: prog.fused
// ALONE: nn.reduce sum %{{.*}} dims [0, 1] : (tensor<8x64xf32>) -> tensor<f32>
// ALONE-NEXT: return
// LOWERED-LABEL: func.func @reduces_what_it_computes
// LOWERED: %[[G:.*]] = prog.buffer "run" slot @g
// LOWERED: %[[S:.*]] = prog.buffer "step" slot @s
// LOWERED-NEXT: prog.launch @fused_mul_reduce_{{.*}} ins(%[[G]] : memref<8x64xf32>) outs(%[[S]] : memref<f32>)
// LOWERED-NEXT: return
func.func @reduces_what_it_computes(%g: tensor<8x64xf32> {pipe.slot = @g}) -> (tensor<f32> {pipe.slot = @s}) {
  // CHECK: %[[SUM:.*]] = prog.fused %{{.*}} : (tensor<8x64xf32>) -> tensor<f32> {
  // CHECK: %[[SQUARE:.*]] = nn.mul
  // CHECK: %[[INNER:.*]] = nn.reduce sum %[[SQUARE]] dims [0, 1]
  // CHECK: prog.yield %[[INNER]]
  // CHECK: return %[[SUM]]
  %square = nn.mul %g, %g : tensor<8x64xf32>
  %sum = nn.reduce sum %square dims [0, 1] : (tensor<8x64xf32>) -> tensor<f32>
  return %sum : tensor<f32>
}

pipe.slot @rows : tensor<8xf32> {kind = "activation", lifetime = "run"}
pipe.slot @w : tensor<64xf32> {kind = "parameter", lifetime = "run"}
// Rows are summed in the order of the row, and a weight is read along it.
// CHECK-LABEL: func.func @reduces_rows_of_a_weighted_value
func.func @reduces_rows_of_a_weighted_value(%g: tensor<8x64xf32> {pipe.slot = @g}, %w: tensor<64xf32> {pipe.slot = @w})
    -> (tensor<8xf32> {pipe.slot = @rows}) {
  // CHECK: prog.fused %{{.*}} : (tensor<8x64xf32>, tensor<64xf32>) -> tensor<8xf32> {
  // CHECK: nn.reduce max
  %b = nn.broadcast %w dims [1] : (tensor<64xf32>) -> tensor<8x64xf32>
  %m = nn.mul %g, %b : tensor<8x64xf32>
  %max = nn.reduce max %m dims [1] : (tensor<8x64xf32>) -> tensor<8xf32>
  return %max : tensor<8xf32>
}

// A sum that runs across rows adds elements by their position in all of them;
// a weight is read anew in each, so the region stays apart.
// CHECK-LABEL: func.func @keeps_the_order_of_a_sum_across_rows
func.func @keeps_the_order_of_a_sum_across_rows(%g: tensor<8x64xf32> {pipe.slot = @g}, %w: tensor<64xf32> {pipe.slot = @w})
    -> (tensor<f32> {pipe.slot = @s}) {
  // CHECK: %[[M:.*]] = prog.fused
  // CHECK: nn.reduce sum %[[M]]
  // CHECK-NEXT: return
  %b = nn.broadcast %w dims [1] : (tensor<64xf32>) -> tensor<8x64xf32>
  %m = nn.mul %g, %b : tensor<8x64xf32>
  %sum = nn.reduce sum %m dims [0, 1] : (tensor<8x64xf32>) -> tensor<f32>
  return %sum : tensor<f32>
}

pipe.slot @x : tensor<64x63xf32> {kind = "activation", lifetime = "run"}
pipe.slot @columns : tensor<64xf32> {kind = "activation", lifetime = "run"}
// Rows that do not fill a vector would be computed mostly for nothing.
// CHECK-LABEL: func.func @computes_short_rows_apart
func.func @computes_short_rows_apart(%x: tensor<64x63xf32> {pipe.slot = @x}) -> (tensor<64xf32> {pipe.slot = @columns}) {
  // CHECK: %[[E:.*]] = prog.fused
  // CHECK: nn.reduce sum %[[E]]
  %e = nn.exp %x : tensor<64x63xf32>
  %sum = nn.reduce sum %e dims [1] : (tensor<64x63xf32>) -> tensor<64xf32>
  return %sum : tensor<64xf32>
}

// A value that is also read elsewhere is in memory anyhow.
// CHECK-LABEL: func.func @stores_what_others_read
func.func @stores_what_others_read(%g: tensor<8x64xf32> {pipe.slot = @g})
    -> (tensor<8x64xf32> {pipe.slot = @g}, tensor<f32> {pipe.slot = @s}) {
  // CHECK: %[[E:.*]] = prog.fused
  // CHECK: nn.reduce sum %[[E]]
  %e = nn.exp %g : tensor<8x64xf32>
  %sum = nn.reduce sum %e dims [0, 1] : (tensor<8x64xf32>) -> tensor<f32>
  return %e, %sum : tensor<8x64xf32>, tensor<f32>
}
