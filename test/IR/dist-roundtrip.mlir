// RUN: weft-opt %s | weft-opt | FileCheck %s

// Meshes print as an alias; an axis may be split into sub-axes.
// CHECK-DAG: #mesh = #dist.mesh<dp = 2, tp = (2, 4)>
#mesh = #dist.mesh<dp = 2, tp = (2, 4)>
// CHECK: module attributes {dist.mesh = #mesh}
module attributes {dist.mesh = #mesh} {

// Layouts: sub-axes merge, replicated ones vanish, entries are sorted by dim.
// CHECK-LABEL: func.func private @layouts
func.func private @layouts(
  // CHECK-SAME: tensor<8x8xf32, #dist.layout<#mesh>>
  tensor<8x8xf32, #dist.layout<#mesh, dp = replicate>>,
  // CHECK-SAME: tensor<8x8xf32, #dist.layout<#mesh, tp = shard(0)>>
  tensor<8x8xf32, #dist.layout<#mesh, tp.0 = shard(0), tp.1 = shard(0)>>,
  // CHECK-SAME: tensor<8x8xf32, #dist.layout<#mesh, tp.1 = shard(0), dp = shard(1), tp.0 = partial(max)>>
  tensor<8x8xf32, #dist.layout<#mesh, tp.0 = partial(max), dp = shard(1), tp.1 = shard(0)>>,
  // CHECK-SAME: tensor<8x8xf32, #dist.layout<#mesh, tp = shard(0), dp = shard(0)>>
  tensor<8x8xf32, #dist.layout<#mesh, tp = shard(0), dp = shard(0)>>)

// Wishes name axes by text; the mesh may lack them.
// CHECK-LABEL: func.func @wishes
func.func @wishes(%x: tensor<8x8xf32>) {
  // CHECK: dist.constrain %{{.*}} <tp = shard(1), cp = replicate> : tensor<8x8xf32>
  %0 = dist.constrain %x <tp = shard(1), cp = replicate> : tensor<8x8xf32>
  // CHECK: dist.constrain %{{.*}} <> : tensor<8x8xf32>
  %1 = dist.constrain %x <> : tensor<8x8xf32>
  return
}

// CHECK-LABEL: func.func @redistribute
func.func @redistribute(%x: tensor<8x8xf32, #dist.layout<#mesh, tp = shard(1)>>) {
  // CHECK: dist.redistribute %{{.*}} : tensor<8x8xf32, #dist.layout<#mesh, tp = shard(1)>> to tensor<8x8xf32, #dist.layout<#mesh>>
  %0 = dist.redistribute %x : tensor<8x8xf32, #dist.layout<#mesh, tp = shard(1)>> to tensor<8x8xf32, #dist.layout<#mesh>>
  return
}

// CHECK-LABEL: func.func @local
func.func @local(%x: tensor<8x8xf32>) {
  // CHECK: dist.coordinate over #mesh ["tp"] : tensor<i64>
  %0 = dist.coordinate over #mesh ["tp"] : tensor<i64>
  // CHECK: dist.coordinate over #mesh ["tp.1", "dp"] scale 4 : tensor<i64>
  %1 = dist.coordinate over #mesh ["tp.1", "dp"] scale 4 : tensor<i64>
  // CHECK: dist.extent of 10 over #mesh ["tp"] : tensor<i64>
  %2 = dist.extent of 10 over #mesh ["tp"] : tensor<i64>
  // CHECK: dist.shard_slice %{{.*}} over #mesh ["dp"] dim 1 : tensor<8x8xf32> to tensor<8x4xf32>
  %3 = dist.shard_slice %x over #mesh ["dp"] dim 1 : tensor<8x8xf32> to tensor<8x4xf32>
  // CHECK: dist.make_partial "sum" %{{.*}} over #mesh ["dp"] : tensor<8x8xf32> to tensor<8x8xf32>
  %4 = dist.make_partial "sum" %x over #mesh ["dp"] : tensor<8x8xf32> to tensor<8x8xf32>
  return
}

// CHECK-LABEL: func.func @collectives
func.func @collectives(%x: tensor<8x8xf32>, %y: tensor<2xf32>) {
  // CHECK: dist.all_gather %{{.*}}, %{{.*}} over #mesh ["dp"] dims [1, 0] : (tensor<8x8xf32>, tensor<2xf32>) -> (tensor<8x16xf32>, tensor<4xf32>)
  %0:2 = dist.all_gather %x, %y over #mesh ["dp"] dims [1, 0] : (tensor<8x8xf32>, tensor<2xf32>) -> (tensor<8x16xf32>, tensor<4xf32>)
  // CHECK: dist.all_reduce "sum" %{{.*}} over #mesh ["dp", "tp"] : (tensor<8x8xf32>) -> tensor<8x8xf32>
  %1 = dist.all_reduce "sum" %x over #mesh ["dp", "tp"] : (tensor<8x8xf32>) -> tensor<8x8xf32>
  // CHECK: dist.reduce_scatter "max" %{{.*}} over #mesh ["tp"] dims [0] : (tensor<8x8xf32>) -> tensor<1x8xf32>
  %2 = dist.reduce_scatter "max" %x over #mesh ["tp"] dims [0] : (tensor<8x8xf32>) -> tensor<1x8xf32>
  // CHECK: dist.all_to_all %{{.*}} over #mesh ["tp.1"] split [0] concat [1] : (tensor<8x8xf32>) -> tensor<2x32xf32>
  %3 = dist.all_to_all %x over #mesh ["tp.1"] split [0] concat [1] : (tensor<8x8xf32>) -> tensor<2x32xf32>
  // CHECK: dist.permute %{{.*}} over #mesh ["dp"] from [1, 0] : (tensor<8x8xf32>) -> tensor<8x8xf32>
  %4 = dist.permute %x over #mesh ["dp"] from [1, 0] : (tensor<8x8xf32>) -> tensor<8x8xf32>
  return
}

// A started collective is finished by waiting for its futures.
// CHECK-LABEL: func.func @overlap
func.func @overlap(%x: tensor<8x8xf32>) {
  // CHECK: %[[FUTURE:.*]] = dist.start %{{.*}} : (tensor<8x8xf32>) -> !dist.future<tensor<8x8xf32>> {
  // CHECK-NEXT: ^bb0
  // CHECK-NEXT: dist.all_reduce
  %0 = dist.start %x : (tensor<8x8xf32>) -> !dist.future<tensor<8x8xf32>> {
  ^bb0(%y: tensor<8x8xf32>):
    %1 = dist.all_reduce "sum" %y over #mesh ["dp"] : (tensor<8x8xf32>) -> tensor<8x8xf32>
    dist.yield %1 : tensor<8x8xf32>
  }
  // CHECK: dist.wait %[[FUTURE]] : (!dist.future<tensor<8x8xf32>>) -> tensor<8x8xf32>
  %2 = dist.wait %0 : (!dist.future<tensor<8x8xf32>>) -> tensor<8x8xf32>
  return
}

}
