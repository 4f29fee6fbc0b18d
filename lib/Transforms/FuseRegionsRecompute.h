// SPDX-License-Identifier: Apache-2.0
//
// What prog-fuse-regions computes again instead of keeping it.
#ifndef WEFT_LIB_TRANSFORMS_FUSEREGIONSRECOMPUTE_H
#define WEFT_LIB_TRANSFORMS_FUSEREGIONSRECOMPUTE_H

#include "mlir/IR/Block.h"
#include <cstdint>

namespace weft {

/// Clones every elementwise op in front of those of its readers that are more
/// than `distance` ops behind it, if its value need not be kept then: all of
/// these readers are elementwise, and its operands are in memory there anyhow.
///
///   silu %gate  ... 20 ops ...  mul %d, %silu ... reads %gate   -> cloned
///   the same, but nothing reads %gate any more                  -> kept
///   the same, but a contraction reads %silu as well             -> kept
void recomputeForDistantReaders(mlir::Block &block, int64_t distance);

} // namespace weft

#endif // WEFT_LIB_TRANSFORMS_FUSEREGIONSRECOMPUTE_H
