// SPDX-License-Identifier: Apache-2.0
//
// The one reduction of a step. Each part becomes an f64 that is partial over
// all axes (ranks that share a value contribute it once), then the vector of
// all parts is reduced.
#include "UpdateTotals.h"
#include <limits>

using namespace mlir;
using namespace weft;

/// `part` in f64, as a sum over all ranks.
static Value partialPart(nn::Expressions &e, Value part) {
  return constrain(
      e, e.cast(part, e.builder.getF64Type()),
      wishForAxes(e.builder.getContext(), kStageAxes, Placement::partial(0)));
}

/// The sum over all gradients of the sum over `map` of their elements.
template <typename MapT>
static Value sumOverGradients(SlotFunction &update, ArrayRef<Trained> gradients,
                              MapT map) {
  nn::Expressions e = update.at(update.function.getLoc());
  SmallVector<Value> parts;
  for (Trained trained : gradients) {
    e.loc = nn::derivedLoc(trained.parameter.getLoc(), "norm");
    Value g = update.read(trained.gradient.getSymName());
    parts.push_back(
        partialPart(e, e.reduceAll(nn::ReduceOpKind::sum, map(e, g))));
  }
  if (!parts.empty())
    return e.sumOf(parts);
  return nn::splat(e.builder, e.loc,
                   RankedTensorType::get({}, e.builder.getF64Type()), 0);
}

/// The largest magnitude: a maximum is not a part of a sum, so each gradient's
/// is reduced by itself (bucketing makes that one collective).
static Value maxOverGradients(SlotFunction &update,
                              ArrayRef<Trained> gradients) {
  nn::Expressions e = update.at(update.function.getLoc());
  dist::ConstraintAttr everywhere =
      wishForAxes(e.builder.getContext(), kStageAxes, Placement::replicate(0));
  auto f64 = e.builder.getF64Type();
  Value largest =
      nn::splat(e.builder, e.loc, RankedTensorType::get({}, f64), 0);
  for (Trained trained : gradients) {
    e.loc = nn::derivedLoc(trained.parameter.getLoc(), "norm");
    Value g = update.read(trained.gradient.getSymName());
    Value own = e.reduceAll(nn::ReduceOpKind::max, e.unary<nn::AbsOp>(g));
    own = e.cast(constrain(e, own, everywhere), f64);
    largest = e.binary<nn::MaximumOp>(largest, own);
  }
  return largest;
}

/// A sum that is finite exactly if it, or with the maximum norm every
/// gradient, is.
static Value normPart(SlotFunction &update, ArrayRef<Trained> gradients,
                      Norm norm) {
  return sumOverGradients(update, gradients,
                          [norm](nn::Expressions &e, Value g) -> Value {
                            switch (norm) {
                            case Norm::One:
                              return e.unary<nn::AbsOp>(g);
                            case Norm::Two:
                              return e.mul(g, g);
                            case Norm::Inf:
                              return e.scale(g, 0); // NaN where g is not finite
                            }
                            llvm_unreachable("covered switch");
                          });
}

Totals weft::buildTotals(SlotFunction &update, ArrayRef<LossTerm> terms,
                         ArrayRef<Trained> gradients, Norm norm) {
  nn::Expressions e = update.at(update.function.getLoc());
  SmallVector<Value> parts;
  for (const LossTerm &term : terms)
    parts.push_back(partialPart(e, update.read(term.sum)));
  for (const LossTerm &term : terms)
    parts.push_back(partialPart(e, update.read(term.weight)));
  parts.push_back(normPart(update, gradients, norm));
  parts.push_back(partialPart(e, update.read("fingerprint")));
  SmallVector<Value> all = constrainTogether(
      e, parts,
      wishForAxes(e.builder.getContext(), kStageAxes, Placement::replicate(0)));

  Totals totals;
  ArrayRef<Value> rest = all;
  totals.sums = SmallVector<Value>(rest.take_front(terms.size()));
  totals.weights = SmallVector<Value>(
      rest.drop_front(terms.size()).take_front(terms.size()));
  Value sum = rest.drop_back().back();
  totals.fingerprint = rest.back();
  totals.isFinite = e.compare(nn::Predicate::lt, e.unary<nn::AbsOp>(sum),
                              std::numeric_limits<double>::infinity());
  if (norm == Norm::Inf)
    totals.norm = maxOverGradients(update, gradients);
  else
    totals.norm = norm == Norm::Two ? e.unary<nn::SqrtOp>(sum) : sum;
  return totals;
}
