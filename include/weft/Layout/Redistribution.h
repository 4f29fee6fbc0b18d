// SPDX-License-Identifier: Apache-2.0
//
// Redistribution: the cheapest list of moves from one layout to another.
//
// State: axes per dim in order, partial axes. Search: A* over states with a
// memo; edge cost = latency + bytes / bandwidth of the axis. Moves work on
// local tensors; each handles one atomic axis (or, for reductions, several).
#ifndef WEFT_LAYOUT_REDISTRIBUTION_H
#define WEFT_LAYOUT_REDISTRIBUTION_H

#include "weft/Layout/Layout.h"

namespace weft {

enum class MoveKind : int32_t {
  Slice,         // R -> S(dim): keep the own part; no communication
  AllGather,     // S(dim) -> R: innermost axis of the dim only
  AllToAll,      // S(dim) -> S(toDim)
  AllReduce,     // P -> R
  ReduceScatter, // P -> S(dim), as innermost axis of the dim
  Permute,       // same kinds, other nesting: one exchange over `axes`
  MakePartial,   // R -> P: coordinate 0 keeps, others take the neutral element
  Place,         // S(dim) -> P: own slice in a neutral full tensor
};

/// One step. `axes` are atomic axes of one group, outermost first.
struct Move {
  MoveKind kind;
  llvm::SmallVector<int, 2> axes;
  int dim = 0;
  int toDim = 0;
  ReduceKind reduce = ReduceKind::Sum;
  Layout after; // the layout once the move is done

  bool operator==(const Move &other) const = default;
};

/// Cost of communication along one axis, in microseconds.
struct AxisCost {
  double latency = 10.0;
  double microsecondsPerMegabyte = 100.0;
};

/// The cheapest moves from `from` to `to` for a tensor of `shape` and
/// `elementBytes`. Deterministic. A redistribution between equal layouts has
/// no moves. S(i) -> S(j) over one axis is one AllToAll.
llvm::SmallVector<Move> planRedistribution(const Mesh &mesh,
                                           llvm::ArrayRef<int64_t> shape,
                                           int64_t elementBytes,
                                           const Layout &from,
                                           const Layout &to,
                                           const AxisCost &cost = {});

/// The summed cost of `moves` in microseconds.
double costOf(const Mesh &mesh, llvm::ArrayRef<int64_t> shape,
              int64_t elementBytes, const Layout &from,
              llvm::ArrayRef<Move> moves, const AxisCost &cost = {});

} // namespace weft

#endif // WEFT_LAYOUT_REDISTRIBUTION_H
