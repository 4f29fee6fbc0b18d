// SPDX-License-Identifier: Apache-2.0
//
// Where parameters, their gradients and their optimizer state lie, which unit
// each parameter belongs to, and where batch inputs lie.
//
// The strategies of fully sharded data parallelism are only this: which of
// the three lies along dp_shard in shards of dim 0. Inside one dim, tp is
// outside of dp_shard, so that gathering over dp_shard gives a contiguous tp
// shard.
#include "PlanModel.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace weft;

//===----------------------------------------------------------------------===//
// Units
//===----------------------------------------------------------------------===//

// The pattern of the longest list of modules, from names alone: what export
// says in weft.units, for IR written by hand.
static std::optional<std::string> longestList(const PlanModel &model) {
  llvm::MapVector<StringRef, llvm::StringSet<>> lists;
  for (const std::string &name : model.modules) {
    StringRef prefix = name;
    for (size_t dot = prefix.find('.'); dot != StringRef::npos;
         dot = prefix.find('.', dot + 1)) {
      StringRef index = prefix.drop_front(dot + 1).split('.').first;
      if (!index.empty() && llvm::all_of(index, llvm::isDigit))
        lists[prefix.take_front(dot)].insert(index);
    }
  }
  size_t longest = 0;
  std::optional<std::string> best;
  for (const auto &[prefix, indices] : lists)
    if (indices.size() > longest) {
      longest = indices.size();
      best = (prefix + ".*").str();
    }
  return best;
}

static std::vector<std::string> unitPatterns(const PlanModel &model,
                                             const Config &config) {
  if (config.fsdp.units.word.empty())
    return config.fsdp.units.names;
  std::vector<std::string> patterns;
  if (auto units = model.module->getAttrOfType<ArrayAttr>("weft.units"))
    for (auto unit : units.getAsRange<StringAttr>())
      patterns.push_back(unit.str());
  else if (auto list = longestList(model))
    patterns.push_back(*list);
  return patterns;
}

