// RUN: weft-opt %s --dist-verify-local --split-input-file --verify-diagnostics

// One rank's view: plain types and collectives of groups.
#mesh = #dist.mesh<tp = 2>
module attributes {dist.mesh = #mesh} {
func.func @local(%x: tensor<4xf32>) -> tensor<8xf32> {
  %y = dist.all_gather %x over #mesh ["tp"] dims [0] : (tensor<4xf32>) -> tensor<8xf32>
  return %y : tensor<8xf32>
}
}

// -----

!whole = tensor<4xf32, #dist.layout<#dist.mesh<tp = 2>>>
!rows = tensor<4xf32, #dist.layout<#dist.mesh<tp = 2>, tp = shard(0)>>
// expected-error@+1 {{argument carries a layout in the local phase: got 'tensor<4xf32, #dist.layout<#dist.mesh<tp = 2>>>'}}
func.func @f(%x: !whole) {
  // expected-error@+3 {{'dist.redistribute' op is left in the local phase}}
  // expected-note@+2 {{dist-partition should have replaced it}}
  // expected-error@+1 {{'dist.redistribute' op result carries a layout in the local phase: got 'tensor<4xf32, #dist.layout<#dist.mesh<tp = 2>, tp = shard(0)>>'}}
  %y = dist.redistribute %x : !whole to !rows
  return
}

// -----

func.func @f(%x: tensor<4xf32>) {
  // expected-error@+2 {{'dist.constrain' op is left in the local phase}}
  // expected-note@+1 {{dist-partition should have replaced it}}
  %y = dist.constrain %x <> : tensor<4xf32>
  return
}

// -----

#mesh = #dist.mesh<dp_shard = 1, tp = 2>
module attributes {dist.mesh = #mesh} {
func.func @f(%x: tensor<4xf32>) {
  // expected-error@+1 {{'dist.all_reduce' op has a group of one rank: it should have vanished}}
  %y = dist.all_reduce "sum" %x over #mesh ["dp_shard"] : (tensor<4xf32>) -> tensor<4xf32>
  return
}
}
