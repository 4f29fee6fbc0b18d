// SPDX-License-Identifier: Apache-2.0
//
// In-place decisions: a write is legal when every read of the old content
// comes before it, or happens in the same op at the same element.
#include "LowerProgramPlacement.h"
#include "SlotFunction.h"
#include "weft/Transforms/FusedRegion.h"

using namespace mlir;

namespace weft {

Value rootOf(Value value) {
  while (auto reshape = value.getDefiningOp<nn::ReshapeOp>())
    value = reshape.getInput();
  return value;
}

static bool isSameMemory(Type a, Type b) {
  auto left = cast<RankedTensorType>(a), right = cast<RankedTensorType>(b);
  return left.getNumElements() == right.getNumElements() &&
         left.getElementType() == right.getElementType();
}

/// True if the op may write `result` over the memory of operand `use`.
static bool mayOverwrite(OpOperand &use, OpResult result) {
  Operation *op = result.getOwner();
  unsigned number = use.getOperandNumber();
  if (!isSameMemory(use.get().getType(), result.getType()))
    return false;
  if (isa<dist::AllReduceOp>(op))
    return number == result.getResultNumber();
  // Its kernel reads an element before it writes it (weft/Target/Kernels.h).
  if (auto grad = dyn_cast<nn::CrossEntropyGradOp>(op))
    return &use == &grad.getLogitsMutable();
  auto fused = dyn_cast<prog::FusedOp>(op);
  return fused && !reductionOf(fused) && !fused.getRowKernel() &&
         llvm::none_of(fused.getBody().getArgument(number).getUsers(),
                       llvm::IsaPred<nn::BroadcastOp, nn::ContractOp>);
}

namespace {

class PlacementPlanner {
public:
  explicit PlacementPlanner(func::FuncOp function)
      : function(function), arguments(argumentsBySlot(function)) {
    for (Operation &op : function.front())
      if (!isa<nn::ReshapeOp>(op))
        for (OpOperand &operand : op.getOpOperands())
          uses[rootOf(operand.get())].push_back(&operand);
  }

  BufferPlacement plan() {
    for (unsigned i = 0; i < function.getNumResults(); ++i)
      placeResult(i);
    for (Operation &op : function.front()) {
      if (isa<prog::FusedOp, dist::AllReduceOp, nn::CrossEntropyGradOp>(op))
        overwriteOperands(&op);
      if (auto start = dyn_cast<dist::StartOp>(op))
        overwriteStarted(start);
    }
    return std::move(placement);
  }

private:
  void placeResult(unsigned number);
  bool mayComputeIn(Value root, Value old);
  /// Lets an all-reduce that ends in a slot begin there.
  void placeReduced(Value root, StringAttr slot);
  void overwriteStarted(dist::StartOp op);
  void overwriteOperands(Operation *op);
  /// True if nobody but an operand of the all-reduce `op` reads `root` once it
  /// has begun.
  bool isReadBeforeCall(Value root, Operation *op);
  /// True if `root` is not read any more when `result` is written, or in the
  /// same op at the same element.
  bool isReadBefore(Value root, OpResult result);
  bool isTemporary(Value root) {
    return isa<OpResult>(root) && !placement.slots.contains(root) &&
           !isa<dist::CoordinateOp, dist::ExtentOp>(root.getDefiningOp());
  }

  func::FuncOp function;
  DenseMap<Attribute, BlockArgument> arguments;
  DenseMap<Value, SmallVector<OpOperand *>> uses;
  BufferPlacement placement;
};

} // namespace

/// The op by which `reader` has read: a started collective does so at any time
/// until its wait.
static Operation *endOfReading(Operation *reader) {
  auto start = dyn_cast<dist::StartOp>(reader);
  return start ? *start->getUsers().begin() : reader;
}

bool PlacementPlanner::isReadBefore(Value root, OpResult result) {
  Operation *writer = result.getOwner();
  return llvm::all_of(uses.lookup(root), [&](OpOperand *use) {
    Operation *reader = endOfReading(use->getOwner());
    return reader == writer ? mayOverwrite(*use, result)
                            : reader->isBeforeInBlock(writer);
  });
}

bool PlacementPlanner::isReadBeforeCall(Value root, Operation *op) {
  int64_t numOperands = 0;
  return llvm::all_of(uses.lookup(root), [&](OpOperand *use) {
    Operation *reader = use->getOwner();
    return reader == op ? ++numOperands == 1
                        : endOfReading(reader)->isBeforeInBlock(op);
  });
}

bool PlacementPlanner::mayComputeIn(Value root, Value old) {
  if (!isTemporary(root) || !old)
    return isTemporary(root);
  // A collective writes from its start on, long before its result is defined.
  return !root.getDefiningOp<dist::WaitOp>() &&
         isReadBefore(old, cast<OpResult>(root));
}

void PlacementPlanner::placeReduced(Value root, StringAttr slot) {
  Operation *op = root.getDefiningOp();
  unsigned number = cast<OpResult>(root).getResultNumber();
  Operation *collective = op;
  if (auto wait = dyn_cast<dist::WaitOp>(op)) {
    auto future = cast<OpResult>(wait.getFutures()[number]);
    op = future.getOwner();
    number = future.getResultNumber();
    collective = &cast<dist::StartOp>(op).getBody().front().front();
  }
  if (!isa<dist::AllReduceOp>(collective))
    return;
  Value part = rootOf(op->getOperand(number));
  if (isTemporary(part) && !part.getDefiningOp<dist::WaitOp>() &&
      isSameMemory(part.getType(), root.getType()) &&
      isReadBeforeCall(part, op))
    placement.slots[part] = slot;
}

void PlacementPlanner::placeResult(unsigned number) {
  FlatSymbolRefAttr slot = pipe::slotOfResult(function, number);
  Value old = arguments.lookup(slot);
  Value root = rootOf(function.front().getTerminator()->getOperand(number));
  if (root == old)
    return;
  if (!mayComputeIn(root, old)) {
    placement.copies.push_back(number);
    return;
  }
  placement.slots[root] = slot.getAttr();
  if (!old)
    placeReduced(root, slot.getAttr());
}

void PlacementPlanner::overwriteOperands(Operation *op) {
  llvm::SmallPtrSet<Value, 4> taken;
  for (OpResult result : op->getResults()) {
    if (!isTemporary(result))
      continue;
    for (OpOperand &operand : op->getOpOperands()) {
      Value root = rootOf(operand.get());
      if (isTemporary(root) && mayOverwrite(operand, result) &&
          isReadBefore(root, result) && taken.insert(root).second) {
        placement.overwrites[result] = root;
        break;
      }
    }
  }
}

/// An all-reduce under way may write over what nobody reads after its start.
void PlacementPlanner::overwriteStarted(dist::StartOp op) {
  if (!isa<dist::AllReduceOp>(op.getBody().front().front()))
    return;
  llvm::SmallPtrSet<Value, 4> taken;
  for (auto [input, future] : llvm::zip(op.getInputs(), op.getFutures())) {
    Value root = rootOf(input);
    auto wait = cast<dist::WaitOp>(*future.getUsers().begin());
    Value result = wait.getResults()[cast<OpResult>(future).getResultNumber()];
    if (isTemporary(result) && isTemporary(root) &&
        isReadBeforeCall(root, op) &&
        isSameMemory(root.getType(), result.getType()) &&
        taken.insert(root).second)
      placement.overwrites[result] = root;
  }
}

BufferPlacement placeBuffers(func::FuncOp function) {
  return PlacementPlanner(function).plan();
}

} // namespace weft