static LogicalResult decideUnits(const PlanModel &model, const Config &config,
                                 PlanDecision &decision) {
  std::vector<NamePattern> patterns;
  for (const std::string &text : unitPatterns(model, config)) {
    llvm::Expected<NamePattern> pattern = NamePattern::parse(text);
    auto report = [&] {
      return emitAtOrigin(model.module, config.originOf("fsdp.units"));
    };
    if (!pattern)
      return report() << llvm::toString(pattern.takeError());
    bool isUsed = llvm::any_of(model.modules, [&](const std::string &name) {
      return pattern->matches(name);
    });
    if (!isUsed && config.fsdp.units.word.empty()) {
      auto diagnostic = report() << "pattern \"" << text
                                 << "\" matches no module of the model";
      if (auto near = suggestName(*pattern, model.modules))
        diagnostic << "; did you mean \"" << *near << "\"?";
      return diagnostic;
    }
    patterns.push_back(std::move(*pattern));
  }
  llvm::StringSet<> blocks;
  for (const std::string &name : model.modules)
    for (const NamePattern &pattern : patterns)
      if (pattern.matches(name) && blocks.insert(name).second)
        decision.blocks.push_back(name);
  // The innermost unit around a parameter's first name; else the root.
  for (const PlanParameter &parameter : model.parameters) {
    StringRef owner = parameter.names.front();
    do
      owner = owner.rsplit('.').first;
    while (!blocks.contains(owner) && owner.contains('.'));
    bool isInBlock = blocks.contains(owner) && parameter.names.size() == 1;
    decision.units[parameter.slot] = isInBlock ? owner.str() : "root";
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Slots
//===----------------------------------------------------------------------===//

namespace {
/// A style's say on one parameter, by one of its names.
struct ParameterWish {
  StyleWish wish;
  int keptAtoms = -1;
  const StyleRule *rule = nullptr;
};
} // namespace

static llvm::StringMap<const StyledModule *>
styledByName(const PlanDecision &decision) {
  llvm::StringMap<const StyledModule *> styled;
  for (const StyledModule &module : decision.styled)
    styled[module.name] = &module;
  return styled;
}

static std::string describe(const StyleRule &rule, StyleWish wish) {
  std::string text = ("\"" + rule.pattern.str() + "\" = \"" + rule.style->name +
                      "\" asks for tp = ")
                         .str();
  return text + (wish.kind == StyleWish::Shard
                     ? "shard(" + std::to_string(wish.dim) + ")"
                     : "replicate");
}

// True if all contractions that read the matrix sum over its first dim: a
// linear layer's weight that lies as [in, out], such as those of GPT-2.
static bool liesInputsFirst(const PlanParameter &parameter) {
  if (parameter.numDims() != 2 || !parameter.value)
    return false;
  bool isFound = false;
  for (OpOperand &use : parameter.value.getUses()) {
    auto contract = dyn_cast<nn::ContractOp>(use.getOwner());
    if (!contract)
      continue;
    nn::Equation letters = *nn::parseEquation(contract.getEquation());
    StringRef own = use.getOperandNumber() == 0 ? letters.lhs : letters.rhs;
    if (StringRef(letters.result).contains(own[0]) ||
        !StringRef(letters.result).contains(own[1]))
      return false;
    isFound = true;
  }
  return isFound;
}

// A tied parameter answers to all its names; they must not disagree.
static FailureOr<ParameterWish>
wishFor(const PlanModel &model, const PlanDecision &decision,
        const llvm::StringMap<const StyledModule *> &styled,
        const PlanParameter &parameter) {
  ParameterWish chosen;
  for (const std::string &name : parameter.names) {
    auto [owner, last] = StringRef(name).rsplit('.');
    const StyledModule *module = styled.lookup(name);
    if (!module)
      module = styled.lookup(owner);
    if (!module)
      continue;
    const StyleRule &rule = decision.rules[module->rule];
    StyleWish wish = rule.style->parameterWish(last);
    if (wish.kind == StyleWish::Open)
      continue;
    if (liesInputsFirst(parameter))
      wish = rule.style->inputsFirst(wish);
    if (chosen.rule && chosen.wish != wish) {
      emitAtOrigin(model.module, rule.origin)
          << "parameter \"" << parameter.names.front()
          << "\" is given two layouts: " << describe(*chosen.rule, chosen.wish)
          << ", " << describe(rule, wish);
      return failure();
    }
    chosen = {wish, module->keptAtoms, &rule};
  }
  return chosen;
}

// A whole layout: every axis of the mesh is named, so nothing is open.
static Constraint slotConstraint(const Mesh &mesh, const ParameterWish &wish,
                                 int64_t numDims, bool isSharded) {
  Constraint constraint;
  StyleWish tp = wish.wish;
  if (tp.kind == StyleWish::Open)
    tp.kind = StyleWish::Replicate;
  constraint.entries = tpEntries(mesh, tp, numDims, wish.keptAtoms);
  for (const MeshAxis &axis : mesh.axes()) {
    if (axis.name == "tp")
      continue;
    bool isShard = axis.name == "dp_shard" && isSharded && numDims > 0;
    constraint.entries.push_back({axis.name, isShard
                                                 ? Placement::shard(0, 0)
                                                 : Placement::replicate(0)});
  }
  return constraint;
}

static Constraint inputConstraint(const Mesh &mesh, int64_t numDims) {
  Constraint constraint;
  for (const MeshAxis &axis : mesh.axes()) {
    int dim = axis.name == "cp" ? 1 : 0;
    bool isSharded = axis.name == "dp_replicate" || axis.name == "dp_shard" ||
                     axis.name == "cp";
    constraint.entries.push_back({axis.name, isSharded && dim < numDims
                                                 ? Placement::shard(0, dim)
                                                 : Placement::replicate(0)});
  }
  return constraint;
}

LogicalResult weft::decideSlots(const PlanModel &model, const Config &config,
                                PlanDecision &decision) {
  if (failed(decideUnits(model, config, decision)))
    return failure();
  auto styled = styledByName(decision);
  StringRef strategy = config.fsdp.strategy;
  for (const PlanParameter &parameter : model.parameters) {
    auto wish = wishFor(model, decision, styled, parameter);
    if (failed(wish))
      return failure();
    if (!wish->rule && config.mesh.tp > 1)
      decision.uncovered.push_back(parameter.names.front());
    auto layout = [&](bool isSharded) {
      return slotConstraint(decision.mesh, *wish, parameter.numDims(),
                            isSharded);
    };
    decision.slots[parameter.slot] = layout(strategy == "full");
    pipe::SlotOp slot = parameter.slot;
    if (!slot.getTrainable())
      continue;
    decision.gradients[slot] = layout(strategy != "optimizer");
    decision.optimizers[slot] = layout(/*isSharded=*/true);
  }
  ModuleOp module = model.module;
  for (auto slot : module.getOps<pipe::SlotOp>()) {
    int64_t numDims = cast<RankedTensorType>(slot.getType()).getRank();
    if (slot.getKind() == "input")
      decision.slots[slot] = inputConstraint(decision.mesh, numDims);
    if (slot.getKind() == "buffer")
      decision.slots[slot] =
          slotConstraint(decision.mesh, {}, numDims, /*isSharded=*/false);
  }
  return success();
}
