// SPDX-License-Identifier: Apache-2.0
//
// nn-build-update: makes @stage0_update, what a step does after backward.
//
//   1. Parts of what all ranks must agree on: loss sums, weights, the
//      gradients' norm, a finite flag, the fingerprint. Each part is made
//      partial over all axes: a value that many ranks hold counts once.
//   2. One vector of the parts is reduced over all axes.
//   3. From the totals: loss, norm, clip factor, finite or not.
//   4. The optimizer on each parameter; accumulators (gradients, sums,
//      weights) to zero.
//
// Nothing here decides on the host: a skipped step is a select. Where state
// lies (ZeRO) is the layout of the slots.
#include "OptimizerRule.h"
#include "SlotFunction.h"
#include "UpdateTotals.h"
#include "weft/Transforms/Passes.h"
#include "llvm/ADT/StringSet.h"

#define DEBUG_TYPE "nn-build-update"

namespace weft {
#define GEN_PASS_DEF_BUILDUPDATEPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

using namespace mlir;
using namespace weft;

namespace {

struct BuildUpdatePass : weft::impl::BuildUpdatePassBase<BuildUpdatePass> {
  using BuildUpdatePassBase::BuildUpdatePassBase;
  void runOnOperation() override;

private:
  /// Checks the options and reads the slots.
  LogicalResult read();
  /// A scalar slot that the runtime reads or writes.
  StringRef scalarSlot(StringRef name, Type elementType, int64_t size = 0);
  void updateParameters(SlotFunction &update, const Totals &totals);
  void updateParameter(SlotFunction &update, const Trained &trained,
                       const StepScalars &scalars, const Totals &totals,
                       Value clipFactor);
  void writeMetrics(SlotFunction &update, const Totals &totals);
  /// Writes zeros to a slot that the step accumulates in.
  void clear(SlotFunction &update, nn::Expressions &e, StringRef slot);

