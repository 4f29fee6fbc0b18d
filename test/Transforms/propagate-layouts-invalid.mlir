// RUN: weft-opt %s --dist-propagate-layouts --split-input-file --verify-diagnostics

// A constraint must fit its slot.
module attributes {dist.mesh = #dist.mesh<tp = 2>} {
// expected-error@+1 {{'pipe.slot' op axis "tp" shards dim 1 of a tensor with 1 dims}}
pipe.slot @x : tensor<4xf32> {kind = "parameter", lifetime = "run", constraint = #dist.constraint<tp = shard(1)>}
}

// -----

// Every op of the program has a rule.
func.func @calls() {
  // expected-error@+1 {{'func.call' op has no sharding rule, so it gets no layout}}
  call @calls() : () -> ()
  return
}
