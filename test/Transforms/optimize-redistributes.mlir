// RUN: weft-opt %s --dist-optimize-redistributes | FileCheck %s

#mesh = #dist.mesh<dp_shard = 2, tp = 2>
!whole = tensor<4x8xf32, #dist.layout<#mesh>>
!rows = tensor<4x8xf32, #dist.layout<#mesh, dp_shard = shard(0)>>
!cols = tensor<4x8xf32, #dist.layout<#mesh, dp_shard = shard(1)>>
!part = tensor<4x8xf32, #dist.layout<#mesh, dp_shard = partial(sum)>>
module attributes {dist.mesh = #mesh} {

// Partial to shards by way of a replicated value is one reduce-scatter.
// CHECK-LABEL: func.func @skips_a_value_nobody_needs
// CHECK-SAME: (%[[PART:.*]]: tensor
func.func @skips_a_value_nobody_needs(%part: !part) -> !rows {
  // CHECK-NEXT: %[[ROWS:.*]] = dist.redistribute %[[PART]] : {{.*}}partial(sum)>> to {{.*}}shard(0)>>
  // CHECK-NEXT: return %[[ROWS]]
  %whole = dist.redistribute %part : !part to !whole
  %rows = dist.redistribute %whole : !whole to !rows
  return %rows : !rows
}

// CHECK-LABEL: func.func @keeps_a_value_somebody_needs
// CHECK-SAME: (%[[PART:.*]]: tensor
func.func @keeps_a_value_somebody_needs(%part: !part) -> (!whole, !rows) {
  // CHECK-NEXT: %[[WHOLE:.*]] = dist.redistribute %[[PART]]
  // CHECK-NEXT: %[[ROWS:.*]] = dist.redistribute %[[WHOLE]]
  %whole = dist.redistribute %part : !part to !whole
  %rows = dist.redistribute %whole : !whole to !rows
  return %whole, %rows : !whole, !rows
}

// What was skipped is gone: whoever wants it later makes it again.
// CHECK-LABEL: func.func @makes_a_skipped_value_again
// CHECK-SAME: (%[[PART:.*]]: tensor
func.func @makes_a_skipped_value_again(%part: !part) -> (!rows, !whole) {
  // CHECK-NEXT: %[[ROWS:.*]] = dist.redistribute %[[PART]] : {{.*}}partial(sum)>> to {{.*}}shard(0)>>
  // CHECK-NEXT: %[[WHOLE:.*]] = dist.redistribute %[[PART]]
  // CHECK-NEXT: return %[[ROWS]], %[[WHOLE]]
  %first = dist.redistribute %part : !part to !whole
  %rows = dist.redistribute %first : !whole to !rows
  %again = dist.redistribute %part : !part to !whole
  return %rows, %again : !rows, !whole
}

// There and back again is no move, and neither is a move to itself.
// CHECK-LABEL: func.func @drops_moves_that_change_nothing
// CHECK-SAME: (%[[ROWS:.*]]: tensor
func.func @drops_moves_that_change_nothing(%rows: !rows) -> !rows {
  // CHECK-NEXT: return %[[ROWS]]
  %whole = dist.redistribute %rows : !rows to !whole
  %back = dist.redistribute %whole : !whole to !rows
  %same = dist.redistribute %back : !rows to !rows
  return %same : !rows
}

// CHECK-LABEL: func.func @shares_equal_moves
func.func @shares_equal_moves(%rows: !rows) -> (!whole, !whole) {
  // CHECK-NEXT: %[[WHOLE:.*]] = dist.redistribute
  // CHECK-NEXT: return %[[WHOLE]], %[[WHOLE]]
  %a = dist.redistribute %rows : !rows to !whole
  %b = dist.redistribute %rows : !rows to !whole
  return %a, %b : !whole, !whole
}

// A move for a move that nobody uses goes with it.
// CHECK-LABEL: func.func @drops_chains_without_users
func.func @drops_chains_without_users(%rows: !rows) {
  // CHECK-NEXT: return
  %a = dist.redistribute %rows : !rows to !whole
  %b = dist.redistribute %a : !whole to !cols
  return
}
}
