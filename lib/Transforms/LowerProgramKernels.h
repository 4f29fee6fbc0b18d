// SPDX-License-Identifier: Apache-2.0
//
// The kernels of a program, one per content.
#ifndef WEFT_LIB_TRANSFORMS_LOWERPROGRAMKERNELS_H
#define WEFT_LIB_TRANSFORMS_LOWERPROGRAMKERNELS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "weft/Transforms/LowerProgram.h"
#include "llvm/ADT/StringMap.h"

namespace weft {

class KernelLibrary {
public:
  KernelLibrary(mlir::ModuleOp module, KernelScratch scratch)
      : module(module), scratch(std::move(scratch)) {}

  /// The kernel that computes `op`: a private function of its operands to its
  /// results that holds a copy of the op. Ops that differ only in locations
  /// and discardable attributes share it. Its name is made of the ops in it
  /// and a hash of its text, so it is the same in every program.
  mlir::func::FuncOp kernelFor(mlir::Operation *op);

private:
  mlir::ModuleOp module;
  KernelScratch scratch;
  /// From text to function.
  llvm::StringMap<mlir::func::FuncOp> kernels;
  llvm::StringMap<bool> names;
};

} // namespace weft

#endif // WEFT_LIB_TRANSFORMS_LOWERPROGRAMKERNELS_H
