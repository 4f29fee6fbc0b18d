// RUN: weft-opt %s --pipe-verify-stages --split-input-file --verify-diagnostics

// Arguments and results meet in slots of their types.
pipe.slot @x : tensor<4xf32> {kind = "input", lifetime = "microbatch"}
pipe.slot @y : tensor<4xf32> {kind = "activation", lifetime = "microbatch"}
func.func @updates_in_place(%x: tensor<4xf32> {pipe.slot = @x}, %y: tensor<4xf32> {pipe.slot = @y}) -> (tensor<4xf32> {pipe.slot = @y}) {
  return %x : tensor<4xf32>
}

// -----

// expected-error@+1 {{an argument of @f names no slot}}
func.func @f(%x: tensor<4xf32>) {
  return
}

// -----

pipe.slot @x : tensor<4xf32> {kind = "input", lifetime = "microbatch"}
// expected-error@+1 {{a result of @f names no known slot: got @z}}
func.func @f(%x: tensor<4xf32> {pipe.slot = @x}) -> (tensor<4xf32> {pipe.slot = @z}) {
  return %x : tensor<4xf32>
}

// -----

pipe.slot @x : tensor<4xf32> {kind = "input", lifetime = "microbatch"}
// expected-error@+1 {{an argument of @f has another type than its slot @x: got 'tensor<5xf32>', expected 'tensor<4xf32>'}}
func.func @f(%x: tensor<5xf32> {pipe.slot = @x}) {
  return
}

// -----

pipe.slot @x : tensor<4xf32> {kind = "input", lifetime = "microbatch"}
// expected-error@+2 {{slot @x is read by two arguments}}
// expected-error@+1 {{slot @x is written by two results}}
func.func @f(%a: tensor<4xf32> {pipe.slot = @x}, %b: tensor<4xf32> {pipe.slot = @x})
    -> (tensor<4xf32> {pipe.slot = @x}, tensor<4xf32> {pipe.slot = @x}) {
  return %a, %b : tensor<4xf32>, tensor<4xf32>
}
