// SPDX-License-Identifier: Apache-2.0
//
// Backward reads activations of forward, such as silu(gate), whose operand it
// reads too: one of them is enough. The clone joins the reader's region, so it
// costs arithmetic but no memory traffic; no bit changes.
#include "FuseRegionsRecompute.h"
#include "weft/IR/NN/NN.h"

using namespace mlir;

namespace weft {

namespace {

/// The positions of ops, and what follows from them.
class DistantReaders {
public:
  DistantReaders(Block &block, int64_t distance) : distance(distance) {
    for (auto [position, op] : llvm::enumerate(block))
      positions[&op] = position;
  }

  /// Computes the op again in front of each distant reader, if it may.
  void serve(Operation *op) {
    SmallVector<OpOperand *> distant;
    for (OpOperand &use : op->getUses())
      if (positions[use.getOwner()] - positions[op] > distance)
        distant.push_back(&use);
    if (!llvm::all_of(distant, [&](OpOperand *use) {
          return nn::isElementwise(use->getOwner()) &&
                 areInMemory(op->getOperands(), use->getOwner());
        }))
      return;
    for (OpOperand *use : distant) {
      OpBuilder builder(use->getOwner());
      Operation *copy = builder.clone(*op);
      positions[copy] = positions[use->getOwner()];
      use->set(copy->getResult(0));
    }
  }

private:
  /// True if all are constants, or temporaries that are read at `reader` or
  /// later. (The memory of a slot may hold its new value by then.)
  bool areInMemory(ValueRange values, Operation *reader) {
    return llvm::all_of(values, [&](Value value) {
      Operation *op = value.getDefiningOp();
      if (!op || isa<nn::IotaOp, nn::BroadcastOp>(op))
        return false;
      if (isa<nn::ConstantOp>(op))
        return true;
      return llvm::any_of(op->getUsers(), [&](Operation *user) {
        return positions[user] >= positions[reader];
      });
    });
  }

  int64_t distance;
  DenseMap<Operation *, int64_t> positions;
};

} // namespace

void recomputeForDistantReaders(Block &block, int64_t distance) {
  DistantReaders readers(block, distance);
  for (Operation &op : llvm::make_early_inc_range(block))
    if (nn::isElementwise(&op))
      readers.serve(&op);
}

} // namespace weft
