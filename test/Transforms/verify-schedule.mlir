// RUN: weft-opt %s --pipe-verify-schedule --split-input-file --verify-diagnostics

// Every microbatch runs once, every parameter is updated once.
pipe.slot @w : tensor<4xf32> {kind = "parameter", lifetime = "run", trainable}
pipe.slot @g.w : tensor<4xf32> {kind = "gradient", lifetime = "run", of = @w}
func.func private @stage0()
func.func private @update() -> (tensor<4xf32> {pipe.slot = @w})
pipe.schedule [{call = @stage0, microbatch = 1 : i64}, {call = @stage0, microbatch = 0 : i64}, {call = @update}]

// -----

// expected-error@+1 {{module needs one schedule: got 0}}
module {
}

// -----

func.func private @stage0()
// expected-error@+1 {{microbatch 0 runs twice through @stage0}}
pipe.schedule [{call = @stage0, microbatch = 0 : i64}, {call = @stage0, microbatch = 0 : i64}]

// -----

func.func private @weigh()
func.func private @stage0()
// expected-error@+1 {{@stage0 does not run every microbatch: got 1, expected 2}}
pipe.schedule [{call = @weigh, microbatch = 0 : i64}, {call = @weigh, microbatch = 1 : i64}, {call = @stage0, microbatch = 0 : i64}]

// -----

pipe.slot @w : tensor<4xf32> {kind = "parameter", lifetime = "run", trainable}
func.func private @update() -> (tensor<4xf32> {pipe.slot = @w})
// expected-error@+1 {{parameter "w" is updated 2 times in a step}}
pipe.schedule [{call = @update}, {call = @update}]

// -----

pipe.slot @w : tensor<4xf32> {kind = "parameter", lifetime = "run", trainable}
pipe.slot @g.w : tensor<4xf32> {kind = "gradient", lifetime = "run", of = @w}
func.func private @stage0()
// expected-error@+1 {{parameter "w" is updated 0 times in a step}}
pipe.schedule [{call = @stage0, microbatch = 0 : i64}]
