// SPDX-License-Identifier: Apache-2.0
//
// Virtual ranks: one global tensor held by all ranks of a mesh in one process,
// and the in-process meaning of each redistribution move.
//
// Padding is NaN from the start and is combined like data, so a move that
// lets padding into a valid element is seen.
#ifndef WEFT_TEST_LAYOUT_VIRTUALRANKS_H
#define WEFT_TEST_LAYOUT_VIRTUALRANKS_H

#include "weft/Layout/Redistribution.h"
#include <string>
#include <vector>

namespace weft::test {

using Shape = llvm::SmallVector<int64_t>;
using Buffer = std::vector<double>;

/// A row-major tensor.
struct Tensor {
  Shape shape;
  Buffer values;
};

/// What each rank holds of one tensor: all have one static shape.
struct Distributed {
  Shape localShape;
  std::vector<Buffer> ranks;
};

/// A tensor of small nonzero integers, all different: sums and products of
/// them are exact.
Tensor countingTensor(llvm::ArrayRef<int64_t> shape);

/// Cuts `tensor` as `layout` says. Where it is partial, ranks hold different
/// values that combine into the tensor's.
Distributed shard(const Mesh &mesh, const Tensor &tensor, const Layout &layout);

/// Executes `move` on all ranks.
Distributed execute(const Mesh &mesh, const Tensor &tensor, const Move &move,
                    const Distributed &input);

/// Compares the valid elements of every rank with `tensor`, partial ones
/// combined over their group; a message at the first difference.
std::optional<std::string> compare(const Mesh &mesh, const Tensor &tensor,
                                   const Layout &layout,
                                   const Distributed &actual);

/// Shards as `from`, executes `moves`, and compares after each with its
/// layout, at the end with `to`.
std::optional<std::string> checkMoves(const Mesh &mesh, const Tensor &tensor,
                                      const Layout &from, const Layout &to,
                                      llvm::ArrayRef<Move> moves);

} // namespace weft::test

#endif // WEFT_TEST_LAYOUT_VIRTUALRANKS_H
