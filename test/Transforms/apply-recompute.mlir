// RUN: weft-opt %s --dist-apply-recompute | FileCheck %s

#mesh = #dist.mesh<dp_shard = 2>
module attributes {dist.mesh = #mesh} {
pipe.slot @w : tensor<7xf32> {kind = "parameter", lifetime = "run", unit = "layer.0"}
pipe.slot @term0.seed : tensor<7xf32> {kind = "scalar", lifetime = "step"}

// Backward gathers before its first use, with the cut of padding; forward
// keeps its own.
// CHECK-LABEL: func.func @gathers_again_before_the_first_backward_use
// CHECK-SAME: (%[[W:.*]]: tensor<4xf32> {{.*}}, %[[SEED:.*]]: tensor<7xf32>
func.func @gathers_again_before_the_first_backward_use(%w: tensor<4xf32> {pipe.slot = @w}, %seed: tensor<7xf32> {pipe.slot = @term0.seed}) {
  // CHECK-NEXT: %[[PADDED:.*]] = dist.all_gather %[[W]] over #mesh ["dp_shard"] dims [0] : (
  // CHECK-NEXT: %[[WHOLE:.*]] = nn.slice %[[PADDED]]
  // CHECK-NEXT: nn.exp %[[WHOLE]]
  // CHECK-NEXT: nn.neg %[[SEED]]
  // CHECK-NEXT: %[[AGAIN:.*]] = dist.all_gather %[[W]] {{.*}} {recomputed}
  // CHECK-NEXT: %[[CUT:.*]] = nn.slice %[[AGAIN]] {{.*}} {recomputed}
  // CHECK-NEXT: nn.mul %{{.*}}, %[[CUT]]
  // CHECK-NEXT: nn.add %{{.*}}, %[[CUT]]
  %g = dist.all_gather %w over #mesh ["dp_shard"] dims [0] {gathered = "again"} : (tensor<4xf32>) -> tensor<8xf32>
  %c = nn.slice %g offsets [0] sizes [7] strides [1] : (tensor<8xf32>) -> tensor<7xf32>
  %e = nn.exp %c : tensor<7xf32>
  %n = nn.neg %seed : tensor<7xf32>
  %m = nn.mul %n, %c : tensor<7xf32>
  %a = nn.add %m, %c : tensor<7xf32>
  return
}

// CHECK-LABEL: func.func @keeps_a_saved_value
func.func @keeps_a_saved_value(%w: tensor<4xf32> {pipe.slot = @w}, %seed: tensor<7xf32> {pipe.slot = @term0.seed}) {
  // CHECK-COUNT-1: dist.all_gather
  // CHECK-NOT: dist.all_gather
  // CHECK: return
  %g = dist.all_gather %w over #mesh ["dp_shard"] dims [0] {gathered = "saved"} : (tensor<4xf32>) -> tensor<8xf32>
  %c = nn.slice %g offsets [0] sizes [7] strides [1] : (tensor<8xf32>) -> tensor<7xf32>
  %e = nn.exp %c : tensor<7xf32>
  %m = nn.mul %seed, %c : tensor<7xf32>
  return
}

// CHECK-LABEL: func.func @gathers_once_for_forward_alone
func.func @gathers_once_for_forward_alone(%w: tensor<4xf32> {pipe.slot = @w}) {
  // CHECK-COUNT-1: dist.all_gather
  // CHECK-NOT: dist.all_gather
  // CHECK: return
  %g = dist.all_gather %w over #mesh ["dp_shard"] dims [0] {gathered = "again"} : (tensor<4xf32>) -> tensor<8xf32>
  %e = nn.exp %g : tensor<8xf32>
  return
}

// Gathers over two axes, both without use in forward, leave nothing there.
// CHECK-LABEL: func.func @leaves_no_gather_that_only_backward_needs
func.func @leaves_no_gather_that_only_backward_needs(%w: tensor<2xf32> {pipe.slot = @w}, %seed: tensor<8xf32> {pipe.slot = @term0.seed}) {
  // CHECK-NEXT: nn.neg
  // CHECK-NEXT: dist.all_gather {{.*}} {recomputed}
  // CHECK-NEXT: dist.all_gather {{.*}} {recomputed}
  // CHECK-NEXT: nn.mul
  %g = dist.all_gather %w over #mesh ["dp_shard"] dims [0] {gathered = "again"} : (tensor<2xf32>) -> tensor<4xf32>
  %h = dist.all_gather %g over #mesh ["dp_shard"] dims [0] {gathered = "again"} : (tensor<4xf32>) -> tensor<8xf32>
  %n = nn.neg %seed : tensor<8xf32>
  %m = nn.mul %n, %h : tensor<8xf32>
  return
}
}
