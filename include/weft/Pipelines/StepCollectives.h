// SPDX-License-Identifier: Apache-2.0
//
// StepCollectives: what a scheduled program communicates in one step, as a
// list for the proof of order and as a table for people.
#ifndef WEFT_PIPELINES_STEPCOLLECTIVES_H
#define WEFT_PIPELINES_STEPCOLLECTIVES_H

#include "mlir/IR/BuiltinOps.h"
#include "weft/Schedule/CollectiveOrder.h"

namespace weft {

/// Collectives of one kind, axes, phase and place, added up over a step.
struct CollectiveUse {
  std::string phase;  // weigh, seed, forward, backward, update
  std::string kind;   // all_gather
  std::string axes;   // dp_shard
  std::string module; // model.layers.*.mlp
  int64_t calls = 0;
  int64_t tensors = 0;
  /// Of whole tensors: what a rank holds after a gather, before a reduction.
  int64_t bytes = 0;
};

/// The calls that every rank of the stage issues in one step, in order. The
/// module is in the scheduled phase.
std::vector<CollectiveCall> callsOfStep(mlir::ModuleOp module);

/// The same as a table, in order of first issue; module names have `*` for
/// numbers.
std::vector<CollectiveUse> usesOfStep(mlir::ModuleOp module);

} // namespace weft

#endif // WEFT_PIPELINES_STEPCOLLECTIVES_H
