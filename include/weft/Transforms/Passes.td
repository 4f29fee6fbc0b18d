// SPDX-License-Identifier: Apache-2.0
//
// All passes, in the order of the pipeline. Each is one file in
// lib/Transforms, one flag of weft-opt, one test in test/Transforms.
#ifndef WEFT_TRANSFORMS_PASSES
#define WEFT_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

class Weft_Pass<string flag> : Pass<flag, "::mlir::ModuleOp"> {
  let dependentDialects = ["::weft::dist::DistDialect", "::weft::nn::NNDialect",
                           "::weft::pipe::PipeDialect",
                           "::mlir::func::FuncDialect"];
}

//===----------------------------------------------------------------------===//
// global
//===----------------------------------------------------------------------===//

def RecognizeCompositesPass : Weft_Pass<"nn-recognize-composites"> {
  let summary = "turn decomposed forms into composite ops";
  let description = [{
    Norms, rotary embeddings, softmax, attention and cross-entropy written in
    elementary ops become `nn.rms_norm` and so on, which have a better kernel or
    a better sharding rule than their parts. The forms are functions in
    lib/Transforms/Composites.mlir, embedded in the compiler; its head says how
    they are read. A mask of attention becomes `causal`, `window` and documents;
    attention with any other mask stays as it is. Looks through `nn.boundary`; parts that something else uses
    stay.
  }];
  let options = [
    Option<"forms", "forms", "std::string", /*default=*/"",
           "a file of forms to use in place of the embedded ones">,
  ];
}

class Weft_ProgPass<string flag> : Pass<flag, "::mlir::ModuleOp"> {
  let dependentDialects = ["::weft::dist::DistDialect", "::weft::nn::NNDialect",
                           "::weft::pipe::PipeDialect",
                           "::weft::prog::ProgDialect",
                           "::mlir::func::FuncDialect"];
}

//===----------------------------------------------------------------------===//
// global -> annotated
//===----------------------------------------------------------------------===//

def VerifyGlobalPass : Weft_Pass<"nn-verify-global"> {
  let summary = "check that a model is plain nn ops";
  let description = [{
    Closes the global phase: there is @model, ops are of nn (and wishes of
    dist), types are tensors of static shape without layout.
  }];
}

def PlanIndicesPass : Weft_Pass<"nn-plan-indices"> {
  let summary = "bound the indices that inputs hold";
  let description = [{
    Follows the indices of every lookup (embedding, pick, cross_entropy) to
    where they come from. A slot is told how many entries the smallest table
    has (`pipe.indices`), and whether -100 may stand for none (`pipe.ignores`);
    the runtime refuses data with other values. Positions that a table lacks
    are an error here. It writes attributes only.

    ```mlir
    pipe.slot @tokens : tensor<4x3xi64> {..., pipe.indices = 256 : i64}
    ```
  }];
}

def ApplyPlanPass : Weft_Pass<"dist-apply-plan"> {
  let summary = "turn the plan into a mesh, units and constraints";
  let description = [{
    Reads the plan file and the styles the model publishes (`weft.tp_plan`),
    and writes: the mesh, with tp split into sub-axes where key-value heads
    need it; constraints and units on slots; `dist.constrain` where a parameter
    in shards is used and at the boundaries of modules. Erases `nn.boundary`
    and leaves a record in `weft.applied`. A module that has a mesh is left
    alone, and so is what a slot says already.
  }];
  let options = [
    Option<"configFile", "config", "std::string", /*default=*/"",
           "the plan file; defaults without it">,
    ListOption<"overrides", "set", "std::string",
               "values over the plan file's: mesh.tp=2">,
  ];
}

