// SPDX-License-Identifier: Apache-2.0
//
// Check: static proofs on a program in the scheduled phase. They follow values
// through the ops and collectives of one rank and know nothing of the passes
// that made them, so a fault of a pass is found like an edit by hand.
//
//   proof        says
//   order        all ranks issue the same collectives and none waits for ever
//   futures      a started collective is waited for exactly once
//   slots        a function writes a slot at most once
//   step         a step loses no value of a slot; parameters and optimizer
//                state are written once
//   placements   every op fits how its operands lie on the mesh, from slot to
//                slot: nothing is gathered, reduced or added that should not
//   gradients    each is summed once over each data axis, and added to what
//                the microbatches before left; the next step begins at zero
#ifndef WEFT_PIPELINES_CHECK_H
#define WEFT_PIPELINES_CHECK_H

#include "mlir/IR/BuiltinOps.h"

namespace weft {

/// What was to be proved, with counts, and whether it holds. Findings are
/// diagnostics at the ops at fault.
struct Proof {
  std::string claim;
  bool holds;
};

/// The proofs above, in that order. The module has passed the verifiers of its
/// phase.
std::vector<Proof> proveScheduled(mlir::ModuleOp module);

Proof proveOrder(mlir::ModuleOp module);
Proof proveFutures(mlir::ModuleOp module);
Proof proveSlots(mlir::ModuleOp module);
Proof proveStep(mlir::ModuleOp module);
Proof provePlacements(mlir::ModuleOp module);
Proof proveGradients(mlir::ModuleOp module);

/// A verified program has the calls of the scheduled module it was made of.
Proof proveProgram(mlir::ModuleOp scheduled, mlir::ModuleOp program);

} // namespace weft

#endif // WEFT_PIPELINES_CHECK_H
