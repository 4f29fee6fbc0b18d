// RUN: weft-opt %s --nn-verify-global --split-input-file --verify-diagnostics

// A model is one function of nn ops on plain tensors.
func.func @model(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = dist.constrain %x <tp = shard(0)> : tensor<4xf32>
  %y = nn.exp %c : tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// expected-error@+2 {{module has no function @model}}
// expected-note@+1 {{export the model with weft-export}}
module {
func.func @forward() {
  return
}
}

// -----

func.func @model() {
  // expected-error@+1 {{op is not of the nn dialect: got "func.call"}}
  call @model() : () -> ()
  return
}

// -----

// All findings are told at once.
func.func @model(%x: tensor<4xf32, #dist.layout<#dist.mesh<tp = 2>>>) {
  // expected-error@+1 {{type is not a plain tensor of static shape: got 'tensor<4xf32, #dist.layout<#dist.mesh<tp = 2>>>'}}
  %y = nn.exp %x : tensor<4xf32, #dist.layout<#dist.mesh<tp = 2>>>
  // expected-error@+1 {{type is not a plain tensor of static shape: got 'tensor<4xf32, #dist.layout<#dist.mesh<tp = 2>>>'}}
  %z = nn.neg %y : tensor<4xf32, #dist.layout<#dist.mesh<tp = 2>>>
  return
}

// -----

func.func @model() {
  return
}
// expected-error@+1 {{function @helper has no body}}
func.func private @helper()
