/* SPDX-License-Identifier: Apache-2.0
 *
 * Program: the C ABI between a compiled program and the runtime.
 *
 * A program is a shared object that exports
 *   - `const char weft_program[]`: its descriptor, a NUL-terminated JSON text;
 *   - one `weft_function` per function named in the schedule.
 * It allocates nothing, calls nothing of the runtime but the callbacks in
 * `weft_context`, and keeps no state outside the regions, so several ranks
 * may run it in one process. This is the only header generated code may
 * include.
 *
 * Descriptor
 *   "abi": WEFT_ABI_VERSION
 *   "key": content key of the artefact, hex; ranks with different keys refuse
 *          to train together
 *   "mesh": [{"name": "tp.0", "axis": "tp", "size": 2}, ...]
 *          atomic axes, outermost first; ranks are row-major over them
 *   "regions": {"run": N, "step": N, "microbatch": N, "input": N}  bytes
 *   "occupied": {"run": [[begin, end], ...], ...}: the bytes of each region
 *          that some value has; absent: all of it       (for measurements)
 *   "exchanged": {"run": N, ...}: inputs of collectives and outputs of
 *          all_reduce, all but small ones, lie in the first N bytes of the
 *          region; absent: anywhere                              (optional)
 *   "microbatches": M      "batch": B, samples of one global microbatch
 *   "communicator": "auto" | "shared_memory" | "gloo" | "nccl"   (optional)
 *   "libraries": [folders] where provider libraries may lie, after those of
 *          the executable and WEFT_LIB_PATH                     (optional)
 *   "weights": directory of the stored tensors; a relative path begins at the
 *          program's folder, else at the working directory      (optional)
 *   "optimizer": {"lr", "lr_min", "warmup_steps", "decay", "steps"}
 *          decay = none | linear | sqrt | cosine; steps = 0 or absent: the
 *          number of steps asked for on the command line     (optional)
 *   "target": {"cpu", "instructions": ["avx2", "fma", ...]}: what it was made
 *          for, and what a host must have                    (optional)
 *   "tiles": true if kernels use the CPU's tile registers (AMX), which the
 *          runtime asks the system for                       (optional)
 *   "slots": [{"name", "kind", "dtype", "global_shape", "local_shape",
 *              "layout": [{"axis": 0, "dim": 0}, ...], "partial": [axes],
 *              "region", "offset", "stored", "names", "trainable",
 *              "gradient_of", "indices", "ignores"}]
 *          kind = parameter | buffer | gradient | optimizer | input | scalar |
 *          activation; dtype = f64 | f32 | bf16 | f16 | i64 | i32 | i1 (one
 *          byte); layout in nesting order, outermost first, each axis leaves
 *          ceil(size / n) of its dim; offset in bytes, a multiple of 64;
 *          indices (optional): elements are less than it, or -100 for none if
 *          `ignores`
 *   "collectives": [{"id", "kind", "axes", "reduce", "operands", "loc",
 *                    "gathered"}]
 *          id = position in the list. kind = all_gather | all_reduce |
 *          reduce_scatter | all_to_all | permute. The ranks that share all
 *          coordinates but those of `axes` form a group of n, ordered by their
 *          coordinates on `axes`, the first listed outermost. Operands, in
 *          elements:
 *            all_gather      [outer, inner]     -> [outer, n * inner]
 *            reduce_scatter  [outer, n * inner] -> [outer, inner]
 *            all_reduce      [outer * inner]    -> same
 *            all_to_all      "split": {outer, inner}, "concat": {outer, inner}:
 *                            [split.outer, n, split.inner] -> piece j to rank
 *                            j -> [concat.outer, n, concat.inner]; a piece
 *                            keeps its row-major order
 *            permute         "pairs": [[from, to], ...] in group indices; a
 *                            rank that receives nothing gets zeros
 *          Reductions ("reduce" = sum | max | min) combine in ascending rank
 *          order. Several operands make one bucket. gathered (optional, of an
 *          all_gather): the program finds output i at entry gathered + i of
 *          the context's list of that name; no inputs are written but by
 *          functions that end in `_update`
 *   "sites": [{"op", "kind", "kernel", "collective", "function", "loc",
 *              "flops", "bytes"}]                             (optional)
 *          what `mark` numbers: launches, copies, starts and waits of
 *          collectives. op = its text for people; kind = contraction |
 *          attention | rows | elementwise | reduction | lookup | copy |
 *          collective | other; flops of contractions and attention on this
 *          rank, absent or 0 for others; bytes it reads and writes
 *   "schedule": {"step": [{"call": "stage0", "microbatch": 0}, ...]}
 *
 * Slots with a meaning of their own
 *   written before a step: `step` (f32, from 1), `lr` (f32); before a call
 *     that ends in `_update`: `fingerprint` (f64 [4], 16 bits each: the hash
 *     of all collectives issued since the program started)
 *   read after a step: `loss`, `grad_norm`, `skipped` (0 or 1), `num_tokens`
 *     (all f32), `fingerprint.sum` (f64 [4])
 *   kind input: rows that pad an uneven batch shard hold token 0, label -100
 *     (a slot named `labels`), 0 in others
 *   region step: these slots are zero when a step begins
 */
#ifndef WEFT_RUNTIME_PROGRAM_H
#define WEFT_RUNTIME_PROGRAM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_ABI_VERSION 3

enum weft_region {
  WEFT_REGION_RUN = 0,
  WEFT_REGION_STEP = 1,
  WEFT_REGION_MICROBATCH = 2,
  WEFT_REGION_INPUT = 3, /* one copy per microbatch */
  WEFT_NUM_REGIONS = 4
};

/* What a function may ask of the runtime. `inputs` and `outputs` hold one
 * pointer per operand of the collective; the arrays are read by `start`, the
 * operands at any time until `wait` returns, also by peers: until then inputs
 * keep their values and outputs are neither read nor written. An output may be
 * its own input (all_reduce); no other overlap. */
typedef struct weft_context {
  int64_t abi_version;
  const int64_t *coordinates; /* of this rank, one per atomic mesh axis */
  void (*start)(struct weft_context *, int64_t collective,
                const void *const *inputs, void *const *outputs);
  void (*wait)(struct weft_context *, int64_t collective);
  /* Reserved for kernel providers: null today. */
  void (*provider)(struct weft_context *, int64_t call, const void *const *in,
                   void *const *out);
  /* What the function does from here on, up to the next mark or its end, is
   * `site` of the descriptor. For profiles: does nothing without one. */
  void (*mark)(struct weft_context *, int64_t site);
  /* From the `wait` of a collective with "gathered" to the next function that
   * ends in `_update`: its outputs, to be read only. They are where `start` was
   * told, or wherever else the same can be read. */
  const void *const *gathered;
} weft_context;

/* A function of the program; `regions` holds the base of each weft_region,
 * 64-byte aligned, zeroed when allocated. */
typedef void (*weft_function)(weft_context *, char *const *regions);

#ifdef __cplusplus
}
#endif

#endif /* WEFT_RUNTIME_PROGRAM_H */
