// SPDX-License-Identifier: Apache-2.0
//
// prog-lower for a known target; Passes.td describes it. Also the attributes
// that the program phase is described by.
#ifndef WEFT_TRANSFORMS_LOWERPROGRAM_H
#define WEFT_TRANSFORMS_LOWERPROGRAM_H

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <functional>
#include <memory>

namespace mlir {
class Operation;
class Pass;
} // namespace mlir

namespace weft {

/// Marks a kernel: a private function that holds one op on tensors.
inline constexpr llvm::StringLiteral kKernelAttrName = "prog.kernel";
/// On a kernel: bytes of scratch memory it takes, absent if none.
inline constexpr llvm::StringLiteral kScratchAttrName = "prog.scratch";
/// On the module: {run, step, microbatch, input} in bytes.
inline constexpr llvm::StringLiteral kRegionsAttrName = "prog.regions";
/// On the module: what the memory is used for.
inline constexpr llvm::StringLiteral kMemoryAttrName = "prog.memory";

/// How many bytes of scratch the kernel of an op takes.
using KernelScratch = std::function<int64_t(mlir::Operation *)>;

/// The pass for kernels that take scratch memory.
std::unique_ptr<mlir::Pass> createLowerProgramPass(KernelScratch scratch);

} // namespace weft

#endif // WEFT_TRANSFORMS_LOWERPROGRAM_H
