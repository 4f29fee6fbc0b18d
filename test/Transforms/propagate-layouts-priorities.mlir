// RUN: weft-opt %s --dist-propagate-layouts | FileCheck %s

// Two sources ask for one axis: explicit > slot > style > op, then fewer
// bytes, then the lower dim.

#mesh = #dist.mesh<tp = 2>
module attributes {dist.mesh = #mesh} {

pipe.slot @rows : tensor<4x4xf32> {kind = "input", lifetime = "microbatch", constraint = #dist.constraint<tp = shard(0)>}
pipe.slot @open : tensor<4x4xf32> {kind = "input", lifetime = "microbatch"}
pipe.slot @wide : tensor<4x8xf32> {kind = "input", lifetime = "microbatch", constraint = #dist.constraint<tp = shard(0)>}
pipe.slot @tall : tensor<8x16xf32> {kind = "input", lifetime = "microbatch", constraint = #dist.constraint<tp = shard(1)>}
pipe.slot @term0.seed : tensor<4x4xf32> {kind = "scalar", lifetime = "step"}

// CHECK-LABEL: func.func @explicit_wins_over_slot
func.func @explicit_wins_over_slot(%rows: tensor<4x4xf32> {pipe.slot = @rows}, %x: tensor<4x4xf32> {pipe.slot = @open}) {
  %cols = dist.constrain %x <tp = shard(1)> : tensor<4x4xf32>
  // CHECK: nn.add {{.*}}dist.layouts = [#dist.layout<#mesh, tp = shard(1)>]
  %y = nn.add %rows, %cols : tensor<4x4xf32>
  return
}

// CHECK-LABEL: func.func @slot_wins_over_style
func.func @slot_wins_over_style(%rows: tensor<4x4xf32> {pipe.slot = @rows}, %x: tensor<4x4xf32> {pipe.slot = @open}) {
  %cols = dist.constrain %x <tp = shard(1)> {dist.style} : tensor<4x4xf32>
  // CHECK: nn.add {{.*}}dist.layouts = [#dist.layout<#mesh, tp = shard(0)>]
  %y = nn.add %cols, %rows : tensor<4x4xf32>
  return
}

// The slot's axis arrives through an op, so it counts as an op's.
// CHECK-LABEL: func.func @style_wins_over_op
func.func @style_wins_over_op(%rows: tensor<4x4xf32> {pipe.slot = @rows}, %x: tensor<4x4xf32> {pipe.slot = @open}) {
  %e = nn.exp %rows : tensor<4x4xf32>
  %cols = dist.constrain %x <tp = shard(1)> {dist.style} : tensor<4x4xf32>
  // CHECK: nn.add {{.*}}dist.layouts = [#dist.layout<#mesh, tp = shard(1)>]
  %y = nn.add %e, %cols : tensor<4x4xf32>
  return
}

// Ops that depend on a seed are of backward.
// CHECK-LABEL: func.func @forward_op_wins_over_backward_op
func.func @forward_op_wins_over_backward_op(%rows: tensor<4x4xf32> {pipe.slot = @rows}, %seed: tensor<4x4xf32> {pipe.slot = @term0.seed}) {
  %e = nn.exp %rows : tensor<4x4xf32>
  %g = nn.exp %seed : tensor<4x4xf32>
  %wish = dist.constrain %g <tp = shard(1)> {dist.style} : tensor<4x4xf32>
  %b = nn.neg %wish : tensor<4x4xf32>
  // CHECK: nn.mul {{.*}}dist.layouts = [#dist.layout<#mesh, tp = shard(0)>]
  %y = nn.mul %b, %e : tensor<4x4xf32>
  return
}

// The small operand is moved, not the large one.
// CHECK-LABEL: func.func @fewer_bytes_win_among_equals
func.func @fewer_bytes_win_among_equals(%x: tensor<4x8xf32> {pipe.slot = @wide}, %w: tensor<8x16xf32> {pipe.slot = @tall}) {
  // CHECK: nn.contract {{.*}}dist.layouts = [#dist.layout<#mesh, tp = shard(1)>]
  %y = nn.contract "bi,io->bo" %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  return
}

// CHECK-LABEL: func.func @lower_dim_wins_among_equals
func.func @lower_dim_wins_among_equals(%x: tensor<4x4xf32> {pipe.slot = @open}) {
  %cols = dist.constrain %x <tp = shard(1)> : tensor<4x4xf32>
  %rows = dist.constrain %x <tp = shard(0)> : tensor<4x4xf32>
  // CHECK: nn.mul {{.*}}dist.layouts = [#dist.layout<#mesh, tp = shard(0)>]
  %y = nn.mul %cols, %rows : tensor<4x4xf32>
  return
}
}
