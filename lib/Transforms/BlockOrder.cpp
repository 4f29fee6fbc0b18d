// SPDX-License-Identifier: Apache-2.0
//
// Numbers with gaps. Ops often go one behind the other to one place, so a new
// number lies near its neighbour, not in the middle of the gap.
#include "BlockOrder.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace weft {

static constexpr uint64_t kGap = uint64_t(1) << 32;
static constexpr uint64_t kStep = uint64_t(1) << 12;

BlockOrder::BlockOrder(Block &block) : block(block) { numberAll(); }

void BlockOrder::numberAll() {
  uint64_t next = 0;
  for (Operation &op : block)
    numbers[&op] = next += kGap;
}

void BlockOrder::number(Operation *op, bool isNextToPrevious) {
  Operation *previous = op->getPrevNode(), *next = op->getNextNode();
  uint64_t low = previous ? numbers.lookup(previous) : 0;
  uint64_t high = next ? numbers.lookup(next) : low + kGap;
  if (high - low < 2)
    return numberAll();
  uint64_t step = std::min(kStep, (high - low) / 2);
  numbers[op] = isNextToPrevious ? low + step : high - step;
}

void BlockOrder::sort(llvm::SmallVectorImpl<Operation *> &ops) const {
  llvm::sort(ops, [&](Operation *a, Operation *b) { return isBefore(a, b); });
}

void BlockOrder::add(Operation *op) { number(op, /*isNextToPrevious=*/false); }

// Removing and inserting, since Operation::moveBefore would make the block
// forget its own order.
void BlockOrder::moveBefore(Operation *op, Operation *place) {
  op->remove();
  block.getOperations().insert(place->getIterator(), op);
  number(op, /*isNextToPrevious=*/false);
}

void BlockOrder::moveAfter(Operation *op, Operation *place) {
  op->remove();
  block.getOperations().insertAfter(place->getIterator(), op);
  number(op, /*isNextToPrevious=*/true);
}

} // namespace weft