def ApplyPrecisionPass : Weft_Pass<"nn-apply-precision"> {
  let summary = "compute in a narrow type where it is safe";
  let description = [{
    With `compute=bf16` every parameter is cast in front of its first use, so
    that a gather moves narrow numbers, and the ops of @model change type:
    contractions, attention and embeddings take and yield bf16; norms and
    rotary embeddings take the type of their operand and compute in f32;
    products, functions and sums of elements are in f32, as are statistics and
    the loss; anything else takes the widest type of its operands. Slots keep
    their types: parameters, gradients and optimizer state are f32.

    `reduce` is the type in which gradients are reduced over ranks, written to
    the parameters' slots.

    ```mlir
    %narrow = nn.cast %w : (tensor<8x4xf32>) -> tensor<8x4xbf16>
    %y = nn.contract "md,nd->mn" %x, %narrow : (tensor<2x4xbf16>, tensor<8x4xbf16>) -> tensor<2x8xbf16>
    ```
  }];
  let options = [
    Option<"compute", "compute", "std::string", /*default=*/"\"f32\"",
           "type of activations and gathered parameters: f32 or bf16">,
    Option<"reduce", "reduce", "std::string", /*default=*/"\"f32\"",
           "type in which gradients are reduced: f32 or bf16">,
  ];
}

//===----------------------------------------------------------------------===//
// annotated -> staged
//===----------------------------------------------------------------------===//

def OutlineWeightsPass : Weft_Pass<"nn-outline-weights"> {
  let summary = "compute the weights of loss terms ahead of the model";
  let description = [{
    A loss is the sum of coefficient_i * sum_i / W_i, where W_i adds up the
    weights of all microbatches. The weights of @model depend on batch inputs
    only (else an error that names the op); what computes them moves to @weigh,
    which adds them to the slots `term<i>.weight`, partial(sum) over the data
    axes. @seed combines these once a step and writes the seeds of backward,
    `term<i>.seed` = coefficient_i / W_i, 0 where W_i is 0. @model keeps the
    sums. The update zeroes the weights. Without `accumulate`, for a step of
    one microbatch, @weigh writes what it computes and nothing is zeroed.

    ```mlir
    func.func @seed(%w: tensor<f32> {pipe.slot = @term0.weight})
        -> (tensor<f32> {pipe.slot = @term0.seed})
    ```
  }];
  let options = [
    Option<"accumulate", "accumulate", "bool", /*default=*/"true",
           "add to what the microbatches before left">,
  ];
}

def DifferentiatePass : Weft_Pass<"nn-differentiate"> {
  let summary = "make the joint function of forward and backward";
  let description = [{
    @model becomes @stage0, which also takes the seeds, the accumulators of
    the loss sums and the gradient slots, and yields the last two with this
    microbatch added. Cotangents are built in reverse program order by the
    ops' adjoints and lie behind the forward ops; their locations are those of
    the primal with "/grad" behind the name.

    The cotangent of a `dist.constrain` wishes its shard entries and leaves the
    replicate entries open, so that it may be partial. A parameter's gradient
    takes its slot's constraint when it is added to the slot `g.<parameter>`
    (f32, lifetime run); with `reduce = "last"` it is added unreduced to
    `g.<parameter>.open`, and @stage0_reduce moves the open slots to the
    gradient slots once a step. A trainable parameter that no loss term depends
    on gets no gradient slot, and a remark.

    Without `accumulate`, for a step of one microbatch, sums and gradients are
    written, not added: @stage0 does not take their slots, and `"last"` has
    nothing to wait for, so it is `"each"`.

    ```mlir
    %new = nn.sum_of %old, %gradient : tensor<64x64xf32>
    ```
  }];
  let options = [
    Option<"accumulate", "accumulate", "bool", /*default=*/"true",
           "add to what the microbatches before left">,
  ];
}

