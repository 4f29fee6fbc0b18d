// A form for recognize-composites-forms.mlir with an op that nothing uses.
func.func @swish(%x: tensor<2xf32>) -> tensor<2xf32> attributes {nn.composite = "nn.silu"} {
  %unused = nn.exp %x : tensor<2xf32>
  %y = nn.sigmoid %x : tensor<2xf32>
  return %y : tensor<2xf32>
}
