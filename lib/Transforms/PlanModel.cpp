// SPDX-License-Identifier: Apache-2.0
//
// Reading the names of a model from its IR, and small parts that the decisions
// share.
#include "PlanModel.h"
#include "SlotFunction.h"
#include "weft/Transforms/ApplyPlan.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace weft;

int64_t PlanParameter::numDims() const {
  pipe::SlotOp op = slot;
  return cast<RankedTensorType>(op.getType()).getRank();
}

static std::vector<std::string> namesOf(pipe::SlotOp slot) {
  std::vector<std::string> names;
  if (ArrayAttr all = slot.getNamesAttr())
    for (auto name : all.getAsRange<StringAttr>())
      names.push_back(name.str());
  if (names.empty())
    names.push_back(slot.getSymName().str());
  return names;
}

static void readBoundaries(PlanModel &model) {
  model.function.walk([&](nn::BoundaryOp op) {
    std::vector<ModuleCall> &calls = model.calls[op.getModule()];
    if (calls.empty())
      model.modules.push_back(op.getModule().str());
    size_t call = std::max<int64_t>(op.getCall(), 0);
    if (calls.size() <= call)
      calls.resize(call + 1);
    auto &side =
        op.getSide() == "input" ? calls[call].inputs : calls[call].outputs;
    side.push_back(op);
  });
  for (auto &entry : model.calls)
    for (ModuleCall &call : entry.second)
      for (auto *side : {&call.inputs, &call.outputs})
        llvm::stable_sort(
            *side, [](auto a, auto b) { return a.getIndex() < b.getIndex(); });
}

FailureOr<PlanModel> PlanModel::read(ModuleOp module) {
  PlanModel model;
  model.module = module;
  for (auto function : module.getOps<func::FuncOp>()) {
    if (model.function)
      return emitError(function->getLoc(),
                       "the module has more than one function: a "
                       "plan is applied to the model alone");
    model.function = function;
  }
  if (!model.function || model.function.isExternal())
    return emitError(module->getLoc(), "the module has no function to lay out");
  readBoundaries(model);
  llvm::StringSet<> known;
  for (const std::string &name : model.modules)
    known.insert(name);
  auto arguments = argumentsBySlot(model.function);
  for (auto slot : module.getOps<pipe::SlotOp>()) {
    if (slot.getKind() != "parameter")
      continue;
    PlanParameter parameter{slot, namesOf(slot),
                            arguments.lookup(FlatSymbolRefAttr::get(slot))};
    for (const std::string &name : parameter.names) {
      StringRef owner = StringRef(name).rsplit('.').first;
      if (known.insert(owner).second)
        model.modules.push_back(owner.str());
    }
    model.parameters.push_back(std::move(parameter));
  }
  return model;
}

SmallVector<nn::BoundaryOp> PlanModel::selectIn(const NamePattern &pattern,
                                                StringRef module) const {
  SmallVector<nn::BoundaryOp> selected;
  auto found = calls.find(module);
  if (found == calls.end())
    return selected;
  for (const ModuleCall &call : found->second) {
    const auto &side =
        pattern.side() == PatternSide::Input ? call.inputs : call.outputs;
    SmallVector<BoundaryValue> values;
    for (nn::BoundaryOp op : side) {
      nn::BoundaryOp mutableOp = op;
      auto type = cast<RankedTensorType>(mutableOp.getResult().getType());
      values.push_back({static_cast<int64_t>(mutableOp.getIndex()),
                        mutableOp.getName().str(),
                        isa<FloatType>(type.getElementType())});
    }
    if (auto position = pattern.select(values))
      selected.push_back(side[*position]);
  }
  return selected;
}

SmallVector<nn::BoundaryOp>
PlanModel::select(const NamePattern &pattern) const {
  SmallVector<nn::BoundaryOp> selected;
  for (const std::string &module : modules)
    if (pattern.matches(module))
      selected.append(selectIn(pattern, module));
  return selected;
}

InFlightDiagnostic weft::emitAtOrigin(ModuleOp module, StringRef origin) {
  // Never through the op: that would print the whole module as a note.
  if (origin == "default" || origin == "published")
    return emitError(module->getLoc());
  // A --set has no line.
  MLIRContext *context = module.getContext();
  auto [rest, columnText] = origin.rsplit(':');
  auto [file, lineText] = rest.rsplit(':');
  unsigned line = 0, column = 0;
  if (lineText.getAsInteger(10, line) || columnText.getAsInteger(10, column)) {
    file = origin;
    line = column = 0;
  }
  return emitError(
      NameLoc::get(StringAttr::get(context, kPlanLocationName),
                   FileLineColLoc::get(context, file, line, column)));
}

std::vector<ConstraintEntry> weft::tpEntries(const Mesh &mesh, StyleWish wish,
                                             int64_t numDims, int keptAtoms) {
  auto atoms = mesh.lookup("tp");
  if (!atoms || wish.kind == StyleWish::Open)
    return {};
  int dim = wish.dim < 0 ? wish.dim + static_cast<int>(numDims) : wish.dim;
  bool isShard = wish.kind == StyleWish::Shard && dim >= 0 && dim < numDims;
  Placement placement =
      isShard ? Placement::shard(0, dim) : Placement::replicate(0);
  if (!isShard || keptAtoms < 0 || keptAtoms >= static_cast<int>(atoms->size()))
    return {{"tp", placement}};
  std::vector<ConstraintEntry> entries;
  for (auto [position, atom] : llvm::enumerate(*atoms))
    entries.push_back(
        {mesh.atomName(atom), static_cast<int>(position) < keptAtoms
                                  ? placement
                                  : Placement::replicate(0)});
  return entries;
}
