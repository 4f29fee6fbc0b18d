// SPDX-License-Identifier: Apache-2.0
//
// nn-differentiate: makes the joint function @stage0 of @model.
//
//   1. Values that depend on a trainable parameter are active.
//   2. From the last op to the first, each active op with a cotangent builds
//      those of its operands; the cotangents of a value with several uses are
//      added in that order. A saved value is an ordinary use.
//   3. Sums and gradients are added to accumulators in slots; those of a step
//      of one microbatch are written there.
//
// Adjoints are of global ops: no collective has one. What backward
// communicates follows from the layouts of the cotangents, which wish the
// shards of their primal; what the primal wished replicated is left open, so
// that it may stay partial. Dead cotangents are erased at the end.
#include "Backward.h"
#include "SlotFunction.h"
#include "weft/Transforms/Decisions.h"
#include "weft/Transforms/Passes.h"

#define DEBUG_TYPE "nn-differentiate"

namespace weft {
#define GEN_PASS_DEF_DIFFERENTIATEPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

using namespace mlir;
using namespace weft;

//===----------------------------------------------------------------------===//
// Slots of sums and gradients
//===----------------------------------------------------------------------===//

static SmallVector<Value> readSeeds(SlotFunction &stage,
                                    ArrayRef<LossTerm> terms) {
  SmallVector<Value> seeds;
  for (const LossTerm &term : terms)
    seeds.push_back(stage.read(term.seed));
  return seeds;
}

/// Adds each term's sum to its accumulator.
static void accumulateSums(SlotFunction &stage, ArrayRef<LossTerm> terms) {
  Operation *terminator = stage.function.front().getTerminator();
  SmallVector<Value> sums;
  for (const LossTerm &term : terms)
    sums.push_back(stage.read(term.sum));
  for (auto [term, sum] : llvm::zip_equal(terms, sums)) {
    OpOperand &result =
        terminator->getOpOperand(pipe::resultOfSlot(stage.function, term.sum));
    nn::Expressions e =
        stage.at(nn::derivedLoc(result.get().getLoc(), "accumulate"));
    result.set(e.add(sum, result.get()));
  }
}

static pipe::SlotOp createGradientSlot(SlotTable &slots, pipe::SlotOp parameter,
                                       StringRef suffix, StringRef lifetime) {
  auto type = cast<RankedTensorType>(parameter.getType());
  Type f32 = Float32Type::get(parameter.getContext());
  pipe::SlotOp slot =
      slots.create(nn::derivedLoc(parameter.getLoc(), "grad"),
                   ("g." + parameter.getSymName() + suffix).str(),
                   type.clone(f32), "gradient", lifetime);
  slot.setOfAttr(FlatSymbolRefAttr::get(parameter));
  slot.setUnitAttr(parameter.getUnitAttr());
  auto wish = parameter.getGradientAttr();
  slot.setConstraintAttr(wish ? wish : parameter.getConstraintAttr());
  return slot;
}

/// The wish for a gradient that waits for the end of the step: partial over
/// the data axes, and sharded like the gradient over all others.
static dist::ConstraintAttr openConstraint(pipe::SlotOp gradient) {
  dist::ConstraintAttr wish =
      wishForAxes(gradient.getContext(), kDataAxes, Placement::partial(0));
  if (!gradient.getConstraint())
    return wish;
  Constraint wishes = wish.getConstraint();
  for (const ConstraintEntry &entry :
       gradient.getConstraint()->getConstraint().entries)
    if (!llvm::is_contained(kDataAxes, StringRef(entry.axis).split('.').first))
      wishes.entries.push_back(entry);
  return dist::ConstraintAttr::get(gradient.getContext(), wishes);
}

/// `gradient`, of which ranks hold parts, reduced as `wish` says in the type
/// that the parameter's slot asks for.
static Value reduceAs(nn::Expressions &e, pipe::SlotOp parameter,
                      Value gradient, dist::ConstraintAttr wish) {
  auto narrow = parameter.getReduceType();
  if (!narrow || *narrow == nn::plainType(gradient).getElementType())
    return constrain(e, gradient, wish);
  auto type = nn::plainType(gradient).clone(*narrow);
  Value parts = nn::CastOp::create(e.builder, e.loc, type, gradient,
                                   /*of_parts=*/true);
  return constrain(e, parts, wish);
}

/// Brings `cotangent` to the parameter's gradient slot, or to its open slot.
/// The tp of the weight's use flows back, the sharding of its state does not.
static void buildGradient(SlotTable &slots, SlotFunction &stage,
                          pipe::SlotOp parameter, Value cotangent,
                          bool accumulate) {
  pipe::SlotOp slot = createGradientSlot(slots, parameter, "", "run");
  nn::Expressions e = stage.at(slot.getLoc());
  Value gradient = e.cast(cotangent, e.builder.getF32Type());
  if (accumulate && parameter.getReduce() == "last") {
    dist::ConstraintAttr open = openConstraint(slot);
    slot = createGradientSlot(slots, parameter, ".open", "step");
    slot.setConstraintAttr(open);
  } else {
    gradient = reduceAs(e, parameter, gradient, slot.getConstraintAttr());
    if (auto wish = gradient.getDefiningOp<dist::ConstrainOp>())
      wish->setAttr(
          kOneWayAttrName,
          e.builder.getStrArrayAttr(llvm::to_vector_of<StringRef>(kDataAxes)));
    gradient = e.cast(gradient, e.builder.getF32Type());
  }
  if (accumulate)
    gradient = e.sumOf({stage.read(slot.getSymName()), gradient});
  stage.write(slot.getSymName(), gradient);
}

/// Makes @stage0_reduce: open slots to gradient slots, once a step.
static void buildReduce(const SlotTable &slots, SlotFunction &stage,
                        ArrayRef<pipe::SlotOp> parameters) {
  Location loc = nn::derivedLoc(stage.function.getLoc(), "reduce");
  SlotFunction reduce = SlotFunction::create(slots, loc, "stage0_reduce");
  SmallVector<std::pair<std::string, Value>> zeros;
  for (pipe::SlotOp parameter : parameters) {
    std::string name = ("g." + parameter.getSymName()).str();
    pipe::SlotOp slot = slots.lookup(name);
    nn::Expressions e = reduce.at(slot.getLoc());
    Value open = reduce.read(name + ".open");
    Value gradient = reduceAs(e, parameter, open, slot.getConstraintAttr());
    reduce.write(name, e.cast(gradient, e.builder.getF32Type()));
    zeros.push_back({name + ".open", e.constant(open, 0)});
  }
  for (const auto &[name, zero] : zeros)
    reduce.write(name, zero);
  reduce.finish();
}

namespace {

struct DifferentiatePass
    : weft::impl::DifferentiatePassBase<DifferentiatePass> {
  using DifferentiatePassBase::DifferentiatePassBase;

  void runOnOperation() override {
    auto model = getOperation().lookupSymbol<func::FuncOp>("model");
    if (!model)
      return;
    SmallVector<LossTerm> terms = lossTerms(getOperation());
    if (failed(verifySeeds(model, terms)))
      return signalPassFailure();
    SlotTable slots(getOperation());
    SmallVector<Value> sums;
    for (const LossTerm &term : terms)
      sums.push_back(model.front().getTerminator()->getOperand(
          pipe::resultOfSlot(model, term.sum)));

    SlotFunction stage(model, slots);
    SmallVector<Value> seeds = readSeeds(stage, terms);
    for (const LossTerm &term : terms)
      markAccumulator(term.slot);
    if (accumulate)
      accumulateSums(stage, terms);
    stage.finish(); // backward asks for the arguments' slots
    Backward backward(model, slots.byName());
    backward.findActive();
    for (auto [sum, seed] : llvm::zip_equal(sums, seeds))
      backward.seed(sum, seed);
    LogicalResult isReversed = backward.run();
    if (succeeded(isReversed))
      buildGradients(slots, stage, backward);
    stage.finish();
    if (failed(isReversed))
      return signalPassFailure();
    eraseDeadOps(model);
    model.setName("stage0");
  }

  LogicalResult verifySeeds(func::FuncOp model, ArrayRef<LossTerm> terms) {
    for (const LossTerm &term : terms) {
      if (pipe::resultOfSlot(model, term.sum) < 0)
        return model.emitError("loss term is not computed: got no result of "
                               "slot \"")
               << term.sum << "\"";
      if (!getOperation().lookupSymbol<pipe::SlotOp>(term.seed))
        return model.emitError("loss term has no seed: got no slot \"")
               << term.seed
               << "\", expected the one that nn-outline-weights "
                  "makes";
    }
    return success();
  }

  void buildGradients(SlotTable &slots, SlotFunction &stage,
                      Backward &backward) {
    SmallVector<std::pair<pipe::SlotOp, Value>> gradients;
    for (BlockArgument argument : stage.function.getArguments()) {
      pipe::SlotOp slot = backward.slotOf(argument);
      if (!slot || !slot.getTrainable())
        continue;
      if (Value cotangent = backward.cotangentOf(argument))
        gradients.push_back({slot, cotangent});
      else
        slot.emitRemark("parameter has no gradient: no loss term depends on "
                        "\"")
            << slot.getSymName() << "\"";
    }
    SmallVector<pipe::SlotOp> last;
    for (auto [slot, cotangent] : gradients) {
      buildGradient(slots, stage, slot, cotangent, accumulate);
      if (accumulate && slot.getReduce() == "last")
        last.push_back(slot);
    }
    if (!last.empty())
      buildReduce(slots, stage, last);
  }
};

} // namespace
