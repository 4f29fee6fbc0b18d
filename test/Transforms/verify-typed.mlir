// RUN: weft-opt %s --dist-verify-typed --split-input-file --verify-diagnostics

// Every tensor has a layout on the module's mesh; slots agree.
#mesh = #dist.mesh<tp = 2>
!rows = tensor<4xf32, #dist.layout<#mesh, tp = shard(0)>>
module attributes {dist.mesh = #mesh} {
pipe.slot @x : !rows {kind = "input", lifetime = "microbatch"}
func.func @typed(%x: !rows {pipe.slot = @x}) -> (!rows {pipe.slot = @x}) {
  %y = nn.exp %x : !rows
  return %y : !rows
}
}

// -----

// The op's own verifier checks the rule.
#mesh = #dist.mesh<tp = 2>
!rows = tensor<4xf32, #dist.layout<#mesh, tp = shard(0)>>
!part = tensor<4xf32, #dist.layout<#mesh, tp = partial(sum)>>
module attributes {dist.mesh = #mesh} {
pipe.slot @x : !part {kind = "input", lifetime = "microbatch"}
func.func @nonlinear(%x: !part {pipe.slot = @x}) {
  // expected-error@+1 {{layouts disagree with the op's rule}}
  %y = nn.exp %x : !part
  return
}
}

// -----

pipe.slot @x : tensor<4xf32> {kind = "input", lifetime = "microbatch"}
func.func @f(%x: tensor<4xf32> {pipe.slot = @x}) {
  // expected-error@+4 {{'dist.constrain' op is left in the typed phase}}
  // expected-error@+3 {{tensor has no layout: got 'tensor<4xf32>'}}
  // expected-note@+2 {{dist-materialize-layouts should have removed it}}
  // expected-note@+1 {{dist-materialize-layouts should have given it one}}
  %y = dist.constrain %x <tp = shard(0)> : tensor<4xf32>
  return
}

// -----

module attributes {dist.mesh = #dist.mesh<tp = 2>} {
func.func @f() {
  // expected-error@+1 {{layout is on another mesh than the module's: got #dist.mesh<tp = 4>, expected #dist.mesh<tp = 2>}}
  %y = nn.iota dim 0 : tensor<4xi64, #dist.layout<#dist.mesh<tp = 4>>>
  return
}
}

// -----

// expected-error@+1 {{an argument of @f names no slot}}
func.func @f(%x: tensor<4xf32, #dist.layout<#dist.mesh<>>>) {
  return
}

// -----

pipe.slot @x : tensor<4xf32, #dist.layout<#dist.mesh<>>> {kind = "input", lifetime = "microbatch"}
// expected-error@+1 {{an argument of @f has another type than its slot @x: got 'tensor<5xf32, #dist.layout<#dist.mesh<>>>', expected 'tensor<4xf32, #dist.layout<#dist.mesh<>>>'}}
func.func @f(%x: tensor<5xf32, #dist.layout<#dist.mesh<>>> {pipe.slot = @x}) {
  return
}
