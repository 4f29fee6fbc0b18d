// RUN: weft-opt %s --prog-lower --split-input-file --verify-diagnostics | FileCheck %s
// RUN: weft-opt %s --prog-lower --split-input-file --verify-diagnostics | weft-opt --prog-lower --split-input-file | FileCheck %s

// The old value is read element by element in the op that writes the new one:
// everything happens in the slot.
pipe.slot @w : tensor<4xf32> {kind = "parameter", lifetime = "run"}
pipe.slot @g : tensor<4xf32> {kind = "gradient", lifetime = "step", of = @w}
// CHECK-LABEL: func.func @updates_in_place()
func.func @updates_in_place(%w: tensor<4xf32> {pipe.slot = @w}, %g: tensor<4xf32> {pipe.slot = @g})
    -> (tensor<4xf32> {pipe.slot = @w}) {
  // CHECK: %[[W:.*]] = prog.buffer "run" slot @w : memref<4xf32>
  // CHECK: %[[G:.*]] = prog.buffer "step" slot @g : memref<4xf32>
  // CHECK-NEXT: prog.launch @[[KERNEL:fused_sub_[0-9a-f]+]] ins(%[[W]], %[[G]] : memref<4xf32>, memref<4xf32>) outs(%[[W]] : memref<4xf32>)
  // CHECK-NEXT: return
  %0 = prog.fused %w, %g : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: tensor<4xf32>, %b: tensor<4xf32>):
    %1 = nn.sub %a, %b : tensor<4xf32>
    prog.yield %1 : tensor<4xf32>
  }
  return %0 : tensor<4xf32>
}
// The kernel holds the op.
// CHECK: func.func private @[[KERNEL]](%{{.*}}: tensor<4xf32>, %{{.*}}: tensor<4xf32>) -> tensor<4xf32> attributes {prog.kernel}
// CHECK: nn.sub

// -----

// The old value is read again later, or repeated: a temporary and a copy.
pipe.slot @w : tensor<4xf32> {kind = "parameter", lifetime = "run"}
pipe.slot @s : tensor<f32> {kind = "scalar", lifetime = "run"}
pipe.slot @v : tensor<4x4xf32> {kind = "activation", lifetime = "run"}
// CHECK-LABEL: func.func @copies_when_the_old_value_is_read_later()
func.func @copies_when_the_old_value_is_read_later(%w: tensor<4xf32> {pipe.slot = @w})
    -> (tensor<4xf32> {pipe.slot = @w}, tensor<f32> {pipe.slot = @s}) {
  // CHECK: %[[W:.*]] = prog.buffer "run" slot @w
  // CHECK: %[[S:.*]] = prog.buffer "run" slot @s
  // CHECK: %[[NEW:.*]] = prog.buffer "microbatch" : memref<4xf32>
  // CHECK: prog.launch @softmax_{{.*}} ins(%[[W]] : memref<4xf32>) outs(%[[NEW]] : memref<4xf32>)
  // CHECK: prog.launch @reduce_{{.*}} ins(%[[W]] : memref<4xf32>) outs(%[[S]] : memref<f32>)
  // CHECK: prog.copy %[[NEW]] to %[[W]]
  %0 = nn.softmax %w : tensor<4xf32>
  %1 = nn.reduce sum %w dims [0] : (tensor<4xf32>) -> tensor<f32>
  return %0, %1 : tensor<4xf32>, tensor<f32>
}