def BuildUpdatePass : Weft_Pass<"nn-build-update"> {
  let summary = "build clipping, optimizer and metrics of a step";
  let description = [{
    Makes @stage0_update from the gradient slots: the finite check, the clip
    factor min(1, clip / (norm + 1e-6)) and the optimizer as ordinary ops on
    slots, with PyTorch's arithmetic. Writes parameters, optimizer state (slots
    `m.<parameter>`, `v.<parameter>`), zeros where the step accumulates (gradients,
    sums and weights), and the scalars `loss`, `grad_norm`, `skipped`, `num_tokens` and
    `fingerprint.sum`. Reads the scalars `step` (from 1), `lr` and
    `fingerprint`, which the runtime writes.

    Loss sums, weights, the norm and the fingerprint travel as one f64 vector:
    each part is made partial over all axes, so that a value held by many ranks
    counts once, then the vector is reduced once. With `clip-norm=inf` the
    maximum takes a reduction of its own. A step with a gradient that is not
    finite is reported as skipped; with `skip-nonfinite` it also changes no
    parameter and no state.
  }];
  let options = [
    Option<"name", "name", "std::string", "\"adamw\"", "adamw or sgd">,
    Option<"beta1", "beta1", "double", "0.9", "decay of the mean (adamw)">,
    Option<"beta2", "beta2", "double", "0.95",
           "decay of the mean square (adamw)">,
    Option<"eps", "eps", "double", "1e-8", "added to the root (adamw)">,
    Option<"weightDecay", "weight-decay", "double", "0.1",
           "decoupled for adamw, added to the gradient for sgd">,
    Option<"momentum", "momentum", "double", "0.0", "of sgd; 0: no state">,
    Option<"clip", "clip", "double", "1.0", "largest norm; 0: no clipping">,
    Option<"clipNorm", "clip-norm", "std::string", "\"2\"", "1, 2 or inf">,
    Option<"skipNonfinite", "skip-nonfinite", "bool", "false",
           "keep parameters and state where a gradient is not finite">,
  ];
}

def VerifyStagesPass : Weft_Pass<"pipe-verify-stages"> {
  let summary = "check that functions meet in slots";
  let description = [{
    Closes the staged phase: every argument and result names a slot of its
    type; no slot is read by two arguments or written by two results of one
    function.
  }];
}

//===----------------------------------------------------------------------===//
// staged -> typed
//===----------------------------------------------------------------------===//

def PropagateLayoutsPass : Weft_Pass<"dist-propagate-layouts"> {
  let summary = "decide a layout for every value and slot";
  let description = [{
    Fixed point in program order over the ops' sharding rules. An axis on a
    value carries the priority of its source: explicit > slot and input >
    style > forward op > backward op; among equals fewer bytes, then the lower dim.
    Writes the decided layout of each value in the attribute `dist.layouts` of
    its op (of its function, for arguments), and of each slot in
    `dist.layout`; a value or slot that has one already is left alone.
  }];
}

def DecomposeShardedPass : Weft_Pass<"dist-decompose-sharded"> {
  let summary = "decompose ops whose whole factor stays sharded";
  let description = [{
    Where a slot, a style or a constraint shards a dim that an op needs whole,
    and the op has a decomposition, the op becomes it and propagation goes on
    over the new values only. With loss parallelism cross-entropy becomes
    three reductions of [batch, seq] fields.
  }];
}

def MaterializeLayoutsPass : Weft_Pass<"dist-materialize-layouts"> {
  let summary = "turn decided layouts into types";
  let description = [{
    Precondition: every op carries `dist.layouts` and `dist.assignment`.
    Effect: every tensor type carries its layout, every disagreement between
    producer and consumer is a `dist.redistribute`, constrain ops are gone. A
    partial value is resolved at the point of fewest bytes on its linear
    chain, the earliest on ties.
  }];
}

def OptimizeRedistributesPass : Weft_Pass<"dist-optimize-redistributes"> {
  let summary = "merge and drop layout changes";
  let description = [{
    A redistribute of a redistribute with no other use becomes one; one that
    changes nothing is dropped; equal ones are shared.
  }];
}

def VerifyTypedPass : Weft_Pass<"dist-verify-typed"> {
  let summary = "check that every tensor type carries its layout";
  let description = [{
    Closes the typed phase: no `dist.constrain`, no tensor without a layout,
    all layouts on the module's mesh, slots and arguments agree.
  }];
}

