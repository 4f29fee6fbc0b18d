// SPDX-License-Identifier: Apache-2.0
//
// Backward: reverse mode over the body of one function.
#ifndef WEFT_LIB_TRANSFORMS_BACKWARD_H
#define WEFT_LIB_TRANSFORMS_BACKWARD_H

#include "weft/IR/NN/Expressions.h"
#include "weft/IR/Pipe/Pipe.h"
#include "llvm/ADT/StringMap.h"

namespace weft {

/// Reverse mode over the body of one function.
class Backward {
public:
  Backward(mlir::func::FuncOp function,
           const llvm::StringMap<pipe::SlotOp> &slots)
      : function(function), slots(slots),
        builder(function.front().getTerminator()) {}

  /// The slot of an argument; null if it has none.
  pipe::SlotOp slotOf(mlir::BlockArgument argument) const;
  /// Marks what depends on a trainable parameter.
  void findActive();
  /// Adds `cotangent` to those of `value`.
  void seed(mlir::Value value, mlir::Value cotangent) {
    pending[value].push_back(cotangent);
  }
  /// Builds the cotangents of all active values, from those seeded.
  mlir::LogicalResult run();
  /// The cotangent of `value`, or null if it is zero.
  mlir::Value cotangentOf(mlir::Value value);

private:
  mlir::LogicalResult reverse(mlir::Operation *op,
                              llvm::ArrayRef<mlir::Value> cotangents);
  /// True for a parameter's argument, also behind casts and constraints: its
  /// gradient has a constraint of its own and is summed in f32.
  bool isParameter(mlir::Value value) const;
  mlir::Value reverseConstrain(dist::ConstrainOp op, mlir::Value cotangent);

  mlir::func::FuncOp function;
  const llvm::StringMap<pipe::SlotOp> &slots;
  mlir::OpBuilder builder;
  llvm::DenseSet<mlir::Value> active;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<mlir::Value, 2>> pending;
};

} // namespace weft

#endif // WEFT_LIB_TRANSFORMS_BACKWARD_H
