// RUN: weft-opt %s | weft-opt | FileCheck %s

// Unary ops have one type.
// CHECK-LABEL: func.func @unary
func.func @unary(%x: tensor<4x8xf32>, %b: tensor<4xi1>) {
  // CHECK: nn.neg %{{.*}} : tensor<4x8xf32>
  %0 = nn.neg %x : tensor<4x8xf32>
  // CHECK: nn.abs %{{.*}} : tensor<4x8xf32>
  %1 = nn.abs %x : tensor<4x8xf32>
  // CHECK: nn.exp %{{.*}} : tensor<4x8xf32>
  %2 = nn.exp %x : tensor<4x8xf32>
  // CHECK: nn.log %{{.*}} : tensor<4x8xf32>
  %3 = nn.log %x : tensor<4x8xf32>
  // CHECK: nn.sqrt %{{.*}} : tensor<4x8xf32>
  %4 = nn.sqrt %x : tensor<4x8xf32>
  // CHECK: nn.rsqrt %{{.*}} : tensor<4x8xf32>
  %5 = nn.rsqrt %x : tensor<4x8xf32>
  // CHECK: nn.sin %{{.*}} : tensor<4x8xf32>
  %6 = nn.sin %x : tensor<4x8xf32>
  // CHECK: nn.cos %{{.*}} : tensor<4x8xf32>
  %7 = nn.cos %x : tensor<4x8xf32>
  // CHECK: nn.tanh %{{.*}} : tensor<4x8xf32>
  %8 = nn.tanh %x : tensor<4x8xf32>
  // CHECK: nn.erf %{{.*}} : tensor<4x8xf32>
  %9 = nn.erf %x : tensor<4x8xf32>
  // CHECK: nn.sigmoid %{{.*}} : tensor<4x8xf32>
  %10 = nn.sigmoid %x : tensor<4x8xf32>
  // CHECK: nn.silu %{{.*}} : tensor<4x8xf32>
  %11 = nn.silu %x : tensor<4x8xf32>
  // CHECK: nn.gelu %{{.*}} : tensor<4x8xf32>
  %12 = nn.gelu %x : tensor<4x8xf32>
  // CHECK: nn.gelu_tanh %{{.*}} : tensor<4x8xf32>
  %13 = nn.gelu_tanh %x : tensor<4x8xf32>
  // CHECK: nn.relu %{{.*}} : tensor<4x8xf32>
  %14 = nn.relu %x : tensor<4x8xf32>
  // CHECK: nn.logical_not %{{.*}} : tensor<4xi1>
  %15 = nn.logical_not %b : tensor<4xi1>
  return
}

// Binary ops and sums have one type, too.
// CHECK-LABEL: func.func @binary
func.func @binary(%x: tensor<4x8xf32>, %y: tensor<4x8xf32>, %a: tensor<4xi1>, %b: tensor<4xi1>) {
  // CHECK: nn.add %{{.*}}, %{{.*}} : tensor<4x8xf32>
  %0 = nn.add %x, %y : tensor<4x8xf32>
  // CHECK: nn.sub %{{.*}}, %{{.*}} : tensor<4x8xf32>
  %1 = nn.sub %x, %y : tensor<4x8xf32>
  // CHECK: nn.mul %{{.*}}, %{{.*}} : tensor<4x8xf32>
  %2 = nn.mul %x, %y : tensor<4x8xf32>
  // CHECK: nn.div %{{.*}}, %{{.*}} : tensor<4x8xf32>
  %3 = nn.div %x, %y : tensor<4x8xf32>
  // CHECK: nn.pow %{{.*}}, %{{.*}} : tensor<4x8xf32>
  %4 = nn.pow %x, %y : tensor<4x8xf32>
  // CHECK: nn.maximum %{{.*}}, %{{.*}} : tensor<4x8xf32>
  %5 = nn.maximum %x, %y : tensor<4x8xf32>
  // CHECK: nn.minimum %{{.*}}, %{{.*}} : tensor<4x8xf32>
  %6 = nn.minimum %x, %y : tensor<4x8xf32>
  // CHECK: nn.logical_and %{{.*}}, %{{.*}} : tensor<4xi1>
  %7 = nn.logical_and %a, %b : tensor<4xi1>
  // CHECK: nn.logical_or %{{.*}}, %{{.*}} : tensor<4xi1>
  %8 = nn.logical_or %a, %b : tensor<4xi1>
  // CHECK: nn.sum_of %{{.*}}, %{{.*}}, %{{.*}} : tensor<4x8xf32>
  %9 = nn.sum_of %x, %y, %0 : tensor<4x8xf32>
  // CHECK: nn.sum_of %{{[^,]*}} : tensor<4x8xf32>
  %10 = nn.sum_of %x : tensor<4x8xf32>
  return
}

// Ops whose result has another element type spell the function type.
// CHECK-LABEL: func.func @mixed
func.func @mixed(%x: tensor<4xi64>, %y: tensor<4xi64>, %a: tensor<4xf32>, %b: tensor<4xf32>) {
  // CHECK: %[[LESS:.*]] = nn.compare lt %{{.*}}, %{{.*}} : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi1>
  %0 = nn.compare lt %x, %y : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi1>
  // CHECK: nn.compare eq
  %1 = nn.compare eq %a, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  // CHECK: nn.compare ne
  %2 = nn.compare ne %a, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  // CHECK: nn.compare le
  %3 = nn.compare le %a, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  // CHECK: nn.compare gt
  %4 = nn.compare gt %a, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  // CHECK: nn.compare ge
  %5 = nn.compare ge %a, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  // CHECK: nn.select %[[LESS]], %{{.*}}, %{{.*}} : (tensor<4xi1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %6 = nn.select %0, %a, %b : (tensor<4xi1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  // CHECK: nn.cast %{{.*}} : (tensor<4xi64>) -> tensor<4xf32>
  %7 = nn.cast %x : (tensor<4xi64>) -> tensor<4xf32>
  // CHECK: nn.cast of_parts %{{.*}} : (tensor<4xf32>) -> tensor<4xbf16>
  %parts = nn.cast of_parts %7 : (tensor<4xf32>) -> tensor<4xbf16>
  return
}

// Operands that differ in layout agree; their types are then spelled out.
#mesh = #dist.mesh<tp = 2>
#open = #dist.layout<#mesh, tp = partial(sum)>
#rows = #dist.layout<#mesh, tp = shard(0)>
#whole = #dist.layout<#mesh>
// CHECK-LABEL: func.func @layouts
func.func @layouts(%w: tensor<4xf32, #whole>, %r: tensor<4xf32, #rows>, %p: tensor<4xf32, #open>) {
  // CHECK: nn.add %{{.*}}, %{{.*}} : tensor<4xf32, #dist.layout<#mesh, tp = shard(0)>>
  %0 = nn.add %r, %r : tensor<4xf32, #rows>
  // CHECK: nn.mul %{{.*}}, %{{.*}} : (tensor<4xf32, #dist.layout<#mesh>>, tensor<4xf32, #dist.layout<#mesh, tp = partial(sum)>>) -> tensor<4xf32, #dist.layout<#mesh, tp = partial(sum)>>
  %1 = nn.mul %w, %p : (tensor<4xf32, #whole>, tensor<4xf32, #open>) -> tensor<4xf32, #open>
  // CHECK: nn.sum_of %{{.*}}, %{{.*}} : tensor<4xf32, #dist.layout<#mesh, tp = partial(sum)>>
  %2 = nn.sum_of %p, %p : tensor<4xf32, #open>
  return
}
