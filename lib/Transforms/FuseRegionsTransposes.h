// SPDX-License-Identifier: Apache-2.0
//
// Transposes that become part of a kernel's addresses.
#ifndef WEFT_LIB_TRANSFORMS_FUSEREGIONSTRANSPOSES_H
#define WEFT_LIB_TRANSFORMS_FUSEREGIONSTRANSPOSES_H

#include "mlir/IR/Block.h"

namespace weft {

/// Lets the kernels of attention, its gradient and rotary read and write [B, H,
/// S, D] tensors as [B, S, H, D], which is how projections make and take them.
///
///   %h = transpose %x;  %y = rotary %h        -> fused %x {transpose, rotary}
///   %h = transpose %x;  %h is also multiplied -> kept
///   %o = attention ...;  %p = transpose %o, and %o is read by a gradient of
///   attention only                            -> fused {attention, transpose},
///                                                and the gradient reads %p
void fuseTransposes(mlir::Block &block);

} // namespace weft

#endif // WEFT_LIB_TRANSFORMS_FUSEREGIONSTRANSPOSES_H
