// SPDX-License-Identifier: Apache-2.0
//
// prog-lower for a known target; Passes.td describes it.
#ifndef WEFT_TRANSFORMS_LOWERPROGRAM_H
#define WEFT_TRANSFORMS_LOWERPROGRAM_H

#include <cstdint>
#include <functional>
#include <memory>

namespace mlir {
class Operation;
class Pass;
} // namespace mlir

namespace weft {

/// How many bytes of scratch the kernel of an op takes.
using KernelScratch = std::function<int64_t(mlir::Operation *)>;

/// The pass for kernels that take scratch memory.
std::unique_ptr<mlir::Pass> createLowerProgramPass(KernelScratch scratch);

} // namespace weft

#endif // WEFT_TRANSFORMS_LOWERPROGRAM_H
