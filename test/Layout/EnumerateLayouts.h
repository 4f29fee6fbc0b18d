// SPDX-License-Identifier: Apache-2.0
//
// The small finite world of layouts that the property tests go through.
#ifndef WEFT_TEST_LAYOUT_ENUMERATELAYOUTS_H
#define WEFT_TEST_LAYOUT_ENUMERATELAYOUTS_H

#include "weft/Layout/Redistribution.h"
#include <vector>

namespace weft::test {

/// A mesh from text as in a plan: `dp = 2, tp = (2, 2)`.
Mesh meshOf(llvm::StringRef text);

/// A layout from text: `tp = shard(0), dp = partial(sum)`.
Layout layoutOf(const Mesh &mesh, llvm::StringRef text);

/// Every layout of a tensor of `numDims` dims: each axis replicated, partial
/// in one of `kinds` (one kind per layout), or at each nesting position of
/// each dim.
std::vector<Layout> allLayouts(const Mesh &mesh, int numDims,
                               llvm::ArrayRef<ReduceKind> kinds);

struct PairCount {
  int64_t pairs = 0;
  int64_t moves = 0;
  int64_t failures = 0;
};

/// Plans, executes and compares every pair of layouts; reports failures to
/// GoogleTest (the first few in words).
PairCount checkAllPairs(const Mesh &mesh, llvm::ArrayRef<int64_t> shape,
                        llvm::ArrayRef<ReduceKind> kinds,
                        const AxisCost &cost = {});

} // namespace weft::test

#endif // WEFT_TEST_LAYOUT_ENUMERATELAYOUTS_H
