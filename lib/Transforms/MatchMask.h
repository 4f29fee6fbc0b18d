// SPDX-License-Identifier: Apache-2.0
//
// What the mask of a spelled-out attention means. Nothing is rewritten here.
#ifndef WEFT_LIB_TRANSFORMS_MATCHMASK_H
#define WEFT_LIB_TRANSFORMS_MATCHMASK_H

#include "mlir/IR/Value.h"
#include "llvm/ADT/SmallVector.h"
#include <optional>

namespace weft {

/// A value whose dim i lies on dim `dims[i]` of the mask; -1 for dims of size
/// 1 that lie on none.
struct PlacedValue {
  mlir::Value value;
  llvm::SmallVector<int64_t> dims;
};

/// The dims of a mask that are samples, queries and keys.
struct MaskDims {
  int64_t batch, query, key;
};

/// What masked scores are at most: their weights are 0 in any type.
inline constexpr double kVeryLow = -1e9;

/// The mask as `nn.attention` says it; values are null where it does not.
struct MaskMeaning {
  MaskDims dims;
  bool isCausal = false;
  std::optional<int64_t> window;
  PlacedValue queryPositions, keyPositions;
  PlacedValue queryDocuments, keyDocuments;
};

/// Reads a mask: a conjunction of comparisons of integers, or a number that is
/// 0 where it holds and very low elsewhere. p and r are positions of keys and
/// queries, each along its dim only; d and e their documents, along the samples
/// too.
///
///   p <= r, r >= p, p < r + 1    causal
///   p > r - 4, r - p < 4         no: the difference is not a comparison's side
///   p > r - 4, p + 4 > r         window 4, beside a causal one
///   d == e                       documents
///   true                         says nothing
///   p <= r - 1, p != r, p | r    nothing
std::optional<MaskMeaning> readMask(mlir::Value mask, const MaskDims &dims);

} // namespace weft

#endif // WEFT_LIB_TRANSFORMS_MATCHMASK_H
