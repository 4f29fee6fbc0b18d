// RUN: weft-opt %s --pipe-build-schedule --split-input-file | FileCheck %s
// RUN: weft-opt %s --pipe-build-schedule="microbatches=2" --split-input-file | FileCheck %s --check-prefix=TWO
// RUN: not weft-opt %s --pipe-build-schedule="microbatches=0" --split-input-file 2>&1 | FileCheck %s --check-prefix=NONE

// NONE: error: number of microbatches is out of range: got 0, expected at least 1

// Weights first, then the seeds, then every microbatch, then what is left.
// CHECK: pipe.schedule [{call = @weigh, microbatch = 0 : i64}, {call = @seed}, {call = @stage0, microbatch = 0 : i64}, {call = @stage0_reduce}, {call = @stage0_update}]
// TWO: pipe.schedule [{call = @weigh, microbatch = 0 : i64}, {call = @weigh, microbatch = 1 : i64}, {call = @seed}, {call = @stage0, microbatch = 0 : i64}, {call = @stage0, microbatch = 1 : i64}, {call = @stage0_reduce}, {call = @stage0_update}]
func.func private @weigh()
func.func private @seed()
func.func private @stage0()
func.func private @stage0_reduce()
func.func private @stage0_update()

// -----

// A function that the module lacks is not in the table.
// CHECK: pipe.schedule [{call = @stage0, microbatch = 0 : i64}]
// TWO: pipe.schedule [{call = @stage0, microbatch = 0 : i64}, {call = @stage0, microbatch = 1 : i64}]
func.func private @stage0()

// -----

// A table given by hand is left alone.
// CHECK: pipe.schedule [{call = @stage0}]
// CHECK-NOT: pipe.schedule
func.func private @stage0()
pipe.schedule [{call = @stage0}]
