// SPDX-License-Identifier: Apache-2.0
//
// The meaning of `Scalar` operations on scalars and vectors.

#ifndef WEFT_LIB_TARGET_KERNELS_SCALAROPS_H
#define WEFT_LIB_TARGET_KERNELS_SCALAROPS_H

#include "KernelBuilder.h"

namespace weft {

/// Emits `op` (none of Input, Constant, Iota) with element type `type`. bf16
/// arithmetic is done in f32 and rounded once per operation.
Value emitScalar(KernelBuilder &b, Scalar op, Type type,
                 ArrayRef<Value> operands);

} // namespace weft

#endif // WEFT_LIB_TARGET_KERNELS_SCALAROPS_H
