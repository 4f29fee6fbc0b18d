// SPDX-License-Identifier: Apache-2.0
//
// Reverse mode: what depends on parameters, and cotangents from the last op
// to the first. The cotangents of a value with several uses are added in the
// order in which they are found.
#include "Backward.h"
#include "SlotFunction.h"
#include "weft/Transforms/Decisions.h"

using namespace mlir;
using namespace weft;

pipe::SlotOp Backward::slotOf(BlockArgument argument) const {
  auto name = pipe::slotOfArgument(function, argument.getArgNumber());
  return name ? slots.lookup(name.getValue()) : pipe::SlotOp();
}

static bool isFloat(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && isa<FloatType>(type.getElementType());
}

void Backward::findActive() {
  for (BlockArgument argument : function.getArguments())
    if (pipe::SlotOp slot = slotOf(argument); slot && slot.getTrainable())
      active.insert(argument);
  auto isActive = [&](Value value) { return active.contains(value); };
  for (Operation &op : function.front())
    if (llvm::any_of(op.getOperands(), isActive))
      for (Value result : op.getResults())
        if (isFloat(result))
          active.insert(result);
}

Value Backward::cotangentOf(Value value) {
  auto found = pending.find(value);
  if (found == pending.end())
    return {};
  SmallVector<Value, 2> &parts = found->second;
  if (parts.size() > 1) {
    nn::Expressions e(builder, nn::derivedLoc(value.getLoc(), "grad"));
    parts = {e.sumOf(parts)};
  }
  return parts.front();
}

bool Backward::isParameter(Value value) const {
  while (isa_and_present<nn::CastOp, dist::ConstrainOp>(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  auto argument = dyn_cast<BlockArgument>(value);
  pipe::SlotOp slot = argument ? slotOf(argument) : pipe::SlotOp();
  return slot && slot.getKind() == "parameter";
}

Value Backward::reverseConstrain(dist::ConstrainOp op, Value cotangent) {
  if (isParameter(op.getInput()))
    return cotangent;
  Constraint shards;
  for (const ConstraintEntry &entry :
       op.getConstraint().getConstraint().entries)
    if (entry.placement.kind == PlacementKind::Shard)
      shards.entries.push_back(entry);
  if (shards.entries.empty())
    return cotangent;
  auto wish = dist::ConstrainOp::create(
      builder, nn::derivedLoc(op.getLoc(), "grad"), nn::plainType(cotangent),
      cotangent, dist::ConstraintAttr::get(op.getContext(), shards));
  if (op->hasAttr(kStyleAttrName))
    wish->setAttr(kStyleAttrName, builder.getUnitAttr());
  return wish;
}

/// The cotangent of a parameter in f32, also where the parameter is used in a
/// narrow type: what makes it sums in f32, and need not round then.
static Value unrounded(OpBuilder &builder, Value cotangent) {
  if (!nn::isNarrowFloat(nn::plainType(cotangent).getElementType()))
    return cotangent;
  Type wide = builder.getF32Type();
  auto cast = cotangent.getDefiningOp<nn::CastOp>();
  if (cast && nn::plainType(cast.getInput()).getElementType() == wide)
    return cast.getInput();
  if (cotangent.getDefiningOp<nn::ContractOp>() && cotangent.use_empty()) {
    cotangent.setType(nn::plainType(cotangent).clone(wide));
    return cotangent;
  }
  return nn::Expressions(builder, cotangent.getLoc()).cast(cotangent, wide);
}

LogicalResult Backward::reverse(Operation *op, ArrayRef<Value> cotangents) {
  SmallVector<Value> operands;
  if (auto constrainOp = dyn_cast<dist::ConstrainOp>(op))
    operands = {reverseConstrain(constrainOp, cotangents.front())};
  else if (auto adjoint = dyn_cast<nn::AdjointOpInterface>(op))
    operands = adjoint.buildAdjoint(builder, cotangents);
  else
    return op->emitOpError("has no adjoint");
  for (auto [operand, cotangent] :
       llvm::zip_equal(op->getOperands(), operands)) {
    if (!cotangent || !active.contains(operand))
      continue;
    if (isParameter(operand))
      cotangent = unrounded(builder, cotangent);
    pending[operand].push_back(cotangent);
  }
  return success();
}

LogicalResult Backward::run() {
  SmallVector<Operation *> forward;
  for (Operation &op : function.front().without_terminator())
    if (llvm::any_of(op.getResults(),
                     [&](Value result) { return active.contains(result); }))
      forward.push_back(&op);
  for (Operation *op : llvm::reverse(forward)) {
    SmallVector<Value> cotangents;
    for (Value result : op->getResults())
      cotangents.push_back(cotangentOf(result));
    if (llvm::any_of(cotangents, [](Value value) { return bool(value); }) &&
        failed(reverse(op, cotangents)))
      return failure();
  }
  return success();
}
