// RUN: weft-opt %s --nn-recognize-composites=forms=%S/Inputs/silu-form.mlir | FileCheck %s
// RUN: not weft-opt %s --nn-recognize-composites=forms=%S/Inputs/unknown-form.mlir 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not weft-opt %s --nn-recognize-composites=forms=%S/Inputs/nameless-form.mlir 2>&1 | FileCheck %s --check-prefix=NAMELESS
// RUN: not weft-opt %s --nn-recognize-composites=forms=%S/Inputs/loose-form.mlir 2>&1 | FileCheck %s --check-prefix=LOOSE

// UNKNOWN: unknown-form.mlir:2:{{.*}}form becomes an unknown op: got "nn.swish"
// NAMELESS: nameless-form.mlir:2:{{.*}}form does not say what it becomes: expected a body and the attribute "nn.composite"
// LOOSE: loose-form.mlir:2:{{.*}}form has a value that its first result does not depend on

// A form of one's own works on any number of dims, none included.
// CHECK-LABEL: func.func @takes_forms_from_a_file
func.func @takes_forms_from_a_file(%x: tensor<2x3xf32>, %s: tensor<f32>) -> (tensor<2x3xf32>, tensor<f32>) {
  // CHECK: nn.silu %{{.*}} : tensor<2x3xf32>
  %gate = nn.sigmoid %x : tensor<2x3xf32>
  %y = nn.mul %gate, %x : tensor<2x3xf32>
  // CHECK: nn.silu %{{.*}} : tensor<f32>
  %scalar_gate = nn.sigmoid %s : tensor<f32>
  %z = nn.mul %s, %scalar_gate : tensor<f32>
  return %y, %z : tensor<2x3xf32>, tensor<f32>
}
