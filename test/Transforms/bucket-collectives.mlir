// RUN: weft-opt %s --dist-bucket-collectives | FileCheck %s
// RUN: weft-opt %s --dist-bucket-collectives="bucket-bytes=64" | FileCheck %s --check-prefix=ACROSS

#mesh = #dist.mesh<dp_shard = 2, tp = 2>
module attributes {dist.mesh = #mesh} {
pipe.slot @a : tensor<8xf32> {kind = "parameter", lifetime = "run", unit = "layer.0"}
pipe.slot @b : tensor<8xf32> {kind = "parameter", lifetime = "run", unit = "layer.0"}
pipe.slot @c : tensor<8xf32> {kind = "parameter", lifetime = "run", unit = "layer.1"}
pipe.slot @x : tensor<8xf32> {kind = "input", lifetime = "microbatch"}
pipe.slot @g.a : tensor<8xf32> {kind = "gradient", lifetime = "run", unit = "layer.0", of = @a}
pipe.slot @g.b : tensor<8xf32> {kind = "gradient", lifetime = "run", unit = "layer.0", of = @b}
pipe.slot @g.c : tensor<8xf32> {kind = "gradient", lifetime = "run", unit = "layer.1", of = @c}
pipe.slot @term0.seed : tensor<8xf32> {kind = "scalar", lifetime = "step"}

// Gathers of one unit start together where the first of them is needed, each
// unit at its own place.
// CHECK-LABEL: func.func @gathers_a_unit_before_its_first_use
// CHECK-SAME: (%[[A:[^:]*]]: {{[^,]*}}, %[[B:[^:]*]]: {{[^,]*}}, %[[C:[^:]*]]:
func.func @gathers_a_unit_before_its_first_use(%a: tensor<4xf32> {pipe.slot = @a}, %b: tensor<4xf32> {pipe.slot = @b}, %c: tensor<4xf32> {pipe.slot = @c}, %x: tensor<8xf32> {pipe.slot = @x}) {
  %aw = dist.all_gather %a over #mesh ["dp_shard"] dims [0] : (tensor<4xf32>) -> tensor<8xf32>
  // CHECK-NEXT: nn.exp
  %e = nn.exp %x : tensor<8xf32>
  // CHECK-NEXT: %[[BOTH:.*]]:2 = dist.all_gather %[[A]], %[[B]] over #mesh ["dp_shard"] dims [0, 0]
  // CHECK-NEXT: nn.mul %{{.*}}, %[[BOTH]]#0
  %y = nn.mul %e, %aw : tensor<8xf32>
  %cw = dist.all_gather %c over #mesh ["dp_shard"] dims [0] : (tensor<4xf32>) -> tensor<8xf32>
  %bw = dist.all_gather %b over #mesh ["dp_shard"] dims [0] : (tensor<4xf32>) -> tensor<8xf32>
  // CHECK-NEXT: nn.mul %{{.*}}, %[[BOTH]]#1
  %z = nn.mul %y, %bw : tensor<8xf32>
  // CHECK-NEXT: %[[ONE:.*]] = dist.all_gather %[[C]]
  // CHECK-NEXT: nn.mul %{{.*}}, %[[ONE]]
  %v = nn.mul %z, %cw : tensor<8xf32>
  return
}

// What makes the operands moves along.
// CHECK-LABEL: func.func @casts_before_the_bucket
func.func @casts_before_the_bucket(%a: tensor<4xf32> {pipe.slot = @a}, %b: tensor<4xf32> {pipe.slot = @b}) {
  // CHECK-COUNT-2: nn.cast
  // CHECK-NEXT: dist.all_gather %{{.*}}, %{{.*}} over
  // CHECK-NEXT: nn.exp
  %ac = nn.cast %a : (tensor<4xf32>) -> tensor<4xbf16>
  %aw = dist.all_gather %ac over #mesh ["dp_shard"] dims [0] : (tensor<4xbf16>) -> tensor<8xbf16>
  %e = nn.exp %aw : tensor<8xbf16>
  %bc = nn.cast %b : (tensor<4xf32>) -> tensor<4xbf16>
  %bw = dist.all_gather %bc over #mesh ["dp_shard"] dims [0] : (tensor<4xbf16>) -> tensor<8xbf16>
  %m = nn.mul %e, %bw : tensor<8xbf16>
  return
}

// Backward gathers again in buckets of its own.
// CHECK-LABEL: func.func @keeps_gathers_for_backward_apart
func.func @keeps_gathers_for_backward_apart(%a: tensor<4xf32> {pipe.slot = @a}, %seed: tensor<8xf32> {pipe.slot = @term0.seed}) {
  // CHECK: dist.all_gather
  // CHECK-NEXT: nn.exp
  // CHECK-NEXT: dist.all_gather {{.*}}recomputed
  // CHECK-NEXT: nn.mul
  %aw = dist.all_gather %a over #mesh ["dp_shard"] dims [0] : (tensor<4xf32>) -> tensor<8xf32>
  %e = nn.exp %aw : tensor<8xf32>
  %again = dist.all_gather %a over #mesh ["dp_shard"] dims [0] {recomputed} : (tensor<4xf32>) -> tensor<8xf32>
  %m = nn.mul %again, %seed : tensor<8xf32>
  return
}

// Gradients of a unit are reduced together once the last is known; with a
// bucket size those of several units are, as long as they fit.
// CHECK-LABEL: func.func @reduces_a_unit_behind_its_last_gradient
// ACROSS-LABEL: func.func @reduces_a_unit_behind_its_last_gradient
func.func @reduces_a_unit_behind_its_last_gradient(%x: tensor<8xf32> {pipe.slot = @x}, %ga: tensor<4xf32> {pipe.slot = @g.a}, %gb: tensor<4xf32> {pipe.slot = @g.b}, %gc: tensor<4xf32> {pipe.slot = @g.c})
    -> (tensor<4xf32> {pipe.slot = @g.a}, tensor<4xf32> {pipe.slot = @g.b}, tensor<4xf32> {pipe.slot = @g.c}) {
  // CHECK: nn.exp
  // CHECK-NEXT: %[[LAST:.*]] = dist.reduce_scatter "sum" %{{.*}} over
  // CHECK-NEXT: nn.sum_of
  // CHECK-NEXT: nn.neg
  // CHECK-NEXT: %[[UNIT:.*]]:2 = dist.reduce_scatter "sum" %{{.*}}, %{{.*}} over #mesh ["dp_shard"] dims [0, 0]
  // CHECK: nn.sum_of %{{.*}}, %[[UNIT]]#0
  // CHECK: nn.sum_of %{{.*}}, %[[UNIT]]#1
  // ACROSS: %[[TWO:.*]]:2 = dist.reduce_scatter
  // ACROSS: nn.sum_of %{{.*}}, %[[TWO]]#0
  // ACROSS: nn.sum_of %{{.*}}, %[[TWO]]#1
  // ACROSS: %[[REST:.*]] = dist.reduce_scatter
  // ACROSS-NEXT: nn.sum_of %{{.*}}, %[[REST]]
  %e = nn.exp %x : tensor<8xf32>
  %c = dist.reduce_scatter "sum" %e over #mesh ["dp_shard"] dims [0] : (tensor<8xf32>) -> tensor<4xf32>
  %cs = nn.sum_of %gc, %c : tensor<4xf32>
  %b = dist.reduce_scatter "sum" %x over #mesh ["dp_shard"] dims [0] : (tensor<8xf32>) -> tensor<4xf32>
  %bs = nn.sum_of %gb, %b : tensor<4xf32>
  %n = nn.neg %e : tensor<8xf32>
  %a = dist.reduce_scatter "sum" %n over #mesh ["dp_shard"] dims [0] : (tensor<8xf32>) -> tensor<4xf32>
  %as = nn.sum_of %ga, %a : tensor<4xf32>
  return %as, %bs, %cs : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// Other axes, other kinds and other ops are other buckets.
// CHECK-LABEL: func.func @keeps_different_collectives_apart
func.func @keeps_different_collectives_apart(%x: tensor<8xf32> {pipe.slot = @x}) -> (tensor<8xf32> {pipe.slot = @g.a}, tensor<8xf32> {pipe.slot = @g.b}) {
  // CHECK: dist.all_reduce "sum" %{{.*}} over #mesh ["tp"] :
  // CHECK: dist.all_reduce "sum" %{{.*}} over #mesh ["dp_shard"] :
  %a = dist.all_reduce "sum" %x over #mesh ["tp"] : (tensor<8xf32>) -> tensor<8xf32>
  %b = dist.all_reduce "sum" %x over #mesh ["dp_shard"] : (tensor<8xf32>) -> tensor<8xf32>
  return %a, %b : tensor<8xf32>, tensor<8xf32>
}

// A collective that needs another's result cannot go with it.
// CHECK-LABEL: func.func @keeps_dependent_collectives_apart
func.func @keeps_dependent_collectives_apart(%x: tensor<8xf32> {pipe.slot = @x}) -> (tensor<8xf32> {pipe.slot = @g.a}) {
  // CHECK: %[[FIRST:.*]] = dist.all_reduce "sum"
  // CHECK: dist.all_reduce "sum" %[[FIRST]]
  %a = dist.all_reduce "sum" %x over #mesh ["tp"] : (tensor<8xf32>) -> tensor<8xf32>
  %b = dist.all_reduce "sum" %a over #mesh ["tp"] : (tensor<8xf32>) -> tensor<8xf32>
  return %b : tensor<8xf32>
}

// What belongs to no unit (activations) stays where it is.
// CHECK-LABEL: func.func @leaves_activations_alone
func.func @leaves_activations_alone(%x: tensor<8xf32> {pipe.slot = @x}) {
  // CHECK-COUNT-2: dist.all_reduce "sum" %{{[^,]*}} over
  %a = dist.all_reduce "sum" %x over #mesh ["tp"] : (tensor<8xf32>) -> tensor<8xf32>
  %e = nn.exp %a : tensor<8xf32>
  %b = dist.all_reduce "sum" %e over #mesh ["tp"] : (tensor<8xf32>) -> tensor<8xf32>
  return
}

// A gradient is reduced and added up where it is known, not at the end.
// CHECK-LABEL: func.func @reduces_behind_the_gradient
func.func @reduces_behind_the_gradient(%x: tensor<8xf32> {pipe.slot = @x}, %g: tensor<4xf32> {pipe.slot = @g.a}) -> (tensor<4xf32> {pipe.slot = @g.a}) {
  // CHECK: nn.neg
  // CHECK-NEXT: dist.reduce_scatter
  // CHECK-NEXT: nn.sum_of
  // CHECK-NEXT: nn.exp
  %d = nn.neg %x : tensor<8xf32>
  %e = nn.exp %x : tensor<8xf32>
  %r = dist.reduce_scatter "sum" %d over #mesh ["dp_shard"] dims [0] : (tensor<8xf32>) -> tensor<4xf32>
  %s = nn.sum_of %g, %r : tensor<4xf32>
  return %s : tensor<4xf32>
}
}
