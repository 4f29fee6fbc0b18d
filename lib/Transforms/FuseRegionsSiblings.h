// SPDX-License-Identifier: Apache-2.0
//
// Loops over the same memory become one.
#ifndef WEFT_LIB_TRANSFORMS_FUSEREGIONSSIBLINGS_H
#define WEFT_LIB_TRANSFORMS_FUSEREGIONSSIBLINGS_H

#include "mlir/IR/Block.h"
#include <cstdint>

namespace weft {

/// Moves a loop up to one of the same shape, at most `distance` ops before it,
/// that reads half or more of what it reads, if all of it exists there: it is
/// read once instead of twice. Only loops of long arithmetic, which no
/// contraction takes in.
///
///   %a = fused %d, %g {silu, mul}; ...; %b = fused %d, %g, %u {sigmoid, mul}
///   -> %a, %b = fused %d, %g, %u
void fuseSiblings(mlir::Block &block, int64_t distance);

} // namespace weft

#endif // WEFT_LIB_TRANSFORMS_FUSEREGIONSSIBLINGS_H
