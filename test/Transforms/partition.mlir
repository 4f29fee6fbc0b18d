// RUN: weft-opt %s --dist-partition | FileCheck %s

// Ops on local shapes, with the offsets and masks they need. Moves are in
// partition-moves.mlir.

#mesh = #dist.mesh<dp_shard = 2, tp = 4>
#whole = #dist.layout<#mesh>
#rows = #dist.layout<#mesh, tp = shard(0)>
#cols = #dist.layout<#mesh, tp = shard(1)>
#batch = #dist.layout<#mesh, dp_shard = shard(0)>
#part = #dist.layout<#mesh, tp = partial(sum)>
#largest = #dist.layout<#mesh, tp = partial(max)>
#classes = #dist.layout<#mesh, dp_shard = shard(0), tp = shard(1)>
module attributes {dist.mesh = #mesh} {

// A slot keeps its typed type: it says where the stored tensor lies.
// CHECK: pipe.slot @w : tensor<16x8xf32, #dist.layout<#mesh, tp = shard(0)>>
pipe.slot @w : tensor<16x8xf32, #rows> {kind = "parameter", lifetime = "run"}

// CHECK-LABEL: func.func @works_on_local_shapes
// CHECK-SAME: (%[[X:.*]]: tensor<4x8xf32>, %[[W:.*]]: tensor<4x8xf32> {pipe.slot = @w}) -> tensor<4x4xf32>
func.func @works_on_local_shapes(%x: tensor<8x8xf32, #batch>, %w: tensor<16x8xf32, #rows> {pipe.slot = @w}) -> tensor<8x16xf32, #classes> {
  // CHECK-NEXT: nn.contract "bi,oi->bo" %[[X]], %[[W]] : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x4xf32>
  %y = nn.contract "bi,oi->bo" %x, %w : (tensor<8x8xf32, #batch>, tensor<16x8xf32, #rows>) -> tensor<8x16xf32, #classes>
  return %y : tensor<8x16xf32, #classes>
}

// A sum is ordered by the graph's shapes: a shard that has one row, or one
// column, is still part of a larger product.
// CHECK-LABEL: func.func @orders_sums_by_the_graph
func.func @orders_sums_by_the_graph(%x: tensor<4x64xf32, #whole>, %w: tensor<4x64xf32, #rows>, %one: tensor<1x64xf32, #whole>) {
  // CHECK: nn.contract "bi,oi->bo" %{{.*}}, %{{.*}} : (tensor<4x64xf32>, tensor<1x64xf32>) -> tensor<4x1xf32>
  %y = nn.contract "bi,oi->bo" %x, %w : (tensor<4x64xf32, #whole>, tensor<4x64xf32, #rows>) -> tensor<4x4xf32, #cols>
  // CHECK: nn.contract "bi,oi->bo" %{{.*}}, %{{.*}} {partials} : (tensor<4x64xf32>, tensor<1x64xf32>) -> tensor<4x1xf32>
  %z = nn.contract "bi,oi->bo" %x, %one : (tensor<4x64xf32, #whole>, tensor<1x64xf32, #whole>) -> tensor<4x1xf32, #whole>
  return
}

// Splat constants and the dims a slice keeps shrink with the shard.
// CHECK-LABEL: func.func @shrinks_sizes_in_attributes
func.func @shrinks_sizes_in_attributes(%x: tensor<8x8xf32, #batch>) {
  // CHECK: nn.constant dense<1.000000e+00> : tensor<4x8xf32>
  %one = nn.constant dense<1.0> : tensor<8x8xf32> to tensor<8x8xf32, #batch>
  // CHECK: nn.slice %{{.*}} offsets [0, 2] sizes [4, 4] strides [1, 1] : (tensor<4x8xf32>) -> tensor<4x4xf32>
  %s = nn.slice %x offsets [0, 2] sizes [8, 4] strides [1, 1] : (tensor<8x8xf32, #batch>) -> tensor<8x4xf32, #batch>
  return
}

// Positions count from the shard's first element.
// CHECK-LABEL: func.func @offsets_iota_by_its_shard
func.func @offsets_iota_by_its_shard() {
  // CHECK: %[[START:.*]] = dist.coordinate over #mesh ["tp"] scale 4 : tensor<i64>
  // CHECK: nn.iota dim 0 offset %[[START]], tensor<i64> : tensor<4xi64>
  %0 = nn.iota dim 0 : tensor<16xi64, #rows>
  return
}

// A shard of the table answers for its own rows; the result is partial.
// CHECK-LABEL: func.func @offsets_embedding_by_its_table
func.func @offsets_embedding_by_its_table(%ids: tensor<2x3xi64, #whole>, %w: tensor<16x8xf32, #rows>) {
  // CHECK: %[[START:.*]] = dist.coordinate over #mesh ["tp"] scale 4 : tensor<i64>
  // CHECK: nn.embedding %{{.*}}, %{{.*}} offset %[[START]] :
  %0 = nn.embedding %ids, %w : (tensor<2x3xi64, #whole>, tensor<16x8xf32, #rows>) -> tensor<2x3x8xf32, #part>
  return
}

// CHECK-LABEL: func.func @offsets_embedding_grad_by_its_result
func.func @offsets_embedding_grad_by_its_result(%dy: tensor<2x3x8xf32, #whole>, %ids: tensor<2x3xi64, #whole>) {
  // CHECK: %[[START:.*]] = dist.coordinate over #mesh ["tp"] scale 4 : tensor<i64>
  // CHECK: nn.embedding_grad %{{.*}}, %{{.*}} offset %[[START]] : {{.*}} -> tensor<4x8xf32>
  %0 = nn.embedding_grad %dy, %ids : (tensor<2x3x8xf32, #whole>, tensor<2x3xi64, #whole>) -> tensor<16x8xf32, #rows>
  return
}

// CHECK-LABEL: func.func @offsets_pick_and_place
func.func @offsets_pick_and_place(%x: tensor<8x16xf32, #classes>, %i: tensor<8xi64, #batch>, %dy: tensor<8xf32, #batch>) {
  // CHECK: %[[PICK:.*]] = dist.coordinate over #mesh ["tp"] scale 4 : tensor<i64>
  // CHECK: nn.pick %{{.*}}, %{{.*}} offset %[[PICK]] :
  %0 = nn.pick %x, %i : (tensor<8x16xf32, #classes>, tensor<8xi64, #batch>) -> tensor<8xf32, #dist.layout<#mesh, dp_shard = shard(0), tp = partial(sum)>>
  // CHECK: %[[PLACE:.*]] = dist.coordinate over #mesh ["tp"] scale 4 : tensor<i64>
  // CHECK-NEXT: nn.place %{{.*}}, %{{.*}} offset %[[PLACE]] :
  %1 = nn.place %dy, %i : (tensor<8xf32, #batch>, tensor<8xi64, #batch>) -> tensor<8x16xf32, #classes>
  return
}

// The offset follows the operand; the result needs none of its own.
// CHECK-LABEL: func.func @offsets_an_op_once
func.func @offsets_an_op_once(%x: tensor<8x16xf32, #classes>, %i: tensor<8xi64, #batch>, %lse: tensor<8xf32, #batch>, %seed: tensor<f32, #whole>) {
  // CHECK-NEXT: dist.coordinate
  // CHECK-NEXT: nn.cross_entropy_grad
  %0 = nn.cross_entropy_grad %x, %i, %lse, %seed : (tensor<8x16xf32, #classes>, tensor<8xi64, #batch>, tensor<8xf32, #batch>, tensor<f32, #whole>) -> tensor<8x16xf32, #classes>
  return
}

// Ops that are whole along the indexed dim need no offset.
// CHECK-LABEL: func.func @offsets_nothing_that_is_whole
func.func @offsets_nothing_that_is_whole(%ids: tensor<8x3xi64, #batch>, %w: tensor<16x8xf32, #whole>) {
  // CHECK-NOT: dist.coordinate
  // CHECK: return
  %0 = nn.embedding %ids, %w : (tensor<8x3xi64, #batch>, tensor<16x8xf32, #whole>) -> tensor<8x3x8xf32, #batch>
  return
}

// 10 over 4 is uneven: what is contracted is masked on both sides, since zero
// times what may lie in padding is not zero.
// CHECK-LABEL: func.func @masks_every_operand_of_an_uneven_contraction
func.func @masks_every_operand_of_an_uneven_contraction(%x: tensor<8x10xf32, #cols>, %w: tensor<10x8xf32, #rows>) {
  // CHECK: %[[N:.*]] = dist.extent of 10 over #mesh ["tp"] : tensor<i64>
  // CHECK: %[[X:.*]] = nn.mask_tail %{{.*}}, %[[N]] dim 1 value 0.000000e+00 : (tensor<8x3xf32>, tensor<i64>)
  // CHECK: %[[W:.*]] = nn.mask_tail %{{.*}}, %{{.*}} dim 0 value 0.000000e+00 : (tensor<3x8xf32>, tensor<i64>)
  // CHECK: nn.contract "bi,io->bo" %[[X]], %[[W]]
  %0 = nn.contract "bi,io->bo" %x, %w : (tensor<8x10xf32, #cols>, tensor<10x8xf32, #rows>) -> tensor<8x8xf32, #part>
  return
}

// Each reduction has its own neutral element.
// CHECK-LABEL: func.func @masks_with_the_neutral_element
func.func @masks_with_the_neutral_element(%x: tensor<10x8xf32, #rows>) {
  // CHECK: nn.mask_tail {{.*}} value 0.000000e+00
  // CHECK-NEXT: nn.reduce sum
  %0 = nn.reduce sum %x dims [0] : (tensor<10x8xf32, #rows>) -> tensor<8xf32, #part>
  // CHECK: nn.mask_tail {{.*}} value 0xFFF0000000000000
  // CHECK-NEXT: nn.reduce max
  %1 = nn.reduce max %x dims [0] : (tensor<10x8xf32, #rows>) -> tensor<8xf32, #largest>
  // CHECK: nn.mask_tail {{.*}} value 0x7FF0000000000000
  // CHECK-NEXT: nn.reduce min
  %2 = nn.reduce min %x dims [0] : (tensor<10x8xf32, #rows>) -> tensor<8xf32, #dist.layout<#mesh, tp = partial(min)>>
  return
}

// A label in padding is one that is ignored.
// CHECK-LABEL: func.func @masks_labels
func.func @masks_labels(%x: tensor<10x8xf32, #rows>, %labels: tensor<10xi64, #rows>) {
  // CHECK: %[[X:.*]] = nn.mask_tail {{.*}} dim 0 value 0.000000e+00
  // CHECK: %[[LABELS:.*]] = nn.mask_tail {{.*}} dim 0 value -1.000000e+02 : (tensor<3xi64>, tensor<i64>) -> tensor<3xi64>
  // CHECK: nn.cross_entropy %[[X]], %[[LABELS]]
  %sum, %lse = nn.cross_entropy %x, %labels : (tensor<10x8xf32, #rows>, tensor<10xi64, #rows>) -> (tensor<f32, #part>, tensor<10xf32, #rows>)
  return
}

// Padding that nothing reduces over stays what it is.
// CHECK-LABEL: func.func @masks_nothing_that_is_not_reduced
func.func @masks_nothing_that_is_not_reduced(%x: tensor<10x8xf32, #rows>, %even: tensor<8x8xf32, #rows>) {
  // CHECK-NOT: nn.mask_tail
  // CHECK: return
  %0 = nn.exp %x : tensor<10x8xf32, #rows>
  %1 = nn.reduce sum %x dims [1] : (tensor<10x8xf32, #rows>) -> tensor<10xf32, #rows>
  %2 = nn.reduce sum %even dims [0] : (tensor<8x8xf32, #rows>) -> tensor<8xf32, #part>
  return
}
}
