// SPDX-License-Identifier: Apache-2.0
//
// Redistribution: the cheapest list of moves from one layout to another.
//
// A* over layouts; a move costs latency + bytes / bandwidth. Moves work on
// local tensors and change one atomic axis, or several at once where that is
// one exchange with the same result (reductions; even dims otherwise).
#ifndef WEFT_LAYOUT_REDISTRIBUTION_H
#define WEFT_LAYOUT_REDISTRIBUTION_H

#include "weft/Layout/Layout.h"

namespace weft {

/// `axes` below are those of the move; n is the product of their sizes and i
/// the index of a rank in its group over them. Blocks of a dim are its n
/// equal static parts, ceil(size / n) each, padded at the end.
///
///   kind           change              on each rank
///   Slice          R -> S(dim)         keeps block i of dim
///   AllGather      S(dim) -> R         blocks of the group joined along dim,
///                                      cut to the static size
///   AllToAll       S(dim) -> S(toDim)  block j of toDim goes to rank j; blocks
///                                      received are joined along dim, cut
///   AllReduce      P -> R              values of the group combined
///   ReduceScatter  P -> S(dim)         combined, then block i of dim
///   Permute        S(dim) renested     axes {a, b} nested a outside b become
///                                      b outside a: takes the tensor of rank
///                                      i_b * n_a + i_a of the group
///   MakePartial    R -> P              rank 0 keeps, others take the neutral
///                                      element; max and min: identity
///   Place          S(dim) -> P         own block in a full neutral tensor
///
/// Axes join and leave a dim as its innermost ones. Slice, MakePartial and
/// Place have one axis, Permute two; the others any number, outermost first,
/// and then dim (and toDim) is even, so that nothing is cut.
enum class MoveKind : int32_t {
  Slice,
  AllGather,
  AllToAll,
  AllReduce,
  ReduceScatter,
  Permute,
  MakePartial,
  Place,
};

/// True if several copies of a value combine into the value: max and min.
bool isIdempotent(ReduceKind kind);
/// `all_gather`, `slice`, ...
llvm::StringRef toString(MoveKind kind);

/// One step. `axes` are atomic axes of one group, outermost first (of
/// Permute: as nested before it).
struct Move {
  MoveKind kind;
  llvm::SmallVector<int, 2> axes;
  int dim = 0;
  int toDim = 0;                       // of AllToAll
  ReduceKind reduce = ReduceKind::Sum; // of moves from or to partial
  Layout after = {};                   // the layout once the move is done

  bool operator==(const Move &other) const = default;
};

/// `all_to_all tp from 0 to 1`, `reduce_scatter(sum) dp_shard to 0`, ...
std::string toString(const Mesh &mesh, const Move &move);

/// Cost of communication along one axis, in microseconds. Latency is zero by
/// default: buckets share it among tensors, and without it small and large
/// tensors of equal layouts are moved alike. (Of plans with equal traffic the
/// one with fewer moves wins anyway.)
struct AxisCost {
  double latency = 0.0;
  double microsecondsPerMegabyte = 100.0;
};

/// The cheapest moves from `from` to `to`, two valid layouts of a tensor of
/// `shape` and `elementBytes`. Deterministic. An axis that is placed alike in
/// both, outside of whatever changes, is not touched; a tensor that is partial
/// in neither is never made partial on the way.
///
///   from              to                moves
///   same              same              none
///   tp = shard(0)     tp = shard(1)     all_to_all
///   tp = shard(0)     replicated        all_gather
///   replicated        tp = shard(0)     slice
///   tp = partial      replicated        all_reduce
///   tp = partial      tp = shard(0)     reduce_scatter
///   dp, tp = partial  replicated        all_reduce over dp and tp
///   dp, tp = partial  dp = shard(0)     reduce_scatter dp, all_reduce tp
///   dp, tp on dim 0   replicated        all_gather over dp and tp if even,
///                                       else all_gather tp, all_gather dp
///   dp, tp on dim 0   tp, dp on dim 0   permute if even
llvm::SmallVector<Move> planRedistribution(const Mesh &mesh,
                                           llvm::ArrayRef<int64_t> shape,
                                           int64_t elementBytes,
                                           const Layout &from, const Layout &to,
                                           const AxisCost &cost = {});

/// The summed cost of `moves` in microseconds.
double costOf(const Mesh &mesh, llvm::ArrayRef<int64_t> shape,
              int64_t elementBytes, const Layout &from,
              llvm::ArrayRef<Move> moves, const AxisCost &cost = {});

} // namespace weft

#endif // WEFT_LAYOUT_REDISTRIBUTION_H