//===----------------------------------------------------------------------===//
// typed -> local
//===----------------------------------------------------------------------===//
def PartitionPass : Weft_Pass<"dist-partition"> {
  let summary = "give every rank its part of the program";
  let description = [{
    Typed tensors become local ones, redistributes the collectives of the
    planned moves. Positional and indexed factors that are sharded give the op
    its offset; an uneven reduced factor masks the padding of every operand
    that has it. One program for all ranks: nothing names a rank.
  }];
}

def PlanRecomputePass : Weft_Pass<"dist-plan-recompute"> {
  let summary = "decide which gathered parameters backward gathers again";
  let description = [{
    Writes `gathered = "again" | "saved"` on every all_gather of a parameter
    that belongs to a unit; one that is there is left alone.
  }];
  let options = [
    Option<"reshard", "reshard", "std::string", /*default=*/"\"default\"",
           "blocks: default (all but the last again), always or never">,
    Option<"root", "root", "std::string", /*default=*/"\"gather\"",
           "the root unit: gather again, or keep">,
  ];
}

def ApplyRecomputePass : Weft_Pass<"dist-apply-recompute"> {
  let summary = "gather again what backward does not find";
  let description = [{
    Clones each gather marked "again", with the ops that only change its form,
    before the first backward user; forward keeps the original.
  }];
}

def BucketCollectivesPass : Weft_Pass<"dist-bucket-collectives"> {
  let summary = "merge the collectives of a unit";
  let description = [{
    What leads from a gradient to its slot moves up behind the gradient. Then
    gathers of one unit become one op before their first use, reductions of
    one unit one op behind their last operand. With a bucket size reductions
    of several units merge while they fit.
  }];
  let options = [
    Option<"bucketBytes", "bucket-bytes", "int64_t", /*default=*/"0",
           "size up to which reductions merge across units; 0: never">,
  ];
}

def OverlapCollectivesPass : Weft_Pass<"dist-overlap-collectives"> {
  let summary = "start collectives early and wait for them late";
  let description = [{
    Every collective becomes a `dist.start` where its operands are known and a
    `dist.wait` before its first user. Gathers of parameters move up by the
    prefetch policy: `pre` while the unit before computes, `post` before the
    gradient reduction they would stand behind, `none` not at all. No value
    changes a bit.
  }];
  let options = [
    Option<"policy", "prefetch", "std::string", /*default=*/"\"pre\"",
           "pre, post or none">,
  ];
}

def BuildSchedulePass : Weft_Pass<"pipe-build-schedule"> {
  let summary = "write the table of one step";
  let description = [{
    One stage: weigh per microbatch, seed, the joint function per microbatch,
    the reduction of open gradients, the update. A table that is there is left
    alone.
  }];
  let options = [
    Option<"microbatches", "microbatches", "int64_t", /*default=*/"1",
           "microbatches of a step">,
  ];
}

def VerifySchedulePass : Weft_Pass<"pipe-verify-schedule"> {
  let summary = "prove the table of a step";
  let description = [{
    Closes the scheduled phase: there is one table, every microbatch runs once
    through each function that has microbatches, every parameter is updated
    exactly once.
  }];
}

def VerifyLocalPass : Weft_Pass<"dist-verify-local"> {
  let summary = "check that the program is one rank's view";
  let description = [{
    Closes the local phase: no type in a function carries a layout, no
    `dist.redistribute`, every collective names axes of the mesh and a group
    of more than one rank.
  }];
}

//===----------------------------------------------------------------------===//
// local -> program
//===----------------------------------------------------------------------===//

