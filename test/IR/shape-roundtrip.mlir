// RUN: weft-opt %s | weft-opt | FileCheck %s

// A constant spells its type once; a layout of the result follows `to`.
// CHECK-LABEL: func.func @constants
func.func @constants() {
  // CHECK: nn.constant dense<5.000000e-01> : tensor<4x8xf32>
  %0 = nn.constant dense<0.5> : tensor<4x8xf32>
  // CHECK: nn.constant dense<[1, 2]> : tensor<2xi64>
  %1 = nn.constant dense<[1, 2]> : tensor<2xi64>
  // CHECK: nn.constant dense<0> : tensor<i64> to tensor<i64, #dist.layout<#mesh>>
  %2 = nn.constant dense<0> : tensor<i64> to tensor<i64, #dist.layout<#dist.mesh<tp = 2>>>
  // CHECK: nn.iota dim 1 : tensor<2x3xi64>
  %3 = nn.iota dim 1 : tensor<2x3xi64>
  // CHECK: nn.iota dim 0 offset %{{.*}}, tensor<i64> : tensor<3xf32>
  %offset = nn.constant dense<3> : tensor<i64>
  %4 = nn.iota dim 0 offset %offset, tensor<i64> : tensor<3xf32>
  return
}

// CHECK-LABEL: func.func @contract
func.func @contract(%x: tensor<2x3x4xf32>, %w: tensor<5x4xf32>) {
  // CHECK: nn.contract "btd,od->bto" %{{.*}}, %{{.*}} : (tensor<2x3x4xf32>, tensor<5x4xf32>) -> tensor<2x3x5xf32>
  %0 = nn.contract "btd,od->bto" %x, %w : (tensor<2x3x4xf32>, tensor<5x4xf32>) -> tensor<2x3x5xf32>
  // CHECK: nn.contract "btd,btd->" %{{.*}}, %{{.*}} : (tensor<2x3x4xf32>, tensor<2x3x4xf32>) -> tensor<f32>
  %1 = nn.contract "btd,btd->" %x, %x : (tensor<2x3x4xf32>, tensor<2x3x4xf32>) -> tensor<f32>
  return
}

// CHECK-LABEL: func.func @reduce
func.func @reduce(%x: tensor<2x3x4xf32>) {
  // CHECK: nn.reduce sum %{{.*}} dims [1, 2] : (tensor<2x3x4xf32>) -> tensor<2xf32>
  %0 = nn.reduce sum %x dims [1, 2] : (tensor<2x3x4xf32>) -> tensor<2xf32>
  // CHECK: nn.reduce max %{{.*}} dims [0]
  %1 = nn.reduce max %x dims [0] : (tensor<2x3x4xf32>) -> tensor<3x4xf32>
  // CHECK: nn.reduce min %{{.*}} dims []
  %2 = nn.reduce min %x dims [] : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  // CHECK: nn.reduce product %{{.*}} dims [0, 1, 2] : (tensor<2x3x4xf32>) -> tensor<f32>
  %3 = nn.reduce product %x dims [0, 1, 2] : (tensor<2x3x4xf32>) -> tensor<f32>
  return
}

// CHECK-LABEL: func.func @moves
func.func @moves(%x: tensor<2x3x4xf32>, %v: tensor<3xf32>, %w: tensor<2x1x4xf32>) {
  // CHECK: nn.broadcast %{{.*}} dims [1] : (tensor<3xf32>) -> tensor<2x3x4xf32>
  %0 = nn.broadcast %v dims [1] : (tensor<3xf32>) -> tensor<2x3x4xf32>
  // CHECK: nn.reshape %{{.*}} : (tensor<2x3x4xf32>) -> tensor<6x4xf32>
  %1 = nn.reshape %x : (tensor<2x3x4xf32>) -> tensor<6x4xf32>
  // CHECK: nn.transpose %{{.*}} permutation [0, 2, 1] : (tensor<2x3x4xf32>) -> tensor<2x4x3xf32>
  %2 = nn.transpose %x permutation [0, 2, 1] : (tensor<2x3x4xf32>) -> tensor<2x4x3xf32>
  // CHECK: nn.slice %{{.*}} offsets [0, 1, 0] sizes [2, 2, 2] strides [1, 1, 2] : (tensor<2x3x4xf32>) -> tensor<2x2x2xf32>
  %3 = nn.slice %x offsets [0, 1, 0] sizes [2, 2, 2] strides [1, 1, 2] : (tensor<2x3x4xf32>) -> tensor<2x2x2xf32>
  // CHECK: nn.pad %{{.*}} low [1, 0] high [0, 2] interior [0, 1] : (tensor<6x4xf32>) -> tensor<7x9xf32>
  %4 = nn.pad %1 low [1, 0] high [0, 2] interior [0, 1] : (tensor<6x4xf32>) -> tensor<7x9xf32>
  // CHECK: nn.concat %{{.*}}, %{{.*}} dim 1 : (tensor<2x3x4xf32>, tensor<2x1x4xf32>) -> tensor<2x4x4xf32>
  %5 = nn.concat %x, %w dim 1 : (tensor<2x3x4xf32>, tensor<2x1x4xf32>) -> tensor<2x4x4xf32>
  return
}

// CHECK-LABEL: func.func @indexed
func.func @indexed(%x: tensor<2x3x4xf32>, %i: tensor<2x3xi64>, %offset: tensor<i64>) {
  // CHECK: %[[PICKED:.*]] = nn.pick %{{.*}}, %{{.*}} : (tensor<2x3x4xf32>, tensor<2x3xi64>) -> tensor<2x3xf32>
  %0 = nn.pick %x, %i : (tensor<2x3x4xf32>, tensor<2x3xi64>) -> tensor<2x3xf32>
  // CHECK: nn.pick %{{.*}}, %{{.*}} offset %{{.*}} : (tensor<2x3x4xf32>, tensor<2x3xi64>, tensor<i64>) -> tensor<2x3xf32>
  %1 = nn.pick %x, %i offset %offset : (tensor<2x3x4xf32>, tensor<2x3xi64>, tensor<i64>) -> tensor<2x3xf32>
  // CHECK: nn.place %[[PICKED]], %{{.*}} : (tensor<2x3xf32>, tensor<2x3xi64>) -> tensor<2x3x4xf32>
  %2 = nn.place %0, %i : (tensor<2x3xf32>, tensor<2x3xi64>) -> tensor<2x3x4xf32>
  // CHECK: nn.mask_tail %{{.*}}, %{{.*}} dim 1 value 0.000000e+00 : (tensor<2x3x4xf32>, tensor<i64>) -> tensor<2x3x4xf32>
  %3 = nn.mask_tail %x, %offset dim 1 value 0.0 : (tensor<2x3x4xf32>, tensor<i64>) -> tensor<2x3x4xf32>
  return
}

// CHECK-LABEL: func.func @boundary
func.func @boundary(%x: tensor<2x3xf32>) {
  // CHECK: nn.boundary %{{.*}} {index = 0 : i64, module = "model.layers.0", name = "hidden_states", side = "input"} : tensor<2x3xf32>
  %0 = nn.boundary %x {call = 0 : i64, index = 0 : i64, module = "model.layers.0", name = "hidden_states", side = "input"} : tensor<2x3xf32>
  return
}
