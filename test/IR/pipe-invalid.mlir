// RUN: weft-opt %s --verify-diagnostics --split-input-file

// expected-error @+1 {{'pipe.slot' op kind is unknown: got "weight", expected one of parameter, buffer, gradient, optimizer, saved, activation, cotangent, input, scalar}}
pipe.slot @slot_c1 : tensor<4xf32> {kind = "weight", lifetime = "run"}

// -----

// expected-error @+1 {{'pipe.slot' op lifetime is unknown: got "epoch", expected one of run, step, microbatch}}
pipe.slot @slot_c1_lifetime : tensor<4xf32> {kind = "parameter", lifetime = "epoch"}

// -----

// expected-error @+1 {{'pipe.slot' op type is not a ranked tensor: got 'tensor<*xf32>'}}
pipe.slot @slot_c2 : tensor<*xf32> {kind = "parameter", lifetime = "run"}

// -----

// expected-error @+1 {{'pipe.slot' op reduce is unknown: got "first", expected one of each, last}}
pipe.slot @slot_c3 : tensor<4xf32> {kind = "parameter", lifetime = "run", reduce = "first"}

// -----

// expected-error @+1 {{'pipe.slot' op reduce_type is unknown: got 'f16', expected f32 or bf16}}
pipe.slot @slot_c4 : tensor<4xf32> {kind = "parameter", lifetime = "run", reduce_type = f16}

// -----

// expected-error @+1 {{'pipe.schedule' op entry does not name a function: got {call = @schedule_c1}}}
pipe.schedule [{call = @schedule_c1}]

// -----

func.func private @schedule_c2()
// expected-error @+1 {{'pipe.schedule' op microbatch is not a number from 0: got {call = @schedule_c2, microbatch = -1 : i64}}}
pipe.schedule [{call = @schedule_c2, microbatch = -1 : i64}]