def DecomposeMovesPass : Weft_ProgPass<"prog-decompose-moves"> {
  let summary = "rank-dependent ops as ordinary ops on a coordinate";
  let description = [{
    `dist.make_partial`, `nn.mask_tail` and an `nn.iota` with an offset become
    elementwise ops on a `dist.coordinate` or `dist.extent`;
    `dist.shard_slice` becomes a `prog.window`.

    ```mlir
    %start = dist.coordinate over #mesh ["tp"] scale 4 : tensor<i64>
    %y = prog.window %x from %start dim 0 : (tensor<8xf32>, tensor<i64>) -> tensor<4xf32>
    ```
  }];
}

def FuseRegionsPass : Weft_ProgPass<"prog-fuse-regions"> {
  let summary = "make one loop of elementwise ops";
  let description = [{
    Elementwise ops of one shape that feed each other become a `prog.fused`,
    as far as nothing outside needs a value in between; splat constants, iotas
    and broadcasts are cloned into every region that reads them; so are ops that
    only distant elementwise ops read, where their operands are in memory anyhow,
    so that backward keeps fewer values. A region whose value only a reduction
    reads ends in that reduction, and its elements are in no memory. A region
    that reads a contraction begins with it, the last one if there are several,
    and runs on its sums in registers. A region with exp, log or the like does so
    only if nothing else reads the sums; one behind a contraction of bf16 only if
    it reads and writes at most 4 bytes of an element, since those sums come
    faster than memory. Of two loops with exp or the like close to each other the
    second joins the first if it reads half of the same. Rotary, attention and its gradient take in transposes of
    heads and rows. Greedy in program order. No elementwise op is left outside of a
    region; no bit changes.

    ```mlir
    %y = prog.fused %gate, %up : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32> {
    ^bb0(%g: tensor<4x8xf32>, %u: tensor<4x8xf32>):
      %s = nn.silu %g : tensor<4x8xf32>
      %m = nn.mul %s, %u : tensor<4x8xf32>
      prog.yield %m : tensor<4x8xf32>
    }
    ```
  }];
  let options = [
    Option<"alone", "alone", "bool", "false",
           "a loop for every op, to see whether fusion is at fault">,
  ];
}

def LowerProgramPass : Weft_ProgPass<"prog-lower"> {
  let summary = "turn tensors into buffers and ops into launches";
  let description = [{
    Every value gets a `prog.buffer`: the slot's for arguments, for results
    where the old value is not read any more when the new one is written, else
    a temporary and a `prog.copy` at the end. An elementwise region may write
    over an operand that dies there, and so may an all-reduce and the gradient
    of the cross-entropy over the logits. Reshapes are views. Every other op becomes
    a `prog.launch` of a kernel: a private function that holds the op, marked
    `prog.kernel` and shared by all ops of equal content. Collectives are
    numbered over the program.

    ```mlir
    %w = prog.buffer "run" slot @w : memref<8xf32>
    %g = prog.buffer "run" slot @g.w : memref<8xf32>
    prog.launch @fused_sub_0c1b ins(%w, %g : memref<8xf32>, memref<8xf32>)
        outs(%w : memref<8xf32>)
    ```
  }];
}

def PlanMemoryPass : Weft_ProgPass<"prog-plan-memory"> {
  let summary = "give every buffer its offset";
  let description = [{
    Slots lie in their regions in program order, those that collectives read
    or write first: the program's descriptor says how far peers have to reach.
    Temporaries share the rest of
    the region `microbatch`: within a function by lifetime (best fit, largest
    first), and all functions from its start, since they don't overlap in time.
    A module whose buffers have offsets is left alone. Writes the sizes of the
    regions, which end where their last value ends, to `prog.regions`, and what
    the memory is used for at the fullest moment to `prog.memory`.
  }];
}

def VerifyProgramPass : Weft_ProgPass<"prog-verify"> {
  let summary = "check that the program is ready to be emitted";
  let description = [{
    Closes the program phase: no tensor outside of kernels, every buffer lies
    in its region, at its slot's place or behind all slots, buffers that are in
    use at the same time share no byte, every launch has the types of its
    kernel, collectives are numbered in order.
  }];
}

#endif // WEFT_TRANSFORMS_PASSES
