// SPDX-License-Identifier: Apache-2.0
//
// Units: which parameters are gathered and reduced together. A collective
// belongs to the unit of the slot its value comes from or goes to, so no pass
// has to carry an attribute along.
#ifndef WEFT_TRANSFORMS_UNITS_H
#define WEFT_TRANSFORMS_UNITS_H

#include "weft/IR/NN/NN.h"
#include "weft/IR/Pipe/Pipe.h"

namespace weft {

/// The unit of the parameter that a local value is a version of (through
/// gathers, slices and casts), or null.
mlir::StringAttr unitOfParameter(mlir::Value value, mlir::SymbolTable &symbols);

/// The unit of the gradient or parameter slot that a local value ends in
/// (through slices, casts, further collectives and the accumulation), or null.
mlir::StringAttr unitOfDestination(mlir::Value value,
                                   mlir::SymbolTable &symbols);

/// True for ops that such a chain from a gradient to its slot consists of.
bool isLinkToSlot(mlir::Operation *op);

/// Ops of a joint function that depend on the seed of a loss term: backward.
llvm::DenseSet<mlir::Operation *> backwardOps(mlir::func::FuncOp function);

/// What makes the operands of `ops` and does not stand before `place`, in
/// program order. A parameter's forms depend on it alone: where these are
/// gathered earlier, all of it may move.
llvm::SmallVector<mlir::Operation *>
makersSince(llvm::ArrayRef<mlir::Operation *> ops, mlir::Operation *place);

} // namespace weft

#endif // WEFT_TRANSFORMS_UNITS_H
