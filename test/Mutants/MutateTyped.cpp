// SPDX-License-Identifier: Apache-2.0
//
// Mutations of how values lie.
#include "Mutations.h"
#include "weft/IR/NN/NN.h"
#include "weft/IR/Pipe/Pipe.h"

using namespace mlir;

namespace weft::mutants {

/// The layouts that differ from `type`'s in one axis: taken away where it is,
/// put on the first dim it divides, or partial, where it is not.
static std::vector<std::pair<std::string, Type>> otherLayouts(Type given) {
  std::vector<std::pair<std::string, Type>> others;
  auto type = dyn_cast<RankedTensorType>(given);
  auto layout = type ? dist::layoutOf(type) : dist::LayoutAttr();
  if (!layout)
    return others;
  const Mesh &mesh = layout.getMesh().getMesh();
  auto add = [&](int axis, StringRef what, ArrayRef<Placement> entries) {
    others.push_back(
        {mesh.atomName(axis) + " -> " + what.str(),
         dist::withLayout(type, dist::LayoutAttr::get(type.getContext(),
                                                      layout.getMesh(),
                                                      Layout(mesh, entries)))});
  };
  for (int axis = 0; axis < mesh.numAtoms(); ++axis) {
    SmallVector<Placement> entries(layout.getLayout().entries());
    if (layout.getLayout().placementOf(axis)) {
      llvm::erase_if(entries, [&](auto &entry) { return entry.axis == axis; });
      add(axis, "replicate", entries);
      continue;
    }
    if (!layout.getLayout().hasPartial()) {
      entries.push_back(Placement::partial(axis));
      add(axis, "partial", entries);
      entries.pop_back();
    }
    for (int dim = 0, e = type.getRank(); dim < e; ++dim)
      if (type.getDimSize(dim) % mesh.atomSize(axis) == 0) {
        entries.push_back(Placement::shard(axis, dim));
        add(axis, "shard", entries);
        break;
      }
  }
  return others;
}

std::vector<Mutation> typedMutations(ModuleOp module) {
  MutationList list;
  list.walk(module, [&](Operation *op) {
    bool isMove = isa<dist::RedistributeOp>(op);
    if (isMove)
      list.add("drop redistribute", "redistribute", [](Operation *clone) {
        clone->getResult(0).replaceAllUsesWith(clone->getOperand(0));
        clone->erase();
      });
    if (auto slot = dyn_cast<pipe::SlotOp>(op))
      for (auto &[what, type] : otherLayouts(slot.getType()))
        list.add("wrong slot layout",
                 "slot @" + slot.getSymName() + ", " + what,
                 [type](Operation *clone) {
                   cast<pipe::SlotOp>(clone).setTypeAttr(TypeAttr::get(type));
                 });
    for (OpResult result : op->getResults())
      for (auto &[what, type] : otherLayouts(result.getType()))
        list.add(isMove ? "wrong redistribute" : "wrong layout",
                 op->getName().stripDialect() + ", " + what,
                 [type, number = result.getResultNumber()](Operation *clone) {
                   clone->getResult(number).setType(type);
                 });
  });
  return list.take();
}

} // namespace weft::mutants
