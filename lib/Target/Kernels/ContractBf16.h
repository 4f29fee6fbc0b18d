// SPDX-License-Identifier: Apache-2.0
//
// Contractions of bf16 operands by instructions that multiply pairs of bf16
// and add in f32: AMX tiles, or AVX512-BF16.

#ifndef WEFT_LIB_TARGET_KERNELS_CONTRACTBF16_H
#define WEFT_LIB_TARGET_KERNELS_CONTRACTBF16_H

#include "ContractGroups.h"

namespace weft {

/// True if the CPU has such instructions and both operands are contiguous
/// along one of the two letters that a panel is made of.
bool takesPairs(const ContractSpec &spec, const Groups &groups,
                const TargetInfo &target);
int64_t pairScratchBytes(const ContractSpec &spec, const Groups &groups);
/// The body of the kernel; its last argument is the scratch.
void emitPairContract(KernelBuilder &b, const ContractSpec &spec,
                      const Groups &groups);

} // namespace weft

#endif // WEFT_LIB_TARGET_KERNELS_CONTRACTBF16_H
