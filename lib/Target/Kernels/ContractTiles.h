// SPDX-License-Identifier: Apache-2.0
//
// Contractions by register tiles: f32 sums, operands f32 or widened to it.

#ifndef WEFT_LIB_TARGET_KERNELS_CONTRACTTILES_H
#define WEFT_LIB_TARGET_KERNELS_CONTRACTTILES_H

#include "ContractGroups.h"

namespace weft {

/// What describeContract says of a nest: tile, blocks, packed operands.
llvm::json::Object describeTiles(const ContractSpec &spec, const Groups &groups,
                                 const TargetInfo &target);
int64_t tiledScratchBytes(const ContractSpec &spec, const Groups &groups,
                          const TargetInfo &target);
/// The loop nest of one point of the batch letters; the kernel's last argument
/// is its scratch, if it has any.
void emitTiledContract(KernelBuilder &b, const ContractSpec &spec,
                       const Groups &groups, Bases bases);

} // namespace weft

#endif // WEFT_LIB_TARGET_KERNELS_CONTRACTTILES_H
