// SPDX-License-Identifier: Apache-2.0
//
// dist-apply-plan: from the plan file to attributes and constraints.
//
// 1. Read the model's names: parameters, modules, their inputs and outputs.
// 2. Decide, one file each: styles (PlanStyles), heads and sub-axes
//    (PlanHeads), slots and units (PlanSlots), boundaries and the user's
//    layouts (PlanBoundaries).
// 3. Write: the mesh, constraints on slots, dist.constrain at boundaries and
//    where a sharded parameter is used; erase nn.boundary; leave a record in
//    weft.applied.
//
// What the constraints mean for all other values is left to propagation. To
// debug, run it alone in weft-opt and read weft.applied.
#include "weft/Transforms/ApplyPlan.h"

#include "PlanModel.h"
#include "weft/Transforms/Decisions.h"
#include "weft/Transforms/Passes.h"
#include "llvm/Support/DebugLog.h"

#define DEBUG_TYPE "dist-apply-plan"

namespace weft {
#define GEN_PASS_DEF_APPLYPLANPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

using namespace mlir;
using namespace weft;

//===----------------------------------------------------------------------===//
// Writing the decision
//===----------------------------------------------------------------------===//

static void writeSlots(const PlanModel &model, const Config &config,
                       PlanDecision &decision) {
  ModuleOp module = model.module;
  MLIRContext *context = module.getContext();
  auto attr = [&](const Constraint &constraint) {
    return dist::ConstraintAttr::get(context, constraint);
  };
  // What is written by hand on a slot stays.
  for (auto &[slot, constraint] : decision.slots)
    if (!slot.getConstraintAttr())
      slot.setConstraintAttr(attr(constraint));
  for (auto &[slot, constraint] : decision.gradients)
    if (!slot.getGradientAttr())
      slot.setGradientAttr(attr(constraint));
  for (auto &[slot, constraint] : decision.optimizers) {
    if (!slot.getOptimizerAttr())
      slot.setOptimizerAttr(attr(constraint));
    if (!slot.getReduceAttr())
      slot.setReduceAttr(StringAttr::get(context, config.step.reduce));
  }
  for (auto &[slot, unit] : decision.units)
    if (!slot.getUnitAttr())
      slot.setUnitAttr(StringAttr::get(context, unit));
}

// Every use of a parameter that lies in shards over dp_shard wants it whole:
// one constraint per parameter, just before its first use, so that the gather
// stands where its unit begins.
static void writeUses(const PlanModel &model) {
  for (const PlanParameter &parameter : model.parameters) {
    pipe::SlotOp slot = parameter.slot;
    if (!parameter.value || parameter.value.use_empty())
      continue;
    bool isSharded = llvm::any_of(
        slot.getConstraintAttr().getConstraint().entries, [](const auto &e) {
          return StringRef(e.axis).split('.').first == "dp_shard" &&
                 e.placement.kind == PlacementKind::Shard;
        });
    if (!isSharded)
      continue;
    Operation *first = nullptr;
    for (Operation *user : parameter.value.getUsers())
      if (!first || user->isBeforeInBlock(first))
        first = user;
    OpBuilder builder(first);
    Constraint wish{{{"dp_shard", Placement::replicate(0)}}};
    auto op = dist::ConstrainOp::create(
        builder, slot.getLoc(), parameter.value.getType(), parameter.value,
        dist::ConstraintAttr::get(builder.getContext(), wish));
    BlockArgument value = parameter.value;
    value.replaceAllUsesExcept(op.getResult(), op);
  }
}

// Replaces each boundary by its constraint, if it has one. Several modules
// that read one value with one wish share one op, so they share its gather.
static void writeBoundaries(const PlanModel &model,
                            const PlanDecision &decision) {
  llvm::DenseMap<std::pair<Value, Attribute>, Value> known;
  func::FuncOp function = model.function;
  SmallVector<nn::BoundaryOp> boundaries;
  function.walk([&](nn::BoundaryOp op) { boundaries.push_back(op); });
  for (nn::BoundaryOp op : boundaries) {
    Value value = op.getInput();
    const auto *found = decision.boundaries.find(op);
    if (found != decision.boundaries.end() && !found->second.entries.empty()) {
      auto attr = dist::ConstraintAttr::get(op.getContext(), found->second);
      auto source = value.getDefiningOp<dist::ConstrainOp>();
      bool isWished = source && source.getConstraint() == attr;
      Value &constrained = known[{value, attr}];
      if (!constrained && !isWished) {
        OpBuilder builder(op);
        constrained = dist::ConstrainOp::create(builder, op.getLoc(),
                                                value.getType(), value, attr);
        if (!decision.explicitBoundaries.contains(op))
          constrained.getDefiningOp()->setAttr(kStyleAttrName,
                                               builder.getUnitAttr());
      }
      value = isWished ? value : constrained;
    }
    op.getResult().replaceAllUsesWith(value);
    op.erase();
  }
}

// The record of what was applied, for people: `weft plan` prints it.
static DictionaryAttr recordOf(const PlanModel &model,
                               const PlanDecision &decision) {
  ModuleOp module = model.module;
  Builder builder(module.getContext());
  auto strings = [&](ArrayRef<std::string> list) {
    SmallVector<StringRef> refs(list.begin(), list.end());
    return builder.getStrArrayAttr(refs);
  };
  auto named = [&](StringRef name, Attribute attr) {
    return builder.getNamedAttr(name, attr);
  };
  SmallVector<Attribute> rules;
  for (const StyleRule &rule : decision.rules)
    rules.push_back(builder.getDictionaryAttr(
        {named("pattern", builder.getStringAttr(rule.pattern.str())),
         named("style", builder.getStringAttr(rule.style->name)),
         named("origin", builder.getStringAttr(rule.origin)),
         named("matched", strings(rule.matched))}));
  return builder.getDictionaryAttr(
      {named("rules", builder.getArrayAttr(rules)),
       named("units", strings(decision.blocks)),
       named("uncovered", strings(decision.uncovered))});
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

static FailureOr<PlanDecision> decide(const PlanModel &model,
                                      const Config &config) {
  PlanDecision decision;
  // Heads come before slots and boundaries: they decide the sub-axes that
  // constraints name.
  if (failed(decideStyles(model, config, decision)) ||
      failed(decideHeads(model, config, decision)) ||
      failed(decideSlots(model, config, decision)) ||
      failed(decideBoundaries(model, config, decision)) ||
      failed(decideLayouts(model, config, decision)))
    return failure();
  return decision;
}

namespace {
struct ApplyPlanPass : weft::impl::ApplyPlanPassBase<ApplyPlanPass> {
  using Base::Base;
  explicit ApplyPlanPass(const Config &config) : given(config) {}

  void runOnOperation() override {
    ModuleOp module = getOperation();
    // A mesh by hand, or an earlier run: the plan is already on the module.
    if (module->hasAttr(dist::kMeshAttrName))
      return;
    FailureOr<Config> config = resolvedConfig();
    if (failed(config))
      return signalPassFailure();
    FailureOr<PlanModel> model = PlanModel::read(module);
    if (failed(model))
      return signalPassFailure();
    FailureOr<PlanDecision> decision = decide(*model, *config);
    if (failed(decision))
      return signalPassFailure();
    module->setAttr(dist::kMeshAttrName,
                    dist::MeshAttr::get(&getContext(), decision->mesh));
    module->setAttr("weft.applied", recordOf(*model, *decision));
    LDBG() << module->getAttr("weft.applied");
    writeSlots(*model, *config, *decision);
    writeUses(*model);
    writeBoundaries(*model, *decision);
  }

private:
  FailureOr<Config> resolvedConfig() {
    if (given)
      return *given;
    llvm::Expected<Config> config = loadConfig(configFile, overrides);
    if (!config)
      return emitError(getOperation().getLoc())
             << llvm::toString(config.takeError());
    if (llvm::Error error = resolveMesh(*config, std::nullopt))
      return emitError(getOperation().getLoc())
             << llvm::toString(std::move(error));
    return std::move(*config);
  }

  std::optional<Config> given;
};
} // namespace

std::unique_ptr<Pass> weft::createApplyPlanPass(const Config &config) {
  return std::make_unique<ApplyPlanPass>(config);
}
