// SPDX-License-Identifier: Apache-2.0
//
// Reads layout decisions off the IR.
#include "weft/Transforms/Decisions.h"

using namespace mlir;

namespace weft {

/// Where batch inputs lie when the plan says nothing.
static Constraint defaultInputConstraint(int64_t numDims) {
  Constraint constraint;
  if (numDims > 0)
    for (const char *axis : {"dp_replicate", "dp_shard"})
      constraint.entries.push_back({axis, Placement::shard(0, 0)});
  if (numDims > 1)
    constraint.entries.push_back({"cp", Placement::shard(0, 1)});
  return constraint;
}

SlotLayout layoutOfSlot(const Mesh &mesh, pipe::SlotOp slot) {
  int64_t numDims = cast<RankedTensorType>(slot.getType()).getRank();
  Constraint constraint;
  if (auto attr = slot.getConstraintAttr())
    constraint = attr.getConstraint();
  else if (slot.getKind() == "input")
    constraint = defaultInputConstraint(numDims);
  auto resolved = resolveConstraint(mesh, constraint, numDims);
  if (!resolved.message.empty())
    return {{}, resolved.message};
  llvm::SmallVector<Placement> entries;
  for (const Placement &placement : resolved.placements)
    if (placement.kind != PlacementKind::Replicate)
      entries.push_back(placement);
  return {Layout(mesh, entries), ""};
}

dist::LayoutAttr decidedLayout(Value value, SymbolTable &symbols) {
  if (auto layout = dist::layoutOf(value.getType()))
    return layout;
  if (auto result = dyn_cast<OpResult>(value)) {
    auto layouts =
        result.getOwner()->getAttrOfType<ArrayAttr>(kLayoutsAttrName);
    return layouts ? cast<dist::LayoutAttr>(layouts[result.getResultNumber()])
                   : dist::LayoutAttr();
  }
  auto argument = cast<BlockArgument>(value);
  auto function = cast<func::FuncOp>(argument.getOwner()->getParentOp());
  auto name = pipe::slotOfArgument(function, argument.getArgNumber());
  auto slot = symbols.lookup<pipe::SlotOp>(name.getValue());
  return dist::layoutOf(slot.getType());
}

} // namespace weft
