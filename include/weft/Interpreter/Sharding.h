// SPDX-License-Identifier: Apache-2.0
//
// A global tensor cut into what each rank holds, and joined again.
#ifndef WEFT_INTERPRETER_SHARDING_H
#define WEFT_INTERPRETER_SHARDING_H

#include "weft/Interpreter/Tensor.h"
#include "weft/Layout/Layout.h"

namespace weft::interpreter {

/// What every rank of `mesh` holds of `global` under `layout`. Elements past
/// the end of an uneven dim are `padding`. Under partial axes the ranks at
/// coordinate 0 hold the value and others the neutral element (for max and
/// min all hold it).
///
///   global [1, 2, 3], mesh <dp = 2>, padding NaN
///   dp = shard(0)       ->  [1, 2]     [3, NaN]
///   dp = partial(sum)   ->  [1, 2, 3]  [0, 0, 0]
///   (replicated)        ->  [1, 2, 3]  [1, 2, 3]   one tensor, shared
RankTensors shard(const Mesh &mesh, const Layout &layout, const Tensor &global,
                  double padding);

/// The global tensor of `shape` that `locals` make up; the inverse of `shard`.
/// Partial parts are combined in ascending rank order, padding is cut off, and
/// of replicas those at coordinate 0 count.
Tensor unshard(const Mesh &mesh, const Layout &layout,
               llvm::ArrayRef<int64_t> shape, const RankTensors &locals);

/// The largest difference between two replicas of one element; infinity where
/// one of them is NaN. 0 means that the ranks agree.
double replicaDeviation(const Mesh &mesh, const Layout &layout,
                        llvm::ArrayRef<int64_t> shape,
                        const RankTensors &locals);

} // namespace weft::interpreter

#endif // WEFT_INTERPRETER_SHARDING_H
