// SPDX-License-Identifier: Apache-2.0
//
// Which kernel computes which op. Ops are on tensors; a kernel takes the
// memory of the operands, then of the results, then its scratch, if any.
#ifndef WEFT_TARGET_KERNELTABLE_H
#define WEFT_TARGET_KERNELTABLE_H

#include "weft/IR/Prog/Prog.h"
#include "weft/Target/Kernels.h"

namespace weft {

/// Emits the kernel of an nn op, `prog.fused` or `prog.window`. Fails with a
/// diagnostic if there is none for the op or for its element type.
mlir::FailureOr<mlir::func::FuncOp> emitKernelFor(const KernelSite &site,
                                                  mlir::Operation *op);

/// Bytes of scratch of that kernel; 0 means that it takes none.
int64_t kernelScratchBytes(mlir::Operation *op, const TargetInfo &target);

/// The choice for an op, as the manifest records it: {"by": "generated",
/// "emitter": "contract", ...}, with what describeContract says of one.
llvm::json::Object describeKernel(mlir::Operation *op,
                                  const TargetInfo &target);

/// The loop that a fused region is; what is reduced at its end is the output.
ElementwiseSpec describeRegion(prog::FusedOp op);

} // namespace weft

#endif // WEFT_TARGET_KERNELTABLE_H
