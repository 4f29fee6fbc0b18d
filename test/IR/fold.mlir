// RUN: weft-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: func.func @drops_identities
// CHECK-NEXT: return %{{.*}}, %{{.*}}, %{{.*}} : tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>
func.func @drops_identities(%x: tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>) {
  %0 = nn.reshape %x : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %1 = nn.transpose %x permutation [0, 1] : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %2 = nn.slice %x offsets [0, 0] sizes [2, 3] strides [1, 1] : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return %0, %1, %2 : tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>
}

// CHECK-LABEL: func.func @merges_reshapes
// CHECK-SAME: %[[X:.*]]: tensor<2x3xf32>
func.func @merges_reshapes(%x: tensor<2x3xf32>) -> (tensor<3x2xf32>, tensor<2x3xf32>) {
  // CHECK-NEXT: %[[Y:.*]] = nn.reshape %[[X]] : (tensor<2x3xf32>) -> tensor<3x2xf32>
  // CHECK-NEXT: return %[[Y]], %[[X]]
  %0 = nn.reshape %x : (tensor<2x3xf32>) -> tensor<6xf32>
  %1 = nn.reshape %0 : (tensor<6xf32>) -> tensor<3x2xf32>
  %2 = nn.reshape %0 : (tensor<6xf32>) -> tensor<2x3xf32>
  return %1, %2 : tensor<3x2xf32>, tensor<2x3xf32>
}

// CHECK-LABEL: func.func @merges_transposes
// CHECK-SAME: %[[X:.*]]: tensor<2x3x4xf32>
func.func @merges_transposes(%x: tensor<2x3x4xf32>) -> (tensor<4x3x2xf32>, tensor<2x3x4xf32>) {
  // CHECK-NEXT: %[[Y:.*]] = nn.transpose %[[X]] permutation [2, 1, 0] : (tensor<2x3x4xf32>) -> tensor<4x3x2xf32>
  // CHECK-NEXT: return %[[Y]], %[[X]]
  %0 = nn.transpose %x permutation [1, 2, 0] : (tensor<2x3x4xf32>) -> tensor<3x4x2xf32>
  %1 = nn.transpose %0 permutation [1, 0, 2] : (tensor<3x4x2xf32>) -> tensor<4x3x2xf32>
  %2 = nn.transpose %0 permutation [2, 0, 1] : (tensor<3x4x2xf32>) -> tensor<2x3x4xf32>
  return %1, %2 : tensor<4x3x2xf32>, tensor<2x3x4xf32>
}

// Layouts are decided per op: a chain of typed ops stays.
#mesh = #dist.mesh<tp = 2>
// CHECK-LABEL: func.func @keeps_typed_chains
func.func @keeps_typed_chains(%x: tensor<2x3xf32, #dist.layout<#mesh>>) -> tensor<3x2xf32, #dist.layout<#mesh>> {
  // CHECK-COUNT-2: nn.reshape
  %0 = nn.reshape %x : (tensor<2x3xf32, #dist.layout<#mesh>>) -> tensor<6xf32, #dist.layout<#mesh>>
  %1 = nn.reshape %0 : (tensor<6xf32, #dist.layout<#mesh>>) -> tensor<3x2xf32, #dist.layout<#mesh>>
  return %1 : tensor<3x2xf32, #dist.layout<#mesh>>
}
