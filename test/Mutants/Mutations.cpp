// SPDX-License-Identifier: Apache-2.0
//
// What the mutations of all phases share.
#include "Mutations.h"
#include "weft/IR/NN/NN.h"
#include "weft/IR/Prog/Prog.h"

using namespace mlir;

namespace weft::mutants {

static std::vector<Operation *> opsOf(ModuleOp module) {
  std::vector<Operation *> ops;
  module->walk<WalkOrder::PreOrder>([&](Operation *op) { ops.push_back(op); });
  return ops;
}

OwningOpRef<ModuleOp> mutate(ModuleOp module, const Mutation &mutation) {
  OwningOpRef<ModuleOp> clone = module.clone();
  mutation.apply(opsOf(*clone)[mutation.op]);
  return clone;
}

void MutationList::walk(ModuleOp module,
                        llvm::function_ref<void(Operation *)> visit) {
  for (auto [position, op] : llvm::enumerate(opsOf(module))) {
    number = position;
    current = op;
    visit(op);
  }
}

void MutationList::add(llvm::StringRef kind, const llvm::Twine &what,
                       std::function<void(Operation *)> apply) {
  llvm::StringRef name = prog::nameOf(current->getLoc());
  std::string place = name.empty() ? "" : " at " + name.str();
  mutations.push_back({kind.str(), what.str() + place, number, apply});
}

Value alone(OpBuilder &builder, Location loc, Value value, Type type) {
  auto target = cast<RankedTensorType>(type);
  auto given = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> cut(given.getShape());
  for (auto [size, wanted] : llvm::zip_equal(cut, target.getShape()))
    size = std::min(size, wanted);
  if (cut != given.getShape()) {
    SmallVector<int64_t> zeros(cut.size(), 0), ones(cut.size(), 1);
    given = RankedTensorType::get(cut, given.getElementType());
    value = nn::SliceOp::create(builder, loc, given, value, zeros, cut, ones);
  }
  for (int dim = 0, e = cut.size(); dim < e; ++dim) {
    if (cut[dim] == target.getDimSize(dim))
      continue;
    SmallVector<Value> copies(target.getDimSize(dim) / cut[dim], value);
    cut[dim] = target.getDimSize(dim);
    given = RankedTensorType::get(cut, given.getElementType());
    value = nn::ConcatOp::create(builder, loc, given, copies, dim);
  }
  return value;
}

std::string axesText(Attribute axes) {
  std::string text;
  for (auto axis : cast<ArrayAttr>(axes).getAsRange<StringAttr>())
    text += (text.empty() ? "" : ", ") + axis.str();
  return text;
}

std::vector<Attribute> otherAxes(Operation *op) {
  auto own = op->getAttrOfType<ArrayAttr>("axes");
  auto mesh = op->getAttrOfType<dist::MeshAttr>("mesh");
  std::vector<Attribute> others;
  for (const MeshAxis &axis : mesh.getMesh().axes()) {
    Builder builder(op->getContext());
    Attribute other = builder.getStrArrayAttr({axis.name});
    if (other != own)
      others.push_back(other);
  }
  return others;
}

} // namespace weft::mutants
