// SPDX-License-Identifier: Apache-2.0
//
// Temporaries: the buffers of a program function that are no slot's memory,
// and when they are in use. What prog-plan-memory places and prog-verify
// checks.
#ifndef WEFT_LIB_TRANSFORMS_TEMPORARIES_H
#define WEFT_LIB_TRANSFORMS_TEMPORARIES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "weft/IR/Pipe/Pipe.h"
#include "weft/IR/Prog/Prog.h"
#include "weft/Memory/MemoryPlan.h"

namespace weft {

/// In order of first use.
struct Temporaries {
  llvm::SmallVector<prog::BufferOp> buffers;
  /// One per buffer: from the first op that names it, or a view of it, to the
  /// last. A step is the position of an op in the function.
  std::vector<Lifetime> lifetimes;
};

Temporaries temporariesOf(mlir::func::FuncOp function);

/// The type of what each rank holds of a slot.
mlir::RankedTensorType localSlotType(pipe::SlotOp slot);

/// Where slots lie, as a plan: all of those of a region live at once.
struct SlotPlan {
  std::vector<Lifetime> lifetimes;
  MemoryPlan plan;
};
SlotPlan slotsOf(mlir::ModuleOp module, llvm::StringRef region);

} // namespace weft

#endif // WEFT_LIB_TRANSFORMS_TEMPORARIES_H
