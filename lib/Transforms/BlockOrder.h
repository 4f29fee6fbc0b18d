// SPDX-License-Identifier: Apache-2.0
//
// BlockOrder: which of two ops of a block comes first, while ops move.
//
// MLIR's own order is numbered anew, for the whole block, whenever an op has
// moved; a pass that asks after each move then costs the square of the block.
// Here numbers have gaps of 2^32, into which a million ops fit one behind the
// other before all are numbered again.
#ifndef WEFT_LIB_TRANSFORMS_BLOCKORDER_H
#define WEFT_LIB_TRANSFORMS_BLOCKORDER_H

#include "mlir/IR/Block.h"
#include "mlir/IR/Operation.h"
#include "llvm/ADT/DenseMap.h"

namespace weft {

/// Knows the ops that were in the block when it was made and those that were
/// moved or added through it.
class BlockOrder {
public:
  explicit BlockOrder(mlir::Block &block);

  bool isBefore(mlir::Operation *a, mlir::Operation *b) const {
    return numbers.lookup(a) < numbers.lookup(b);
  }
  /// Sorts ops by their places.
  void sort(llvm::SmallVectorImpl<mlir::Operation *> &ops) const;
  /// Numbers an op that was built where it stands.
  void add(mlir::Operation *op);
  void moveBefore(mlir::Operation *op, mlir::Operation *place);
  void moveAfter(mlir::Operation *op, mlir::Operation *place);
  /// To be called before the op is erased.
  void forget(mlir::Operation *op) { numbers.erase(op); }

private:
  void numberAll();
  void number(mlir::Operation *op, bool isNextToPrevious);

  mlir::Block &block;
  llvm::DenseMap<mlir::Operation *, uint64_t> numbers;
};

} // namespace weft

#endif // WEFT_LIB_TRANSFORMS_BLOCKORDER_H
