// A form for recognize-composites-forms.mlir: x times sigmoid(x).
func.func @silu(%x: tensor<2xf32>) -> tensor<2xf32>
    attributes {nn.composite = "nn.silu", nn.leading = [2]} {
  %gate = nn.sigmoid %x : tensor<2xf32>
  %y = nn.mul %x, %gate : tensor<2xf32>
  return %y : tensor<2xf32>
}