// An op that is no loop over elements reads what it would overwrite.
// CHECK-LABEL: func.func @copies_when_the_op_is_not_elementwise()
func.func @copies_when_the_op_is_not_elementwise(%w: tensor<4xf32> {pipe.slot = @w})
    -> (tensor<4xf32> {pipe.slot = @w}) {
  // CHECK: %[[W:.*]] = prog.buffer "run" slot @w
  // CHECK: %[[NEW:.*]] = prog.buffer "microbatch"
  // CHECK: outs(%[[NEW]]
  // CHECK: prog.copy %[[NEW]] to %[[W]]
  %0 = nn.softmax %w : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: func.func @copies_when_an_operand_is_repeated()
func.func @copies_when_an_operand_is_repeated(%v: tensor<4x4xf32> {pipe.slot = @v})
    -> (tensor<4x4xf32> {pipe.slot = @v}) {
  // CHECK: %[[V:.*]] = prog.buffer "run" slot @v
  // CHECK: prog.copy %{{.*}} to %[[V]]
  %0 = prog.fused %v : (tensor<4x4xf32>) -> tensor<4x4xf32> {
  ^bb0(%a: tensor<4x4xf32>):
    %1 = nn.broadcast %a dims [0, 1] : (tensor<4x4xf32>) -> tensor<4x4xf32>
    %2 = nn.neg %1 : tensor<4x4xf32>
    prog.yield %2 : tensor<4x4xf32>
  }
  return %0 : tensor<4x4xf32>
}

// -----

// A value bound to two slots is computed in one and copied to the other; one
// that a slot holds already is not touched.
pipe.slot @a : tensor<4xf32> {kind = "activation", lifetime = "run"}
pipe.slot @b : tensor<4xf32> {kind = "activation", lifetime = "microbatch"}
pipe.slot @x : tensor<4xf32> {kind = "input", lifetime = "microbatch"}
// CHECK-LABEL: func.func @copies_to_a_second_slot()
func.func @copies_to_a_second_slot(%x: tensor<4xf32> {pipe.slot = @x})
    -> (tensor<4xf32> {pipe.slot = @a}, tensor<4xf32> {pipe.slot = @b}, tensor<4xf32> {pipe.slot = @x}) {
  // CHECK: %[[X:.*]] = prog.buffer "input" slot @x
  // CHECK: %[[A:.*]] = prog.buffer "run" slot @a
  // CHECK: %[[B:.*]] = prog.buffer "microbatch" slot @b
  // CHECK: ins(%[[X]] : memref<4xf32>) outs(%[[A]] : memref<4xf32>)
  // CHECK-NEXT: prog.copy %[[A]] to %[[B]]
  // CHECK-NEXT: return
  %0 = nn.softmax %x : tensor<4xf32>
  return %0, %0, %x : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// -----

// Copies happen at once: what is overwritten and still to be read is saved.
pipe.slot @a : tensor<4xf32> {kind = "activation", lifetime = "run"}
pipe.slot @b : tensor<4xf32> {kind = "activation", lifetime = "run"}
// CHECK-LABEL: func.func @swaps()
func.func @swaps(%a: tensor<4xf32> {pipe.slot = @a}, %b: tensor<4xf32> {pipe.slot = @b})
    -> (tensor<4xf32> {pipe.slot = @b}, tensor<4xf32> {pipe.slot = @a}) {
  // CHECK: %[[A:.*]] = prog.buffer "run" slot @a
  // CHECK: %[[B:.*]] = prog.buffer "run" slot @b
  // CHECK: prog.copy %[[A]] to %[[OLD_A:.*]] :
  // CHECK: prog.copy %[[B]] to %[[OLD_B:.*]] :
  // CHECK: prog.copy %[[OLD_A]] to %[[B]]
  // CHECK: prog.copy %[[OLD_B]] to %[[A]]
  return %a, %b : tensor<4xf32>, tensor<4xf32>
}

// -----

// A region writes over an operand that dies in it; a reshape is a view of the
// same memory, of a slot too; booleans are bytes.
pipe.slot @x : tensor<2x4xf32> {kind = "input", lifetime = "microbatch"}
pipe.slot @y : tensor<8xf32> {kind = "activation", lifetime = "run"}
pipe.slot @m : tensor<2x4xi1> {kind = "activation", lifetime = "run"}
// CHECK-LABEL: func.func @reuses_memory()
func.func @reuses_memory(%x: tensor<2x4xf32> {pipe.slot = @x})
    -> (tensor<8xf32> {pipe.slot = @y}, tensor<2x4xi1> {pipe.slot = @m}) {
  // CHECK: %[[Y:.*]] = prog.buffer "run" slot @y : memref<8xf32>
  // CHECK: %[[M:.*]] = prog.buffer "run" slot @m : memref<2x4xi8>
  // CHECK: %[[T:.*]] = prog.buffer "microbatch" : memref<2x4xf32>
  // CHECK: prog.launch @softmax{{.*}} outs(%[[T]] : memref<2x4xf32>)
  // CHECK: prog.launch @fused_exp{{.*}} ins(%[[T]] : memref<2x4xf32>) outs(%[[T]] : memref<2x4xf32>)
  // CHECK: %[[Y2:.*]] = prog.view %[[Y]] : memref<8xf32> to memref<2x4xf32>
  // CHECK: prog.launch @softmax{{.*}} ins(%[[T]] : memref<2x4xf32>) outs(%[[Y2]] : memref<2x4xf32>)
  // CHECK: prog.launch @fused_compare{{.*}} outs(%[[M]] : memref<2x4xi8>)
  %0 = nn.softmax %x : tensor<2x4xf32>
  %1 = prog.fused %0 : (tensor<2x4xf32>) -> tensor<2x4xf32> {
  ^bb0(%a: tensor<2x4xf32>):
    %5 = nn.exp %a : tensor<2x4xf32>
    prog.yield %5 : tensor<2x4xf32>
  }
  %2 = nn.softmax %1 : tensor<2x4xf32>
  %3 = nn.reshape %2 : (tensor<2x4xf32>) -> tensor<8xf32>
  %4 = prog.fused %1, %x : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xi1> {
  ^bb0(%a: tensor<2x4xf32>, %b: tensor<2x4xf32>):
    %5 = nn.compare lt %a, %b : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xi1>
    prog.yield %5 : tensor<2x4xi1>
  }
  return %3, %4 : tensor<8xf32>, tensor<2x4xi1>
}

// -----

// The gradient of the logits takes their place, unless they are read again.
pipe.slot @x : tensor<4x8xf32> {kind = "input", lifetime = "microbatch"}
pipe.slot @l : tensor<4xi64> {kind = "input", lifetime = "microbatch"}
pipe.slot @s : tensor<f32> {kind = "scalar", lifetime = "step"}
pipe.slot @y : tensor<4x8xf32> {kind = "activation", lifetime = "run"}
// CHECK-LABEL: func.func @differentiates_the_loss_over_the_logits()
func.func @differentiates_the_loss_over_the_logits(%x: tensor<4x8xf32> {pipe.slot = @x},
    %l: tensor<4xi64> {pipe.slot = @l}, %s: tensor<f32> {pipe.slot = @s})
    -> (tensor<4x8xf32> {pipe.slot = @y}) {
  // CHECK: prog.launch @softmax{{.*}} outs(%[[A:[0-9]+]] : memref<4x8xf32>)
  // CHECK: prog.launch @cross_entropy_{{[0-9a-f]+}} ins(%[[A]],
  // CHECK: prog.launch @cross_entropy_grad{{.*}} ins(%[[A]], {{.*}} outs(%[[A]] : memref<4x8xf32>)
  %0 = nn.softmax %x : tensor<4x8xf32>
  %1, %2 = nn.cross_entropy %0, %l : (tensor<4x8xf32>, tensor<4xi64>) -> (tensor<f32>, tensor<4xf32>)
  %3 = nn.cross_entropy_grad %0, %l, %2, %s : (tensor<4x8xf32>, tensor<4xi64>, tensor<4xf32>, tensor<f32>) -> tensor<4x8xf32>
  // CHECK: prog.launch @softmax{{.*}} ins(%[[A]] : memref<4x8xf32>) outs(%[[B:[0-9]+]] : memref<4x8xf32>)
  // CHECK: prog.launch @cross_entropy_grad{{.*}} ins(%[[B]], {{.*}} outs(%[[C:[0-9]+]] : memref<4x8xf32>)
  %4 = nn.softmax %3 : tensor<4x8xf32>
  %5 = nn.cross_entropy_grad %4, %l, %2, %s : (tensor<4x8xf32>, tensor<4xi64>, tensor<4xf32>, tensor<f32>) -> tensor<4x8xf32>
  // CHECK: prog.launch @concat{{.*}} ins(%[[B]], %[[C]]
  %6 = nn.concat %4, %5 dim 0 : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<8x8xf32>
  %7 = nn.slice %6 offsets [0, 0] sizes [4, 8] strides [1, 1] : (tensor<8x8xf32>) -> tensor<4x8xf32>
  return %7 : tensor<4x8xf32>
}

// -----

// Equal ops share a kernel whatever was noted on them; another attribute is
// another kernel.
pipe.slot @x : tensor<4x4xf32> {kind = "input", lifetime = "microbatch"}
pipe.slot @y : tensor<4xf32> {kind = "activation", lifetime = "run"}
pipe.slot @z : tensor<4xf32> {kind = "activation", lifetime = "run"}
pipe.slot @u : tensor<4xf32> {kind = "activation", lifetime = "run"}
// CHECK-LABEL: func.func @shares_kernels()
func.func @shares_kernels(%x: tensor<4x4xf32> {pipe.slot = @x})
    -> (tensor<4xf32> {pipe.slot = @y}, tensor<4xf32> {pipe.slot = @z}, tensor<4xf32> {pipe.slot = @u}) {
  // CHECK: prog.launch @[[ROWS:reduce_[0-9a-f]+]]
  // CHECK: prog.launch @[[ROWS]] ins
  // CHECK-NOT: prog.launch @[[ROWS]] ins
  // CHECK: prog.launch @[[COLUMNS:reduce_[0-9a-f]+]]
  // CHECK-DAG: func.func private @[[ROWS]](
  // CHECK-DAG: func.func private @[[COLUMNS]](
  // CHECK-NOT: func.func private
  %0 = nn.reduce sum %x dims [1] {unit = "a"} : (tensor<4x4xf32>) -> tensor<4xf32>
  %1 = nn.reduce sum %x dims [1] {unit = "b"} : (tensor<4x4xf32>) -> tensor<4xf32>
  %2 = nn.reduce sum %x dims [0] : (tensor<4x4xf32>) -> tensor<4xf32>
  return %0, %1, %2 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// -----

#mesh = #dist.mesh<tp = 4>
pipe.slot @x : tensor<8x4xf32> {kind = "input", lifetime = "microbatch"}
pipe.slot @y : tensor<2x4xf32> {kind = "activation", lifetime = "run"}
pipe.slot @z : tensor<2x4xf32> {kind = "activation", lifetime = "run"}
pipe.slot @s : tensor<2x4xf32> {kind = "activation", lifetime = "run"}
// Collectives are numbered over the program; a reduction of a temporary that
// dies goes on in its place, one of a slot that stays does not.
// CHECK-LABEL: func.func @numbers_collectives()
func.func @numbers_collectives(%x: tensor<8x4xf32> {pipe.slot = @x}, %s: tensor<2x4xf32> {pipe.slot = @s})
    -> (tensor<2x4xf32> {pipe.slot = @y}, tensor<2x4xf32> {pipe.slot = @z}) {
  // CHECK: %[[S:.*]] = prog.buffer "run" slot @s
  // CHECK: %[[T:.*]] = prog.buffer "microbatch"
  // CHECK: prog.collective "reduce_scatter" 0 ins(%{{.*}}) outs(%[[T]] : memref<2x4xf32>) over #mesh ["tp"] reduce "sum" dims [0] concat []
  // CHECK: prog.collective "all_reduce" 1 ins(%[[T]] : memref<2x4xf32>) outs(%[[T]] : memref<2x4xf32>) over #mesh ["tp"] reduce "max" dims [] concat []
  // CHECK: prog.collective "all_reduce" 2 ins(%[[S]] : memref<2x4xf32>) outs(%[[U:.*]] : memref<2x4xf32>)
  // CHECK-NOT: outs(%[[S]]
  %0 = dist.reduce_scatter "sum" %x over #mesh ["tp"] dims [0] : (tensor<8x4xf32>) -> tensor<2x4xf32>
  %1 = dist.all_reduce "max" %0 over #mesh ["tp"] : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %2 = dist.all_reduce "sum" %s over #mesh ["tp"] : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %3 = nn.softmax %1 : tensor<2x4xf32>
  %4 = nn.softmax %2 : tensor<2x4xf32>
  return %3, %4 : tensor<2x4xf32>, tensor<2x4xf32>
}

// CHECK-LABEL: func.func @goes_on_numbering()
func.func @goes_on_numbering(%s: tensor<2x4xf32> {pipe.slot = @s}) -> (tensor<2x4xf32> {pipe.slot = @s}) {
  // CHECK: %[[S:.*]] = prog.buffer "run" slot @s
  // CHECK: prog.collective "all_reduce" 3 ins(%[[S]] : memref<2x4xf32>) outs(%[[S]] : memref<2x4xf32>)
  %0 = dist.all_reduce "sum" %s over #mesh ["tp"] : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return %0 : tensor<2x4xf32>
}

// A coordinate is written once a function.
// CHECK-LABEL: func.func @writes_a_coordinate_once()
func.func @writes_a_coordinate_once(%x: tensor<8x4xf32> {pipe.slot = @x})
    -> (tensor<2x4xf32> {pipe.slot = @y}, tensor<2x4xf32> {pipe.slot = @z}) {
  // CHECK: %[[START:.*]] = prog.buffer "microbatch" : memref<i64>
  // CHECK: prog.coordinate "coordinate" 2 over #mesh ["tp"] to %[[START]] : memref<i64>
  // CHECK-NOT: prog.coordinate
  // CHECK: prog.launch @window_{{.*}} ins(%{{.*}}, %[[START]] : memref<8x4xf32>, memref<i64>)
  // CHECK: prog.launch @window_{{.*}} ins(%{{.*}}, %[[START]] : memref<8x4xf32>, memref<i64>)
  %a = dist.coordinate over #mesh ["tp"] scale 2 : tensor<i64>
  %b = dist.coordinate over #mesh ["tp"] scale 2 : tensor<i64>
  %0 = prog.window %x from %a dim 0 : (tensor<8x4xf32>, tensor<i64>) -> tensor<2x4xf32>
  %1 = prog.window %x from %b dim 0 : (tensor<8x4xf32>, tensor<i64>) -> tensor<2x4xf32>
  return %0, %1 : tensor<2x4xf32>, tensor<2x4xf32>
}

// -----

#mesh = #dist.mesh<tp = 4>
pipe.slot @g : tensor<4xf32> {kind = "gradient", lifetime = "run"}
pipe.slot @y : tensor<4xf32> {kind = "activation", lifetime = "run"}
// A started collective may read until its wait, so the slot it reads is not
// written before.
// CHECK-LABEL: func.func @copies_when_a_collective_is_under_way()
func.func @copies_when_a_collective_is_under_way(%g: tensor<4xf32> {pipe.slot = @g})
    -> (tensor<4xf32> {pipe.slot = @g}, tensor<4xf32> {pipe.slot = @y}) {
  // CHECK: %[[G:.*]] = prog.buffer "run" slot @g
  // CHECK: prog.collective "all_reduce" 0 ins(%[[G]]
  // CHECK: prog.launch @fused_{{.*}} ins(%[[G]] : memref<4xf32>) outs(%[[NEW:.*]] : memref<4xf32>)
  // CHECK: prog.wait 0
  // CHECK: prog.copy %[[NEW]] to %[[G]]
  %0 = dist.start %g : (tensor<4xf32>) -> !dist.future<tensor<4xf32>> {
  ^bb0(%x: tensor<4xf32>):
    %sum = dist.all_reduce "sum" %x over #mesh ["tp"] : (tensor<4xf32>) -> tensor<4xf32>
    dist.yield %sum : tensor<4xf32>
  }
  %1 = prog.fused %g : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: tensor<4xf32>):
    %2 = nn.neg %a : tensor<4xf32>
    prog.yield %2 : tensor<4xf32>
  }
  %3 = dist.wait %0 : (!dist.future<tensor<4xf32>>) -> tensor<4xf32>
  %4 = nn.softmax %3 : tensor<4xf32>
  return %1, %4 : tensor<4xf32>, tensor<4xf32>
}

// A sum does not go on in what another collective under way reads.
// CHECK-LABEL: func.func @keeps_what_another_collective_reads()
func.func @keeps_what_another_collective_reads(%g: tensor<4xf32> {pipe.slot = @g})
    -> (tensor<4xf32> {pipe.slot = @y}) {
  // CHECK: prog.launch @softmax_{{.*}} outs(%[[X:.*]] : memref<4xf32>)
  // CHECK: prog.collective "permute" {{[0-9]+}} ins(%[[X]]
  // CHECK: prog.collective "all_reduce" {{[0-9]+}} ins(%[[X]] : memref<4xf32>) outs(%[[SUM:.*]] : memref<4xf32>)
  %x = nn.softmax %g : tensor<4xf32>
  %0 = dist.start %x : (tensor<4xf32>) -> !dist.future<tensor<4xf32>> {
  ^bb0(%a: tensor<4xf32>):
    %moved = dist.permute %a over #mesh ["tp"] from [0, 2, 1, 3] : (tensor<4xf32>) -> tensor<4xf32>
    dist.yield %moved : tensor<4xf32>
  }
  %1 = dist.start %x : (tensor<4xf32>) -> !dist.future<tensor<4xf32>> {
  ^bb0(%a: tensor<4xf32>):
    %sum = dist.all_reduce "sum" %a over #mesh ["tp"] : (tensor<4xf32>) -> tensor<4xf32>
    dist.yield %sum : tensor<4xf32>
  }
  %2 = dist.wait %1 : (!dist.future<tensor<4xf32>>) -> tensor<4xf32>
  %3 = dist.wait %0 : (!dist.future<tensor<4xf32>>) -> tensor<4xf32>
  %4 = prog.fused %2, %3 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: tensor<4xf32>, %b: tensor<4xf32>):
    %5 = nn.add %a, %b : tensor<4xf32>
    prog.yield %5 : tensor<4xf32>
  }
  return %4 : tensor<4xf32>
}
