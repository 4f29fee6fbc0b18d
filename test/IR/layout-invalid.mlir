// RUN: weft-opt %s --verify-diagnostics --split-input-file

// Layouts of a typed op must follow from one assignment of axes to factors.
#mesh = #dist.mesh<tp = 2>
func.func @layouts_disagree(%x: tensor<4xf32, #dist.layout<#mesh, tp = shard(0)>>) {
  // expected-error-re @+1 {{'nn.exp' op layouts disagree with the op's rule: {{.+}}}}
  %0 = nn.exp %x : tensor<4xf32, #dist.layout<#mesh, tp = shard(0)>> to tensor<4xf32, #dist.layout<#mesh>>
  return
}

// -----

func.func @layouts_missing(%x: tensor<4xf32>) {
  // expected-error @+1 {{'nn.exp' op has types with and without a layout}}
  %0 = nn.exp %x : tensor<4xf32> to tensor<4xf32, #dist.layout<#dist.mesh<tp = 2>>>
  return
}

// -----

func.func @layouts_of_two_meshes(%x: tensor<4xf32, #dist.layout<#dist.mesh<tp = 2>>>) {
  // expected-error @+1 {{'nn.exp' op mixes layouts of several meshes}}
  %0 = nn.exp %x : tensor<4xf32, #dist.layout<#dist.mesh<tp = 2>>> to tensor<4xf32, #dist.layout<#dist.mesh<dp = 2>>>
  return
}
