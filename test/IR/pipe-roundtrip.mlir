// RUN: weft-opt %s | weft-opt | FileCheck %s

// A slot is a symbol; functions bind arguments and results to it.
// CHECK: pipe.slot @tokens : tensor<4x64xi64> {kind = "input", lifetime = "microbatch"}
pipe.slot @tokens : tensor<4x64xi64> {kind = "input", lifetime = "microbatch"}
// CHECK: pipe.slot @model.embed.weight : tensor<256x64xf32> {constraint = #dist.constraint<dp_shard = shard(0)>, kind = "parameter", lifetime = "run", names = ["model.embed.weight", "lm_head.weight"], reduce = "each", stored = "model.embed.weight", trainable, unit = "root"}
pipe.slot @model.embed.weight : tensor<256x64xf32> {kind = "parameter", lifetime = "run", stored = "model.embed.weight", names = ["model.embed.weight", "lm_head.weight"], trainable, unit = "root", constraint = #dist.constraint<dp_shard = shard(0)>, reduce = "each"}
// CHECK: pipe.slot @g.embed : tensor<256x64xf32> {kind = "gradient", lifetime = "step", of = @model.embed.weight}
pipe.slot @g.embed : tensor<256x64xf32> {kind = "gradient", lifetime = "step", of = @model.embed.weight}
// CHECK: pipe.slot @term0.sum : tensor<f32> {coefficient = 1.000000e+00 : f64, kind = "scalar", lifetime = "microbatch"}
pipe.slot @term0.sum : tensor<f32> {kind = "scalar", lifetime = "microbatch", coefficient = 1.0 : f64}

// CHECK: func.func private @stage0(tensor<256x64xf32> {pipe.slot = @model.embed.weight}) -> (tensor<f32> {pipe.slot = @term0.sum})
func.func private @stage0(tensor<256x64xf32> {pipe.slot = @model.embed.weight}) -> (tensor<f32> {pipe.slot = @term0.sum})
func.func private @stage0_update()

// Entries without a microbatch run once a step.
// CHECK: pipe.schedule [{call = @stage0, microbatch = 0 : i64}, {call = @stage0, microbatch = 1 : i64}, {call = @stage0_update}]
pipe.schedule [{call = @stage0, microbatch = 0 : i64}, {call = @stage0, microbatch = 1 : i64}, {call = @stage0_update}]
