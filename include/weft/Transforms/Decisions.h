// SPDX-License-Identifier: Apache-2.0
//
// The layout decisions of the annotated phase, as attributes a user can write
// by hand. One planning pass writes them, one rewriting pass reads them.
//
//   on an op:    dist.layouts = [#dist.layout<...>, ...]   one per result
//                dist.assignment = array<i64: ...>         factor per atom, -1
//   on a slot:   its type carries the layout
#ifndef WEFT_TRANSFORMS_DECISIONS_H
#define WEFT_TRANSFORMS_DECISIONS_H

#include "weft/IR/NN/NN.h"
#include "weft/IR/Pipe/Pipe.h"

namespace weft {

inline constexpr llvm::StringLiteral kLayoutsAttrName = "dist.layouts";
inline constexpr llvm::StringLiteral kAssignmentAttrName = "dist.assignment";
/// On a constrain op: the wish of a style, which a slot outranks.
inline constexpr llvm::StringLiteral kStyleAttrName = "dist.style";
/// On a constrain op: names of axes that don't flow back to the operand. The
/// constraint of a gradient to its slot has the data axes.
inline constexpr llvm::StringLiteral kOneWayAttrName = "dist.one_way";

/// The layout of a slot: its constraint, all other axes replicated. Batch
/// inputs without a constraint have dim 0 over dp_replicate and dp_shard and
/// dim 1 over cp. A message if the constraint does not fit the tensor.
struct SlotLayout {
  Layout layout;
  std::string message;
};
SlotLayout layoutOfSlot(const Mesh &mesh, pipe::SlotOp slot);

/// The decided layout of a value in the annotated phase, or null: from the
/// attribute of its op, or from the slot of its argument.
dist::LayoutAttr decidedLayout(mlir::Value value, mlir::SymbolTable &symbols);

} // namespace weft

#endif // WEFT_TRANSFORMS_DECISIONS_H
