// RUN: weft-opt %s --dist-plan-recompute | FileCheck %s --check-prefixes=CHECK,DEFAULT
// RUN: weft-opt %s --dist-plan-recompute="reshard=always" | FileCheck %s --check-prefixes=CHECK,ALWAYS
// RUN: weft-opt %s --dist-plan-recompute="reshard=never root=keep" | FileCheck %s --check-prefixes=CHECK,NEVER
// RUN: not weft-opt %s --dist-plan-recompute="reshard=sometimes" 2>&1 | FileCheck %s --check-prefix=RESHARD
// RUN: not weft-opt %s --dist-plan-recompute="root=drop" 2>&1 | FileCheck %s --check-prefix=ROOT

// RESHARD: error: unknown policy "sometimes", expected default, always or never
// ROOT: error: unknown policy of the root unit "drop", expected gather or keep

#mesh = #dist.mesh<dp_shard = 2>
module attributes {dist.mesh = #mesh} {
pipe.slot @embed : tensor<8xf32> {kind = "parameter", lifetime = "run", unit = "root"}
pipe.slot @w0 : tensor<8xf32> {kind = "parameter", lifetime = "run", unit = "layer.0"}
pipe.slot @w1 : tensor<8xf32> {kind = "parameter", lifetime = "run", unit = "layer.1"}
pipe.slot @loose : tensor<8xf32> {kind = "parameter", lifetime = "run"}

// By default all blocks but the last are gathered again; the root unit follows
// its own option.
// CHECK-LABEL: func.func @decides_by_unit
func.func @decides_by_unit(%embed: tensor<4xf32> {pipe.slot = @embed}, %w0: tensor<4xf32> {pipe.slot = @w0}, %w1: tensor<4xf32> {pipe.slot = @w1}) {
  // DEFAULT: {gathered = "again"}
  // ALWAYS: {gathered = "again"}
  // NEVER: {gathered = "saved"}
  %0 = dist.all_gather %embed over #mesh ["dp_shard"] dims [0] : (tensor<4xf32>) -> tensor<8xf32>
  // DEFAULT-NEXT: {gathered = "again"}
  // ALWAYS-NEXT: {gathered = "again"}
  // NEVER-NEXT: {gathered = "saved"}
  %1 = dist.all_gather %w0 over #mesh ["dp_shard"] dims [0] : (tensor<4xf32>) -> tensor<8xf32>
  // DEFAULT-NEXT: {gathered = "saved"}
  // ALWAYS-NEXT: {gathered = "again"}
  // NEVER-NEXT: {gathered = "saved"}
  %2 = dist.all_gather %w1 over #mesh ["dp_shard"] dims [0] : (tensor<4xf32>) -> tensor<8xf32>
  return
}

// A parameter is known through casts and cuts.
// CHECK-LABEL: func.func @follows_a_value_to_its_parameter
func.func @follows_a_value_to_its_parameter(%w0: tensor<4xf32> {pipe.slot = @w0}) {
  // CHECK: dist.all_gather {{.*}}gathered =
  %c = nn.cast %w0 : (tensor<4xf32>) -> tensor<4xbf16>
  %g = dist.all_gather %c over #mesh ["dp_shard"] dims [0] : (tensor<4xbf16>) -> tensor<8xbf16>
  return
}

// CHECK-LABEL: func.func @leaves_a_given_decision_alone
func.func @leaves_a_given_decision_alone(%w0: tensor<4xf32> {pipe.slot = @w0}) {
  // CHECK: gathered = "by hand"
  %g = dist.all_gather %w0 over #mesh ["dp_shard"] dims [0] {gathered = "by hand"} : (tensor<4xf32>) -> tensor<8xf32>
  return
}

// Activations, and parameters without a unit, are not decided on.
// CHECK-LABEL: func.func @decides_on_units_only
func.func @decides_on_units_only(%w0: tensor<4xf32> {pipe.slot = @w0}, %loose: tensor<4xf32> {pipe.slot = @loose}) {
  // CHECK-NOT: gathered
  // CHECK: return
  %e = nn.exp %w0 : tensor<4xf32>
  %g = dist.all_gather %e over #mesh ["dp_shard"] dims [0] : (tensor<4xf32>) -> tensor<8xf32>
  %h = dist.all_gather %loose over #mesh ["dp_shard"] dims [0] : (tensor<4xf32>) -> tensor<8xf32>
  return
}
}
