// RUN: weft-opt %s --prog-decompose-moves | FileCheck %s
// RUN: weft-opt %s --prog-decompose-moves | weft-opt --prog-decompose-moves | FileCheck %s

#mesh = #dist.mesh<dp = 2, tp = 4>

// A shard starts at the coordinate times the local size.
// CHECK-LABEL: func.func @slices_from_a_coordinate
func.func @slices_from_a_coordinate(%x: tensor<3x10xf32>) -> tensor<3x3xf32> {
  // CHECK: %[[START:.*]] = dist.coordinate over #mesh ["tp"] scale 3 : tensor<i64>
  // CHECK: %[[PART:.*]] = prog.window %{{.*}} from %[[START]] dim 1 : (tensor<3x10xf32>, tensor<i64>) -> tensor<3x3xf32>
  // CHECK: return %[[PART]]
  %0 = dist.shard_slice %x over #mesh ["tp"] dim 1 : tensor<3x10xf32> to tensor<3x3xf32>
  return %0 : tensor<3x3xf32>
}

// The first rank keeps the value, others hold what a sum ignores.
// CHECK-LABEL: func.func @keeps_a_sum_on_the_first_rank
// CHECK-SAME: %[[X:.*]]: tensor<4xf32>
func.func @keeps_a_sum_on_the_first_rank(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK-DAG: %[[POSITION:.*]] = dist.coordinate over #mesh ["dp", "tp"] : tensor<i64>
  // CHECK-DAG: %[[FIRST:.*]] = nn.compare eq %[[POSITION]]
  // CHECK-DAG: %[[EVERYWHERE:.*]] = nn.broadcast %[[FIRST]] dims []
  // CHECK-DAG: %[[NEUTRAL:.*]] = nn.constant dense<0.000000e+00> : tensor<4xf32>
  // CHECK: nn.select %[[EVERYWHERE]], %[[X]], %[[NEUTRAL]]
  %0 = dist.make_partial "sum" %x over #mesh ["dp", "tp"] : tensor<4xf32> to tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: func.func @keeps_a_product_with_ones
func.func @keeps_a_product_with_ones(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: nn.constant dense<1.000000e+00> : tensor<4xf32>
  %0 = dist.make_partial "product" %x over #mesh ["tp"] : tensor<4xf32> to tensor<4xf32>
  return %0 : tensor<4xf32>
}

// A maximum of equal values is the value.
// CHECK-LABEL: func.func @keeps_a_maximum_on_all_ranks
// CHECK-SAME: %[[X:.*]]: tensor<4xf32>
func.func @keeps_a_maximum_on_all_ranks(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK-NEXT: return %[[X]]
  %0 = dist.make_partial "max" %x over #mesh ["tp"] : tensor<4xf32> to tensor<4xf32>
  return %0 : tensor<4xf32>
}

// Padding is what lies at or behind the extent.
// CHECK-LABEL: func.func @masks_by_index
// CHECK-SAME: %[[X:.*]]: tensor<2x3xf32>, %[[EXTENT:.*]]: tensor<i64>
func.func @masks_by_index(%x: tensor<2x3xf32>, %extent: tensor<i64>) -> tensor<2x3xf32> {
  // CHECK-DAG: %[[INDEX:.*]] = nn.iota dim 1 : tensor<2x3xi64>
  // CHECK-DAG: %[[END:.*]] = nn.broadcast %[[EXTENT]] dims []
  // CHECK-DAG: %[[VALID:.*]] = nn.compare lt %[[INDEX]], %[[END]]
  // CHECK-DAG: %[[VALUE:.*]] = nn.constant dense<-1.000000e+00>
  // CHECK: nn.select %[[VALID]], %[[X]], %[[VALUE]]
  %0 = nn.mask_tail %x, %extent dim 1 value -1.0 : (tensor<2x3xf32>, tensor<i64>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// Indices are added before they are rounded to a float.
// CHECK-LABEL: func.func @counts_from_an_offset
// CHECK-SAME: %[[OFFSET:.*]]: tensor<i64>
func.func @counts_from_an_offset(%offset: tensor<i64>) -> tensor<5xf32> {
  // CHECK-DAG: %[[INDEX:.*]] = nn.iota dim 0 : tensor<5xi64>
  // CHECK-DAG: %[[BASE:.*]] = nn.broadcast %[[OFFSET]] dims []
  // CHECK: %[[SUM:.*]] = nn.add %[[INDEX]], %[[BASE]] : tensor<5xi64>
  // CHECK: nn.cast %[[SUM]] : (tensor<5xi64>) -> tensor<5xf32>
  %0 = nn.iota dim 0 offset %offset, tensor<i64> : tensor<5xf32>
  return %0 : tensor<5xf32>
}
