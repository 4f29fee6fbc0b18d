// SPDX-License-Identifier: Apache-2.0
//
// bf16 as code generators see it.
#ifndef WEFT_LIB_TARGET_BF16MEMORY_H
#define WEFT_LIB_TARGET_BF16MEMORY_H

#include "mlir/IR/BuiltinOps.h"

namespace weft {

/// Makes every memref of bf16 in `module` one of 16-bit integers, and casts
/// what is loaded and stored.
void keepBf16AsIntegers(mlir::ModuleOp module);

} // namespace weft

#endif // WEFT_LIB_TARGET_BF16MEMORY_H
