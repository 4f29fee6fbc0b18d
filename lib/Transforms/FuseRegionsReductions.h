// SPDX-License-Identifier: Apache-2.0
//
// The last step of prog-fuse-regions.
#ifndef WEFT_LIB_TRANSFORMS_FUSEREGIONSREDUCTIONS_H
#define WEFT_LIB_TRANSFORMS_FUSEREGIONSREDUCTIONS_H

#include "mlir/IR/Block.h"

namespace weft {

/// Moves each region whose only value only a reduction reads into one with the
/// reduction, as far as the kernel then combines the elements in the order in
/// which it combines them from memory.
///
///   region                        reduced             ->
///   g * g                         all dims            one region
///   f(x)                          rows of 256         one region
///   f(x)                          rows of 8           two: vectors of 64
///   x * repeat(w) along rows      rows of 256         one region
///   x * repeat(w) along rows      all dims            two: sums run across
///                                                     rows, reads of w do not
///   f(x), read by another op too                      two
void fuseReductions(mlir::Block &block);

} // namespace weft

#endif // WEFT_LIB_TRANSFORMS_FUSEREGIONSREDUCTIONS_H
