// RUN: weft-opt %s --nn-differentiate --split-input-file --verify-diagnostics | FileCheck %s
// RUN: not weft-opt %s --nn-differentiate=accumulate=false --split-input-file 2>/dev/null | FileCheck %s --check-prefix=ONE
// RUN: not weft-opt %s --nn-differentiate --split-input-file --mlir-print-debuginfo --mlir-print-local-scope 2>/dev/null | FileCheck %s --check-prefix=LOC

// A linear layer: the gradient follows the seed, takes its slot's constraint
// and is added to the slot. The input has no cotangent.
pipe.slot @w : tensor<8x4xf32> {kind = "parameter", lifetime = "run", trainable, unit = "layer", constraint = #dist.constraint<dp_shard = shard(0)>}
pipe.slot @x : tensor<2x4xf32> {kind = "input", lifetime = "microbatch"}
pipe.slot @term0.sum : tensor<f32> {kind = "scalar", lifetime = "step", coefficient = 1.0 : f64}
pipe.slot @term0.seed : tensor<f32> {kind = "scalar", lifetime = "step"}
// CHECK: pipe.slot @g.w : tensor<8x4xf32> {constraint = #dist.constraint<dp_shard = shard(0)>, kind = "gradient", lifetime = "run", of = @w, unit = "layer"}

// CHECK: func.func @stage0(%[[W:.*]]: tensor<8x4xf32> {pipe.slot = @w}, %[[X:.*]]: tensor<2x4xf32> {pipe.slot = @x}, %[[SEED:.*]]: tensor<f32> {pipe.slot = @term0.seed}, %[[OLD_SUM:.*]]: tensor<f32> {pipe.slot = @term0.sum}, %[[OLD:.*]]: tensor<8x4xf32> {pipe.slot = @g.w}) -> (tensor<f32> {pipe.slot = @term0.sum}, tensor<8x4xf32> {pipe.slot = @g.w}) {
func.func @model(%w: tensor<8x4xf32> {pipe.slot = @w}, %x: tensor<2x4xf32> {pipe.slot = @x})
    -> (tensor<f32> {pipe.slot = @term0.sum}) {
  // CHECK: %[[GATHERED:.*]] = dist.constrain %[[W]] <dp_shard = replicate>
  %gathered = dist.constrain %w <dp_shard = replicate> : tensor<8x4xf32>
  // CHECK: nn.contract "bi,oi->bo" %[[X]], %[[GATHERED]]
  %y = nn.contract "bi,oi->bo" %x, %gathered : (tensor<2x4xf32>, tensor<8x4xf32>) -> tensor<2x8xf32> loc("layer"("model.py":7:0))
  // CHECK: %[[SUM:.*]] = nn.reduce
  %sum = nn.reduce sum %y dims [0, 1] : (tensor<2x8xf32>) -> tensor<f32>
  // CHECK: %[[NEW_SUM:.*]] = nn.add %[[OLD_SUM]], %[[SUM]]
  // CHECK: %[[DY:.*]] = nn.broadcast %[[SEED]] dims []
  // CHECK-NOT: nn.contract {{.*}}->bi
  // CHECK: %[[DW:.*]] = nn.contract "bo,bi->oi" %[[DY]], %[[X]]
  // LOC: nn.contract "bo,bi->oi" {{.*}} loc("layer/grad"("model.py":7:0))
  // CHECK: %[[REDUCED:.*]] = dist.constrain %[[DW]] <dp_shard = shard(0)> {dist.one_way = ["dp_replicate", "dp_shard", "cp"]}
  // CHECK: %[[NEW:.*]] = nn.sum_of %[[OLD]], %[[REDUCED]]
  // CHECK: return %[[NEW_SUM]], %[[NEW]]
  // Of one microbatch the function takes neither slot and adds nothing.
  // ONE: func.func @stage0(%{{[^)]*}} {pipe.slot = @term0.seed}) -> (tensor<f32> {pipe.slot = @term0.sum}, tensor<8x4xf32> {pipe.slot = @g.w}) {
  // ONE: %[[SUM:.*]] = nn.reduce
  // ONE: %[[REDUCED:.*]] = dist.constrain %{{.*}} <dp_shard = shard(0)>
  // ONE-NEXT: return %[[SUM]], %[[REDUCED]]
  return %sum : tensor<f32>
}

// -----

// A cotangent wishes the shards of its primal; what was replicated is open.
// A value with two uses adds their cotangents. `gradient` wins over
// `constraint`, and "last" waits in an open slot; for one microbatch there is
// nothing to wait for.
pipe.slot @w : tensor<8xf32> {kind = "parameter", lifetime = "run", trainable, reduce = "last", gradient = #dist.constraint<tp = shard(0), dp_shard = shard(0)>, constraint = #dist.constraint<tp = shard(0)>}
pipe.slot @term0.sum : tensor<f32> {kind = "scalar", lifetime = "step", coefficient = 1.0 : f64}
pipe.slot @term0.seed : tensor<f32> {kind = "scalar", lifetime = "step"}
// CHECK: pipe.slot @g.w : tensor<8xf32> {constraint = #dist.constraint<tp = shard(0), dp_shard = shard(0)>, kind = "gradient", lifetime = "run", of = @w}
// CHECK: pipe.slot @g.w.open : tensor<8xf32> {constraint = #dist.constraint<dp_replicate = partial(sum), dp_shard = partial(sum), cp = partial(sum), tp = shard(0)>, kind = "gradient", lifetime = "step", of = @w}

// CHECK: func.func @stage0(
func.func @model(%w: tensor<8xf32> {pipe.slot = @w}) -> (tensor<f32> {pipe.slot = @term0.sum}) {
  %y = nn.exp %w : tensor<8xf32>
  %z = dist.constrain %y <tp = shard(0), dp_shard = replicate> : tensor<8xf32>
  %product = nn.mul %z, %y : tensor<8xf32>
  %sum = nn.reduce sum %product dims [0] : (tensor<8xf32>) -> tensor<f32>
  // CHECK: %[[G:.*]] = nn.broadcast
  // CHECK: %[[DZ:.*]] = nn.mul %[[G]]
  // CHECK: %[[DY:.*]] = nn.mul %[[G]]
  // CHECK: %[[WISHED:.*]] = dist.constrain %[[DZ]] <tp = shard(0)>
  // CHECK: %[[BOTH:.*]] = nn.sum_of %[[DY]], %[[WISHED]]
  // CHECK: %[[DW:.*]] = nn.mul %[[BOTH]]
  // CHECK: %[[NEW:.*]] = nn.sum_of %{{.*}}, %[[DW]]
  // CHECK: return %{{.*}}, %[[NEW]]
  return %sum : tensor<f32>
}

// CHECK: func.func @stage0_reduce(%[[OPEN:.*]]: tensor<8xf32> {pipe.slot = @g.w.open}) -> (tensor<8xf32> {pipe.slot = @g.w}, tensor<8xf32> {pipe.slot = @g.w.open}) {
// CHECK: %[[REDUCED:.*]] = dist.constrain %[[OPEN]] <tp = shard(0), dp_shard = shard(0)>
// CHECK: %[[ZERO:.*]] = nn.constant dense<0.000000e+00>
// CHECK: return %[[REDUCED]], %[[ZERO]]
// ONE-NOT: @g.w.open
// ONE-NOT: @stage0_reduce
// ONE: pipe.slot @g.w : {{.*}}tp = shard(0), dp_shard = shard(0)
// ONE-NOT: @g.w.open
// ONE-NOT: @stage0_reduce
// ONE: func.func @stage0

// -----

// Frozen parameters have no gradient; an unused one is told.
pipe.slot @frozen : tensor<f32> {kind = "parameter", lifetime = "run"}
// expected-remark@+1 {{parameter has no gradient: no loss term depends on "unused"}}
pipe.slot @unused : tensor<f32> {kind = "parameter", lifetime = "run", trainable}
pipe.slot @term0.sum : tensor<f32> {kind = "scalar", lifetime = "step", coefficient = 1.0 : f64}
pipe.slot @term0.seed : tensor<f32> {kind = "scalar", lifetime = "step"}
// CHECK-NOT: kind = "gradient"
// CHECK: func.func @stage0(
func.func @model(%w: tensor<f32> {pipe.slot = @frozen}, %u: tensor<f32> {pipe.slot = @unused}) -> (tensor<f32> {pipe.slot = @term0.sum}) {
  %y = nn.exp %w : tensor<f32>
  // CHECK: nn.add
  // CHECK-NEXT: return
  return %y : tensor<f32>
}

// -----

pipe.slot @w : tensor<2xf32> {kind = "parameter", lifetime = "run", trainable}
pipe.slot @term0.sum : tensor<f32> {kind = "scalar", lifetime = "step", coefficient = 1.0 : f64}
pipe.slot @term0.seed : tensor<f32> {kind = "scalar", lifetime = "step"}
func.func @model(%w: tensor<2xf32> {pipe.slot = @w}, %n: tensor<i64>) -> (tensor<f32> {pipe.slot = @term0.sum}) {
  // expected-error@+1 {{'nn.mask_tail' op has no adjoint}}
  %y = nn.mask_tail %w, %n dim 0 value 0.0 : (tensor<2xf32>, tensor<i64>) -> tensor<2xf32>
  %sum = nn.reduce sum %y dims [0] : (tensor<2xf32>) -> tensor<f32>
  return %sum : tensor<f32>
}

// -----

pipe.slot @w : tensor<f32> {kind = "parameter", lifetime = "run", trainable}
pipe.slot @term0.sum : tensor<f32> {kind = "scalar", lifetime = "step", coefficient = 1.0 : f64}
// expected-error@+1 {{loss term has no seed: got no slot "term0.seed", expected the one that nn-outline-weights makes}}
func.func @model(%w: tensor<f32> {pipe.slot = @w}) -> (tensor<f32> {pipe.slot = @term0.sum}) {
  return %w : tensor<f32>
}

// -----

pipe.slot @term0.sum : tensor<f32> {kind = "scalar", lifetime = "step", coefficient = 1.0 : f64}
// expected-error@+1 {{loss term is not computed: got no result of slot "term0.sum"}}
func.func @model() {
  return
}
