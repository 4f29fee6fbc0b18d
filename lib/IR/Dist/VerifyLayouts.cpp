// SPDX-License-Identifier: Apache-2.0
//
// The one check behind every typed op: its operand and result layouts must
// follow from one assignment of axes to the factors of its rule.
#include "weft/IR/Dist/Dist.h"

using namespace mlir;

namespace weft::dist {

static bool allCarryLayouts(TypeRange types) {
  return llvm::all_of(types, [](Type type) { return bool(layoutOf(type)); });
}

LogicalResult verifyLayouts(Operation *op) {
  auto hasLayout = [](Type type) { return bool(layoutOf(type)); };
  if (llvm::none_of(op->getOperandTypes(), hasLayout) &&
      llvm::none_of(op->getResultTypes(), hasLayout))
    return success();
  if (!allCarryLayouts(op->getOperandTypes()) ||
      !allCarryLayouts(op->getResultTypes()))
    return op->emitOpError("has types with and without a layout");

  SmallVector<Layout> operands, results;
  MeshAttr mesh = layoutOf(op->getResultTypes().front()).getMesh();
  auto collect = [&](TypeRange types, SmallVectorImpl<Layout> &layouts) {
    for (Type type : types) {
      if (layoutOf(type).getMesh() != mesh)
        return false;
      layouts.push_back(layoutOf(type).getLayout());
    }
    return true;
  };
  if (!collect(op->getOperandTypes(), operands) ||
      !collect(op->getResultTypes(), results))
    return op->emitOpError("mixes layouts of several meshes");

  ShardingRule rule = cast<ShardingRuleOpInterface>(op).getShardingRule();
  auto match = matchLayouts(mesh.getMesh(), rule, operands, results);
  if (!match.assignment)
    return op->emitOpError("layouts disagree with the op's rule: ")
           << match.message;
  return success();
}

} // namespace weft::dist
