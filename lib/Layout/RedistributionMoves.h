// SPDX-License-Identifier: Apache-2.0
//
// The moves a redistribution may make from a layout, and what each costs.
// Private to the planner: Redistribution.cpp searches over them.
#ifndef WEFT_LIB_LAYOUT_REDISTRIBUTIONMOVES_H
#define WEFT_LIB_LAYOUT_REDISTRIBUTIONMOVES_H

#include "weft/Layout/Redistribution.h"

namespace weft {

/// One redistribution to plan, and what it may touch.
struct RedistributionProblem {
  RedistributionProblem(const Mesh &mesh, llvm::ArrayRef<int64_t> shape,
                        const Layout &from, const Layout &to);

  const Mesh &mesh;
  llvm::ArrayRef<int64_t> shape;
  const Layout &to;
  /// Per atomic axis: its placement changes, or it is nested inside one whose
  /// placement changes. The others stay where they are in every plan.
  llvm::SmallVector<bool, 8> movable;
  /// Partial kinds of `from` and `to`. No plan uses another, so a tensor that
  /// is not partial is never summed (it may hold indices or booleans).
  llvm::SmallVector<ReduceKind, 2> kinds;

  int numDims() const { return static_cast<int>(shape.size()); }
};

/// All moves from `layout` that may be part of a cheapest plan, in a fixed
/// order.
llvm::SmallVector<Move, 16> possibleMoves(const RedistributionProblem &problem,
                                          const Layout &layout);

/// True if ranks exchange data in such a move.
bool communicates(MoveKind kind);

} // namespace weft

#endif // WEFT_LIB_LAYOUT_REDISTRIBUTIONMOVES_H
