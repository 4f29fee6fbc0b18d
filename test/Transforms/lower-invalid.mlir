// RUN: weft-opt %s --prog-lower --split-input-file --verify-diagnostics

#mesh = #dist.mesh<tp = 2>
pipe.slot @x : tensor<4xf32> {kind = "input", lifetime = "microbatch"}
func.func @leaves_no_move(%x: tensor<4xf32> {pipe.slot = @x}) {
  // expected-error @+2 {{'dist.shard_slice' op has no place in a program}}
  // expected-note @+1 {{prog-decompose-moves and prog-fuse-regions come before}}
  %0 = dist.shard_slice %x over #mesh ["tp"] dim 0 : tensor<4xf32> to tensor<2xf32>
  return
}

// -----

// expected-error @+1 {{argument 0 names no slot}}
func.func @argument_without_slot(%x: tensor<4xf32>) {
  return
}

// -----

pipe.slot @x : tensor<4xf32> {kind = "input", lifetime = "microbatch"}
// expected-error @+1 {{result 0 names no slot}}
func.func @result_of_unknown_slot(%x: tensor<4xf32> {pipe.slot = @x})
    -> (tensor<4xf32> {pipe.slot = @y}) {
  return %x : tensor<4xf32>
}
