// SPDX-License-Identifier: Apache-2.0
//
// Follows values to the slots they belong to.
#include "weft/Transforms/Units.h"

using namespace mlir;

namespace weft {

/// Ops that change the form of a parameter or gradient, not its identity.
static bool keepsIdentity(Operation *op) {
  return isa<nn::SliceOp, nn::PadOp, nn::CastOp, nn::ReshapeOp, nn::TransposeOp,
             nn::MaskTailOp, dist::ShardSliceOp, dist::MakePartialOp>(op) ||
         dist::isCollective(op);
}

bool isLinkToSlot(Operation *op) {
  return keepsIdentity(op) || isa<nn::SumOfOp, nn::AddOp>(op);
}

StringAttr unitOfParameter(Value value, SymbolTable &symbols) {
  while (Operation *op = value.getDefiningOp()) {
    if (!keepsIdentity(op))
      return {};
    unsigned index =
        dist::isCollective(op) ? cast<OpResult>(value).getResultNumber() : 0;
    value = op->getOperand(index);
  }
  auto argument = cast<BlockArgument>(value);
  auto function = cast<func::FuncOp>(argument.getOwner()->getParentOp());
  auto name = pipe::slotOfArgument(function, argument.getArgNumber());
  auto slot =
      name ? symbols.lookup<pipe::SlotOp>(name.getValue()) : pipe::SlotOp();
  return slot && slot.getKind() == "parameter" ? slot.getUnitAttr()
                                               : StringAttr();
}

/// The unit of the function result that `use` is, if it is a gradient or an
/// updated parameter.
static StringAttr unitOfReturned(OpOperand &use, SymbolTable &symbols) {
  auto function = use.getOwner()->getParentOfType<func::FuncOp>();
  auto name = pipe::slotOfResult(function, use.getOperandNumber());
  auto slot =
      name ? symbols.lookup<pipe::SlotOp>(name.getValue()) : pipe::SlotOp();
  bool hasUnit =
      slot && (slot.getKind() == "gradient" || slot.getKind() == "parameter");
  return hasUnit ? slot.getUnitAttr() : StringAttr();
}

StringAttr unitOfDestination(Value value, SymbolTable &symbols) {
  while (value.hasOneUse()) {
    OpOperand &use = *value.use_begin();
    Operation *user = use.getOwner();
    if (isa<func::ReturnOp>(user))
      return unitOfReturned(use, symbols);
    if (isa<nn::SumOfOp, nn::AddOp>(user))
      value = user->getResult(0);
    else if (dist::isCollective(user))
      value = user->getResult(use.getOperandNumber());
    else if (keepsIdentity(user))
      value = user->getResult(0);
    else
      return {};
  }
  return {};
}

llvm::DenseSet<Operation *> backwardOps(func::FuncOp function) {
  llvm::DenseSet<Operation *> backward;
  for (int i = 0, e = function.getNumArguments(); i < e; ++i) {
    auto slot = pipe::slotOfArgument(function, i);
    if (slot && slot.getValue().ends_with(".seed"))
      for (Operation *user : function.getArgument(i).getUsers())
        backward.insert(user);
  }
  for (Operation &op : function.front())
    if (backward.contains(&op))
      for (Operation *user : op.getUsers())
        backward.insert(user);
  return backward;
}

SmallVector<Operation *> makersSince(ArrayRef<Operation *> ops,
                                     Operation *place) {
  SmallVector<Operation *> work(ops);
  llvm::SetVector<Operation *> late;
  while (!work.empty())
    for (Value operand : work.pop_back_val()->getOperands())
      if (Operation *op = operand.getDefiningOp();
          op && !op->isBeforeInBlock(place) && late.insert(op))
        work.push_back(op);
  SmallVector<Operation *> ordered(late.getArrayRef());
  llvm::sort(ordered,
             [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  return ordered;
}

} // namespace weft