  OptimizerRule rule;
  Norm norm;
  SmallVector<LossTerm> terms;
  SmallVector<Trained> gradients;
  /// Slots that some function adds to.
  llvm::StringSet<> accumulators;
  std::optional<SlotTable> slots;
};

} // namespace

/// The slots that a function both takes and yields.
static llvm::StringSet<> findAccumulators(ModuleOp module) {
  llvm::StringSet<> found;
  for (auto function : module.getOps<func::FuncOp>()) {
    llvm::DenseMap<Attribute, BlockArgument> taken = argumentsBySlot(function);
    for (unsigned i = 0; i < function.getNumResults(); ++i)
      if (auto slot = pipe::slotOfResult(function, i); taken.contains(slot))
        found.insert(slot.getValue());
  }
  return found;
}

void BuildUpdatePass::clear(SlotFunction &update, nn::Expressions &e,
                            StringRef slot) {
  if (accumulators.contains(slot))
    update.write(slot, e.constant(update.read(slot), 0));
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

LogicalResult BuildUpdatePass::read() {
  if (name != "adamw" && name != "sgd")
    return getOperation().emitError("optimizer is unknown: got \"")
           << name << "\", expected \"adamw\" or \"sgd\"";
  rule = {name == "sgd" ? OptimizerKind::Sgd : OptimizerKind::AdamW,
          beta1,
          beta2,
          eps,
          weightDecay,
          momentum};
  auto found = llvm::StringSwitch<std::optional<Norm>>(clipNorm)
                   .Case("1", Norm::One)
                   .Case("2", Norm::Two)
                   .Case("inf", Norm::Inf)
                   .Default(std::nullopt);
  if (!found)
    return getOperation().emitError("norm is unknown: got \"")
           << clipNorm << "\", expected \"1\", \"2\" or \"inf\"";
  norm = *found;
  terms = lossTerms(getOperation());
  if (terms.empty())
    return getOperation().emitError(
        "module has no loss term: got no slot with a coefficient");
  gradients.clear();
  accumulators = findAccumulators(getOperation());
  slots.emplace(getOperation());
  for (auto slot : getOperation().getOps<pipe::SlotOp>())
    if (slot.getKind() == "gradient" && slot.getLifetime() == "run")
      gradients.push_back({slot, slots->lookup(*slot.getOf())});
  return success();
}

StringRef BuildUpdatePass::scalarSlot(StringRef name, Type elementType,
                                      int64_t size) {
  SmallVector<int64_t, 1> shape;
  if (size)
    shape.push_back(size);
  Location loc = NameLoc::get(StringAttr::get(&getContext(), name));
  slots->getOrCreate(loc, name, RankedTensorType::get(shape, elementType),
                     "scalar", "run");
  return name;
}

void BuildUpdatePass::updateParameters(SlotFunction &update,
                                       const Totals &totals) {
  nn::Expressions e = update.at(update.function.getLoc());
  Type f32 = e.builder.getF32Type();
  Value lr = update.read(scalarSlot("lr", f32));
  Value step = update.read(scalarSlot("step", f32));
  StepScalars scalars = buildStepScalars(e, rule, lr, step);
  Value clipFactor;
  if (clip != 0) {
    Value limit = e.constant(totals.norm, clip);
    Value ratio = e.div(limit, e.addConstant(totals.norm, 1e-6));
    clipFactor =
        e.cast(e.binary<nn::MinimumOp>(e.constant(ratio, 1), ratio), f32);
  }
  for (const Trained &trained : gradients)
    updateParameter(update, trained, scalars, totals, clipFactor);
}

void BuildUpdatePass::updateParameter(SlotFunction &update,
                                      const Trained &trained,
                                      const StepScalars &scalars,
                                      const Totals &totals, Value clipFactor) {
  pipe::SlotOp parameter = trained.parameter, slot = trained.gradient;
  nn::Expressions e = update.at(nn::derivedLoc(parameter.getLoc(), "update"));
  Value old = update.read(parameter.getSymName());
  Value gradient = update.read(slot.getSymName());
  OptimizerState before{e.cast(old, e.builder.getF32Type()), {}};
  SmallVector<std::string> names;
  auto wish = parameter.getOptimizerAttr();
  for (StringRef prefix : rule.stateNames()) {
    names.push_back((prefix + "." + parameter.getSymName()).str());
    pipe::SlotOp state = slots->getOrCreate(
        e.loc, names.back(), nn::plainType(gradient), "optimizer", "run");
    state.setOfAttr(FlatSymbolRefAttr::get(parameter));
    state.setUnitAttr(parameter.getUnitAttr());
    state.setConstraintAttr(wish ? wish : slot.getConstraintAttr());
    before.state.push_back(update.read(names.back()));
  }
  Value clipped =
      clipFactor ? e.mul(gradient, e.fill(clipFactor, gradient)) : gradient;
  OptimizerState after = buildStep(e, rule, scalars, before, clipped);
  auto choose = [&](Value changed, Value kept) {
    return skipNonfinite
               ? e.select(e.fill(totals.isFinite, kept), changed, kept)
               : changed;
  };
  Type type = nn::plainType(old).getElementType();
  update.write(parameter.getSymName(),
               choose(e.cast(after.parameter, type), old));
  for (auto [name, changed, kept] :
       llvm::zip_equal(names, after.state, before.state))
    update.write(name, choose(changed, kept));
  clear(update, e, slot.getSymName());
}

void BuildUpdatePass::writeMetrics(SlotFunction &update, const Totals &totals) {
  nn::Expressions e = update.at(update.function.getLoc());
  Type f32 = e.builder.getF32Type();
  SmallVector<Value> losses;
  for (auto [term, sum, weight] :
       llvm::zip_equal(terms, totals.sums, totals.weights)) {
    Value mean = e.scale(e.div(sum, weight), term.coefficient);
    Value isEmpty = e.compare(nn::Predicate::eq, weight, 0.0);
    losses.push_back(e.select(isEmpty, e.constant(mean, 0), mean));
    clear(update, e, term.sum);
    clear(update, e, term.weight);
  }
  // Else nothing is skipped, and the runtime stops at what is not finite.
  Value skipped = e.constant(totals.norm, 0);
  if (skipNonfinite)
    skipped = nn::LogicalNotOp::create(
        e.builder, e.loc, nn::plainType(totals.isFinite), totals.isFinite);
  update.write(scalarSlot("loss", f32), e.cast(e.sumOf(losses), f32));
  update.write(scalarSlot("grad_norm", f32), e.cast(totals.norm, f32));
  update.write(scalarSlot("skipped", f32), e.cast(skipped, f32));
  update.write(scalarSlot("num_tokens", f32),
               e.cast(totals.weights.front(), f32));
  update.write(
      scalarSlot("fingerprint.sum", e.builder.getF64Type(), /*size=*/4),
      totals.fingerprint);
}

void BuildUpdatePass::runOnOperation() {
  ModuleOp module = getOperation();
  auto stage = module.lookupSymbol<func::FuncOp>("stage0");
  if (!stage || module.lookupSymbol("stage0_update"))
    return;
  if (failed(read()))
    return signalPassFailure();
  scalarSlot("fingerprint", Float64Type::get(&getContext()), /*size=*/4);
  slots->lookup("fingerprint")
      .setConstraintAttr(
          wishForAxes(&getContext(), kStageAxes, Placement::partial(0)));
  SlotFunction update = SlotFunction::create(
      *slots, nn::derivedLoc(stage.getLoc(), "update"), "stage0_update");
  Totals totals = buildTotals(update, terms, gradients, norm);
  updateParameters(update, totals);
  writeMetrics(update, totals);
  update.finish();
}
