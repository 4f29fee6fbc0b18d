// RUN: weft-opt %s --dist-materialize-layouts --verify-diagnostics

// Layouts are decided before.
pipe.slot @x : tensor<4xf32, #dist.layout<#dist.mesh<>>> {kind = "input", lifetime = "microbatch"}
func.func @undecided(%x: tensor<4xf32> {pipe.slot = @x}) {
  // expected-error@+2 {{'nn.exp' op has no decided layout}}
  // expected-note@+1 {{run dist-propagate-layouts first}}
  %e = nn.exp %x : tensor<4xf32>
  return
}
