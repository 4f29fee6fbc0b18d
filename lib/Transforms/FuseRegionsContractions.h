// SPDX-License-Identifier: Apache-2.0
//
// What contractions take in, a step of prog-fuse-regions.
#ifndef WEFT_LIB_TRANSFORMS_FUSEREGIONSCONTRACTIONS_H
#define WEFT_LIB_TRANSFORMS_FUSEREGIONSCONTRACTIONS_H

#include "weft/IR/Prog/Prog.h"

namespace weft {

/// True if the arithmetic takes long. Beside a loop's memory it costs nothing,
/// between two tiles it is waited for.
bool isHeavy(prog::FusedOp region);

/// Moves into each region the contraction among its operands that comes last,
/// if it is at most `farthest` ops in front: the region then runs on sums that
/// are still in registers. What else reads the contraction gets its value as
/// another result.
///
///   region                     contraction              ->
///   gate * up                  up, kept for backward    one region, 2 results
///   x + y                      both are                 the later one
///   x + y                      y, read in between       two
///   x + bias                   x [.., 256]              one region
///   x + bias                   x [.., 250]              two: a register would
///                                                       span two rows
///   silu(gate) * up            up, kept for backward    two: long arithmetic
///   cast(x)                    x by dot products        two
///   x + y                      bf16, y in bf16          one region
///   silu(x) * y                bf16, result in f32      two: 2 + 4 bytes of an
///                                                       element are many
///   x + y                      y, a collective between  two: the contraction
///                                                       hides it
void fuseContractions(mlir::Block &block, int64_t farthest);

} // namespace weft

#endif // WEFT_LIB_TRANSFORMS_FUSEREGIONSCONTRACTIONS_H
