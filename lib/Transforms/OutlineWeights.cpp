// SPDX-License-Identifier: Apache-2.0
//
// nn-outline-weights: moves the weights of the loss terms out of the model.
//
//   1. The backward slice of each weight in @model is checked to read batch
//      inputs only, and cloned to @weigh, which adds to an accumulator.
//   2. @seed turns the accumulated weights W_i of a step into the seeds of
//      backward, coefficient_i / W_i (0 where W_i is 0).
//   3. @model keeps the sums.
//
// The accumulators are zeroed by the update, not here; a step of one microbatch
// has none.
#include "SlotFunction.h"
#include "mlir/IR/IRMapping.h"
#include "weft/Transforms/Passes.h"
#include "llvm/ADT/SetVector.h"

#define DEBUG_TYPE "nn-outline-weights"

namespace weft {
#define GEN_PASS_DEF_OUTLINEWEIGHTSPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

using namespace mlir;
using namespace weft;

/// Succeeds unless an operand of `op` is an argument bound to other than a
/// batch input.
static LogicalResult verifyReadsInputs(const SlotTable &slots,
                                       func::FuncOp model, Operation *op,
                                       StringRef weight) {
  for (Value operand : op->getOperands()) {
    auto argument = dyn_cast<BlockArgument>(operand);
    if (!argument)
      continue;
    auto name = pipe::slotOfArgument(model, argument.getArgNumber());
    pipe::SlotOp slot = slots.lookup(name.getValue());
    if (slot.getKind() != "input")
      return op->emitError("\"")
             << weight << "\" depends on more than the batch: got slot \""
             << slot.getSymName() << "\" of kind \"" << slot.getKind()
             << "\", expected kind \"input\"";
  }
  return success();
}

/// Adds the ops that `value` is computed from to `slice`.
static LogicalResult collectSlice(const SlotTable &slots, func::FuncOp model,
                                  Value value, StringRef weight,
                                  llvm::SetVector<Operation *> &slice) {
  size_t next = slice.size();
  if (Operation *op = value.getDefiningOp())
    slice.insert(op);
  for (; next < slice.size(); ++next) {
    Operation *op = slice[next];
    if (failed(verifyReadsInputs(slots, model, op, weight)))
      return failure();
    for (Value operand : op->getOperands())
      if (Operation *producer = operand.getDefiningOp())
        slice.insert(producer);
  }
  return success();
}

static void buildWeigh(const SlotTable &slots, func::FuncOp model,
                       const llvm::SetVector<Operation *> &slice,
                       ArrayRef<std::pair<LossTerm, Value>> weights,
                       bool accumulate) {
  Location loc = nn::derivedLoc(model.getLoc(), "weigh");
  SlotFunction weigh = SlotFunction::create(slots, loc, "weigh");
  IRMapping mapping;
  auto isNeeded = [&](BlockArgument argument) {
    return llvm::is_contained(llvm::make_second_range(weights), argument) ||
           llvm::any_of(argument.getUsers(),
                        [&](Operation *user) { return slice.contains(user); });
  };
  for (BlockArgument argument : model.getArguments())
    if (isNeeded(argument))
      mapping.map(
          argument,
          weigh.read(
              pipe::slotOfArgument(model, argument.getArgNumber()).getValue()));
  nn::Expressions e = weigh.at(loc);
  for (Operation &op : model.front())
    if (slice.contains(&op))
      e.builder.clone(op, mapping);
  for (const auto &[term, weight] : weights) {
    e.loc = nn::derivedLoc(weight.getLoc(), "weigh");
    Value own = mapping.lookup(weight);
    weigh.write(term.weight,
                accumulate ? e.add(weigh.read(term.weight), own) : own);
  }
  weigh.finish();
}

static void buildSeed(SlotTable &slots, Location modelLoc,
                      ArrayRef<LossTerm> terms) {
  Location loc = nn::derivedLoc(modelLoc, "seed");
  SlotFunction seed = SlotFunction::create(slots, loc, "seed");
  nn::Expressions e = seed.at(loc);
  SmallVector<Value> parts;
  for (const LossTerm &term : terms)
    parts.push_back(seed.read(term.weight));
  SmallVector<Value> totals = constrainTogether(
      e, parts,
      wishForAxes(loc.getContext(), kDataAxes, Placement::replicate(0)));
  for (auto [term, total] : llvm::zip_equal(terms, totals)) {
    e.loc = nn::derivedLoc(term.slot->getLoc(), "seed");
    slots.getOrCreate(e.loc, term.seed, nn::plainType(total), "scalar", "step");
    Value quotient = e.div(e.constant(total, term.coefficient), total);
    Value isEmpty = e.compare(nn::Predicate::eq, total, 0.0);
    seed.write(term.seed, e.select(isEmpty, e.constant(total, 0), quotient));
  }
  seed.finish();
}

static void dropWeights(func::FuncOp model, ArrayRef<LossTerm> terms) {
  BitVector isWeight(model.getNumResults());
  for (const LossTerm &term : terms)
    isWeight.set(pipe::resultOfSlot(model, term.weight));
  model.front().getTerminator()->eraseOperands(isWeight);
  (void)model.eraseResults(isWeight);
  eraseDeadOps(model);
}

namespace {

struct OutlineWeightsPass
    : weft::impl::OutlineWeightsPassBase<OutlineWeightsPass> {
  using OutlineWeightsPassBase::OutlineWeightsPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto model = module.lookupSymbol<func::FuncOp>("model");
    if (!model || module.lookupSymbol("weigh"))
      return;
    SlotTable slots(module);
    SmallVector<LossTerm> terms = lossTerms(module);
    SmallVector<std::pair<LossTerm, Value>> weights;
    llvm::SetVector<Operation *> slice;
    for (const LossTerm &term : terms) {
      int index = pipe::resultOfSlot(model, term.weight);
      if (index < 0) {
        model.emitError("loss term has no weight: got no result of slot \"")
            << term.weight << "\"";
        return signalPassFailure();
      }
      Value weight = model.front().getTerminator()->getOperand(index);
      if (failed(collectSlice(slots, model, weight, term.weight, slice)))
        return signalPassFailure();
      weights.push_back({term, weight});
    }
    for (const LossTerm &term : terms)
      markAccumulator(slots.lookup(term.weight));
    buildWeigh(slots, model, slice, weights, accumulate);
    buildSeed(slots, model.getLoc(), terms);
    dropWeights(model, terms);
  }
};

} // namespace
