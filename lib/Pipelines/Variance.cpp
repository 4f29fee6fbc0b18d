// SPDX-License-Identifier: Apache-2.0
//
// One pass in program order: what an op makes of the axes of its operands.
//
//   op                            axes of the result
//   all_gather, all_reduce        the operand's without its own
//   reduce_scatter, all_to_all    and its own
//   permute                       and its own, if the operand has one of them
//   shard_slice, coordinate, extent, make_partial      and its own
//   any other                     of all operands
#include "Variance.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace weft {

AxisSet axesOf(Operation *op) {
  AxisSet axes = 0;
  auto mesh = op->getAttrOfType<dist::MeshAttr>("mesh");
  for (int atom : dist::atomsOf(mesh, op->getAttrOfType<ArrayAttr>("axes")))
    axes |= axisBit(atom);
  return axes;
}

std::string namesOf(const Mesh &mesh, AxisSet axes) {
  std::string names;
  for (int atom = 0; atom < mesh.numAtoms(); ++atom)
    if (axes & axisBit(atom))
      names += (names.empty() ? "\"" : ", \"") + mesh.atomName(atom) + "\"";
  return names;
}

static AxisSet axesOfKind(pipe::SlotOp slot, PlacementKind kind) {
  AxisSet axes = 0;
  if (auto layout = dist::layoutOf(slot.getType()))
    for (const Placement &entry : layout.getLayout().entries())
      if (entry.kind == kind)
        axes |= axisBit(entry.axis);
  return axes;
}

AxisSet shardedAxes(pipe::SlotOp slot) {
  return axesOfKind(slot, PlacementKind::Shard);
}

AxisSet partialAxes(pipe::SlotOp slot) {
  return axesOfKind(slot, PlacementKind::Partial);
}

pipe::SlotOp slotOf(BlockArgument argument, const SymbolTable &symbols) {
  auto function = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
  auto name = function ? pipe::slotOfArgument(function, argument.getArgNumber())
                       : FlatSymbolRefAttr();
  return name ? symbols.lookup<pipe::SlotOp>(name.getValue()) : pipe::SlotOp();
}

pipe::SlotOp slotOf(OpOperand &returned, const SymbolTable &symbols) {
  auto function = returned.getOwner()->getParentOfType<func::FuncOp>();
  auto name = pipe::slotOfResult(function, returned.getOperandNumber());
  return name ? symbols.lookup<pipe::SlotOp>(name.getValue()) : pipe::SlotOp();
}

IssuedCollective collectiveBehind(Value value) {
  auto result = dyn_cast<OpResult>(value);
  if (!result)
    return {};
  if (isa<dist::WaitOp>(result.getOwner()))
    result =
        cast<OpResult>(result.getOwner()->getOperand(result.getResultNumber()));
  Operation *op = result.getOwner();
  if (dist::isCollective(op))
    return {op, op->getOperand(result.getResultNumber())};
  auto start = dyn_cast<dist::StartOp>(op);
  if (!start)
    return {};
  Operation *inner = &start.getBody().front().front();
  Value operand = inner->getOperand(result.getResultNumber());
  auto argument = dyn_cast<BlockArgument>(operand);
  if (argument && argument.getOwner() == &start.getBody().front())
    operand = start->getOperand(argument.getArgNumber());
  return {inner, operand};
}

static AxisSet afterCollective(Operation *op, AxisSet before) {
  AxisSet own = axesOf(op);
  return llvm::TypeSwitch<Operation *, AxisSet>(op)
      .Case<dist::AllGatherOp, dist::AllReduceOp>(
          [&](auto) { return before & ~own; })
      .Case<dist::PermuteOp>(
          [&](auto) { return before & own ? before | own : before; })
      .Default([&](auto) { return before | own; });
}

void Variance::visit(Operation &op) {
  AxisSet joined = 0;
  for (Value operand : op.getOperands())
    joined |= of(operand);
  if (isa<dist::CoordinateOp, dist::ExtentOp, dist::ShardSliceOp,
          dist::MakePartialOp>(op))
    joined |= axesOf(&op);
  for (Value result : op.getResults()) {
    IssuedCollective issued = collectiveBehind(result);
    // A wait, too: its operand is what was started with.
    axes[result] =
        issued.op ? afterCollective(issued.op, of(issued.operand)) : joined;
  }
}

Variance::Variance(func::FuncOp function, const SymbolTable &symbols) {
  for (BlockArgument argument : function.getArguments())
    if (pipe::SlotOp slot = slotOf(argument, symbols))
      axes[argument] = shardedAxes(slot) | partialAxes(slot);
  for (Operation &op : function.front())
    visit(op);
}

} // namespace weft
