// RUN: weft-opt %s --verify-diagnostics --split-input-file

// expected-error @+1 {{mesh axis "tp" is repeated}}
func.func private @mesh_c1() attributes {m = #dist.mesh<tp = 2, tp = 4>}

// -----

// expected-error @+1 {{mesh axis "tp" has a wrong size: got 0, expected at least 1}}
func.func private @mesh_c2() attributes {m = #dist.mesh<tp = 0>}

// -----

// expected-error @+1 {{axis "cp" is not in the mesh #dist.mesh<tp = 2>}}
func.func private @layout_c1(tensor<8xf32, #dist.layout<#dist.mesh<tp = 2>, cp = shard(0)>>)

// -----

// expected-error @+1 {{axis "tp" is used twice in one layout}}
func.func private @layout_c1_twice(tensor<8xf32, #dist.layout<#dist.mesh<tp = 2>, tp = shard(0), tp = partial(sum)>>)

// -----

// expected-error @+1 {{axis "tp" shards a dim out of range: got 1, the tensor has 1 dims}}
func.func private @layout_c2(tensor<8xf32, #dist.layout<#dist.mesh<tp = 2>, tp = shard(1)>>)

// -----

// expected-error @+1 {{axis "dp" is partial of another kind: got max, expected sum}}
func.func private @layout_kinds(tensor<8xf32, #dist.layout<#dist.mesh<tp = 2, dp = 2>, tp = partial(sum), dp = partial(max)>>)

// -----

// expected-error @+1 {{unknown placement "split", expected shard(dim), partial(kind) or replicate}}
func.func private @placement_syntax(tensor<8xf32, #dist.layout<#dist.mesh<tp = 2>, tp = split(0)>>)

// -----

// expected-error @+1 {{unknown reduction "mean"}}
func.func private @reduction_syntax(tensor<8xf32, #dist.layout<#dist.mesh<tp = 2>, tp = partial(mean)>>)

// -----

// expected-error @+1 {{axis "tp" is constrained twice}}
func.func private @constraint_c1() attributes {c = #dist.constraint<tp = shard(0), tp = replicate>}

// -----

func.func @constrain_c1(%x: tensor<8xf32>) {
  // expected-error @+1 {{'dist.constrain' op type of the result differs from the operand's: got 'tensor<4xf32>', expected 'tensor<8xf32>'}}
  %0 = dist.constrain %x <tp = shard(0)> : tensor<8xf32> to tensor<4xf32>
  return
}

// -----

module attributes {dist.mesh = #dist.mesh<tp = 2>} {
func.func @constrain_c2(%x: tensor<8xf32>) {
  // expected-error @+1 {{'dist.constrain' op axis "tp" shards dim 1 of a tensor with 1 dims}}
  %0 = dist.constrain %x <tp = shard(1)> : tensor<8xf32>
  return
}
}

// -----

#mesh = #dist.mesh<tp = 2>
func.func @redistribute_c1(%x: tensor<8xf32, #dist.layout<#mesh>>) {
  // expected-error @+1 {{'dist.redistribute' op shape or element type changes: got 'tensor<4xf32>', expected 'tensor<8xf32>'}}
  %0 = dist.redistribute %x : tensor<8xf32, #dist.layout<#mesh>> to tensor<4xf32, #dist.layout<#mesh>>
  return
}

// -----

func.func @redistribute_c2(%x: tensor<8xf32>) {
  // expected-error @+1 {{'dist.redistribute' op needs layouts on one mesh, got 'tensor<8xf32>' and 'tensor<8xf32, #dist.layout<#dist.mesh<tp = 2>>>'}}
  %0 = dist.redistribute %x : tensor<8xf32> to tensor<8xf32, #dist.layout<#dist.mesh<tp = 2>>>
  return
}

// -----

func.func @coordinate_c1() {
  // expected-error @+1 {{'dist.coordinate' op axis "cp" is not in the mesh #dist.mesh<tp = 2>}}
  %0 = dist.coordinate over #dist.mesh<tp = 2> ["cp"] : tensor<i64>
  return
}

// -----

func.func @extent_c1() {
  // expected-error @+1 {{'dist.extent' op axis "cp" is not in the mesh #dist.mesh<tp = 2>}}
  %0 = dist.extent of 10 over #dist.mesh<tp = 2> ["cp"] : tensor<i64>
  return
}

// -----

func.func @shard_slice_c1(%x: tensor<8xf32>) {
  // expected-error @+1 {{'dist.shard_slice' op axis "cp" is not in the mesh #dist.mesh<tp = 2>}}
  %0 = dist.shard_slice %x over #dist.mesh<tp = 2> ["cp"] dim 0 : tensor<8xf32> to tensor<4xf32>
  return
}

// -----

func.func @shard_slice_c2(%x: tensor<8xf32>) {
  // expected-error @+1 {{'dist.shard_slice' op dim 1 is out of range for 'tensor<8xf32>'}}
  %0 = dist.shard_slice %x over #dist.mesh<tp = 2> ["tp"] dim 1 : tensor<8xf32> to tensor<4xf32>
  return
}

// -----

func.func @shard_slice_c3(%x: tensor<9xf32>) {
  // expected-error @+1 {{'dist.shard_slice' op type of the result is wrong: got 'tensor<4xf32>', expected 'tensor<5xf32>'}}
  %0 = dist.shard_slice %x over #dist.mesh<tp = 2> ["tp"] dim 0 : tensor<9xf32> to tensor<4xf32>
  return
}

// -----

func.func @make_partial_c1(%x: tensor<8xf32>) {
  // expected-error @+1 {{'dist.make_partial' op axis "cp" is not in the mesh #dist.mesh<tp = 2>}}
  %0 = dist.make_partial "sum" %x over #dist.mesh<tp = 2> ["cp"] : tensor<8xf32> to tensor<8xf32>
  return
}

// -----

func.func @make_partial_c2(%x: tensor<8xf32>) {
  // expected-error @+1 {{'dist.make_partial' op type of the result differs from the operand's: got 'tensor<4xf32>', expected 'tensor<8xf32>'}}
  %0 = dist.make_partial "sum" %x over #dist.mesh<tp = 2> ["tp"] : tensor<8xf32> to tensor<4xf32>
  return
}

// -----

func.func @make_partial_c3(%x: tensor<8xf32>) {
  // expected-error @+1 {{'dist.make_partial' op unknown reduction "mean", expected sum, max, min or product}}
  %0 = dist.make_partial "mean" %x over #dist.mesh<tp = 2> ["tp"] : tensor<8xf32> to tensor<8xf32>
  return
}
