// RUN: weft-opt %s --dist-partition | FileCheck %s

// Each change of layout and the moves that do it.

#mesh = #dist.mesh<dp_shard = 2, tp = 4>
!whole = tensor<8x8xf32, #dist.layout<#mesh>>
!rows = tensor<8x8xf32, #dist.layout<#mesh, tp = shard(0)>>
!cols = tensor<8x8xf32, #dist.layout<#mesh, tp = shard(1)>>
!part = tensor<8x8xf32, #dist.layout<#mesh, tp = partial(sum)>>
!largest = tensor<8x8xf32, #dist.layout<#mesh, tp = partial(max)>>
!everywhere = tensor<8x8xf32, #dist.layout<#mesh, dp_shard = partial(sum), tp = partial(sum)>>
!hybrid = tensor<8x8xf32, #dist.layout<#mesh, dp_shard = shard(0)>>
!nested = tensor<8x8xf32, #dist.layout<#mesh, tp = shard(0), dp_shard = shard(0)>>
!swapped = tensor<8x8xf32, #dist.layout<#mesh, dp_shard = shard(0), tp = shard(0)>>
!odd = tensor<10x8xf32, #dist.layout<#mesh, tp = shard(0)>>
!oddWhole = tensor<10x8xf32, #dist.layout<#mesh>>
!oddPart = tensor<10x8xf32, #dist.layout<#mesh, tp = partial(sum)>>
!oddCols = tensor<10x8xf32, #dist.layout<#mesh, tp = shard(1)>>
module attributes {dist.mesh = #mesh} {

// CHECK-LABEL: func.func @shards_to_whole_gathers
// CHECK-SAME: (%{{.*}}: tensor<2x8xf32>) -> tensor<8x8xf32>
func.func @shards_to_whole_gathers(%x: !rows) -> !whole {
  // CHECK-NEXT: dist.all_gather %{{.*}} over #mesh ["tp"] dims [0]
  %0 = dist.redistribute %x : !rows to !whole
  return %0 : !whole
}

// CHECK-LABEL: func.func @whole_to_shards_slices
func.func @whole_to_shards_slices(%x: !whole) -> !cols {
  // CHECK-NEXT: dist.shard_slice %{{.*}} over #mesh ["tp"] dim 1 : tensor<8x8xf32> to tensor<8x2xf32>
  %0 = dist.redistribute %x : !whole to !cols
  return %0 : !cols
}

// CHECK-LABEL: func.func @partial_to_whole_reduces
func.func @partial_to_whole_reduces(%x: !part, %y: !largest) -> (!whole, !whole) {
  // CHECK-NEXT: dist.all_reduce "sum" %{{.*}} over #mesh ["tp"] : (tensor<8x8xf32>)
  %0 = dist.redistribute %x : !part to !whole
  // CHECK-NEXT: dist.all_reduce "max" %{{.*}} over #mesh ["tp"] : (tensor<8x8xf32>)
  %1 = dist.redistribute %y : !largest to !whole
  return %0, %1 : !whole, !whole
}

// CHECK-LABEL: func.func @partial_to_shards_is_one_reduce_scatter
func.func @partial_to_shards_is_one_reduce_scatter(%x: !part) -> !rows {
  // CHECK-NEXT: dist.reduce_scatter "sum" %{{.*}} over #mesh ["tp"] dims [0] : (tensor<8x8xf32>) -> tensor<2x8xf32>
  // CHECK-NEXT: return
  %0 = dist.redistribute %x : !part to !rows
  return %0 : !rows
}

// CHECK-LABEL: func.func @rows_to_columns_is_one_all_to_all
func.func @rows_to_columns_is_one_all_to_all(%x: !rows) -> !cols {
  // CHECK-NEXT: dist.all_to_all %{{.*}} over #mesh ["tp"] split [1] concat [0] : (tensor<2x8xf32>) -> tensor<8x2xf32>
  // CHECK-NEXT: return
  %0 = dist.redistribute %x : !rows to !cols
  return %0 : !cols
}

// CHECK-LABEL: func.func @whole_to_partial_needs_no_communication
func.func @whole_to_partial_needs_no_communication(%x: !whole) -> !part {
  // CHECK-NEXT: dist.make_partial "sum" %{{.*}} over #mesh ["tp"]
  // CHECK-NEXT: return
  %0 = dist.redistribute %x : !whole to !part
  return %0 : !part
}

// Hybrid sharding: scatter over one axis, reduce over the other.
// CHECK-LABEL: func.func @partial_over_two_axes_to_shards_over_one
func.func @partial_over_two_axes_to_shards_over_one(%x: !everywhere) -> !hybrid {
  // CHECK-DAG: dist.reduce_scatter "sum" %{{.*}} over #mesh ["dp_shard"] dims [0]
  // CHECK-DAG: dist.all_reduce "sum" %{{.*}} over #mesh ["tp"]
  // CHECK: return
  %0 = dist.redistribute %x : !everywhere to !hybrid
  return %0 : !hybrid
}

// Gathering the inner axis leaves contiguous shards of the outer one.
// CHECK-LABEL: func.func @gathers_the_inner_axis_alone
func.func @gathers_the_inner_axis_alone(%x: !nested) -> !rows {
  // CHECK-NEXT: dist.all_gather %{{.*}} over #mesh ["dp_shard"] dims [0] : (tensor<1x8xf32>) -> tensor<2x8xf32>
  // CHECK-NEXT: return
  %0 = dist.redistribute %x : !nested to !rows
  return %0 : !rows
}

// Rank (a, b) of the old nesting holds the block of rank (b, a) of the new.
// CHECK-LABEL: func.func @other_nesting_permutes
func.func @other_nesting_permutes(%x: !nested) -> !swapped {
  // CHECK-NEXT: dist.permute %{{.*}} over #mesh ["tp", "dp_shard"] from [0, 4, 1, 5, 2, 6, 3, 7]
  %0 = dist.redistribute %x : !nested to !swapped
  return %0 : !swapped
}

// 10 rows over 4 ranks are 3 each, the last of them one: gathering cuts off
// the padding, scattering adds it.
// CHECK-LABEL: func.func @gathering_uneven_shards_cuts_padding
func.func @gathering_uneven_shards_cuts_padding(%x: !odd) -> !oddWhole {
  // CHECK-NEXT: %[[PADDED:.*]] = dist.all_gather {{.*}} : (tensor<3x8xf32>) -> tensor<12x8xf32>
  // CHECK-NEXT: nn.slice %[[PADDED]] offsets [0, 0] sizes [10, 8]
  %0 = dist.redistribute %x : !odd to !oddWhole
  return %0 : !oddWhole
}

// CHECK-LABEL: func.func @scattering_uneven_shards_pads
func.func @scattering_uneven_shards_pads(%x: !oddPart) -> !odd {
  // CHECK-NEXT: %[[PADDED:.*]] = nn.pad %{{.*}} high [2, 0]
  // CHECK-NEXT: dist.reduce_scatter "sum" %[[PADDED]] {{.*}} : (tensor<12x8xf32>) -> tensor<3x8xf32>
  %0 = dist.redistribute %x : !oddPart to !odd
  return %0 : !odd
}

// CHECK-LABEL: func.func @exchanging_uneven_shards_pads_and_cuts
func.func @exchanging_uneven_shards_pads_and_cuts(%x: !oddCols, %y: !odd) -> (!odd, !oddCols) {
  // CHECK-NEXT: nn.pad %{{.*}} high [2, 0]
  // CHECK-NEXT: dist.all_to_all {{.*}} : (tensor<12x2xf32>) -> tensor<3x8xf32>
  %0 = dist.redistribute %x : !oddCols to !odd
  // CHECK-NEXT: dist.all_to_all {{.*}} : (tensor<3x8xf32>) -> tensor<12x2xf32>
  // CHECK-NEXT: nn.slice %{{.*}} sizes [10, 2]
  %1 = dist.redistribute %y : !odd to !oddCols
  return %0, %1 : !odd, !oddCols
}
}
