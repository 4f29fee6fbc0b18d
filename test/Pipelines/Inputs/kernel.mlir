pipe.slot @x : tensor<3x5xf32> {kind = "activation", lifetime = "run"}
pipe.slot @w : tensor<4x5xf32> {kind = "activation", lifetime = "run"}
pipe.slot @y : tensor<3x4xf32> {kind = "activation", lifetime = "run"}
func.func @kernel(%x: tensor<3x5xf32> {pipe.slot = @x}, %w: tensor<4x5xf32> {pipe.slot = @w})
    -> (tensor<3x4xf32> {pipe.slot = @y}) {
  %y = nn.contract "td,od->to" %x, %w : (tensor<3x5xf32>, tensor<4x5xf32>) -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}
