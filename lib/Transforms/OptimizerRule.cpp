// SPDX-License-Identifier: Apache-2.0
//
// AdamW and SGD as formulas, in the order of operations of torch.optim.
#include "OptimizerRule.h"

using namespace mlir;
using namespace weft;

SmallVector<StringRef> OptimizerRule::stateNames() const {
  if (kind == OptimizerKind::AdamW)
    return {"m", "v"};
  if (momentum != 0)
    return {"m"};
  return {};
}

/// 1 - base^exponent.
static Value biasCorrection(nn::Expressions &e, double base, Value exponent) {
  Value power = e.binary<nn::PowOp>(e.constant(exponent, base), exponent);
  return e.sub(e.constant(power, 1), power);
}

StepScalars weft::buildStepScalars(nn::Expressions &e,
                                   const OptimizerRule &rule, Value lr,
                                   Value step) {
  StepScalars scalars;
  scalars.lr = lr;
  if (rule.kind == OptimizerKind::Sgd)
    return scalars;
  Type f32 = e.builder.getF32Type(), f64 = e.builder.getF64Type();
  Value wideLr = e.cast(lr, f64), wideStep = e.cast(step, f64);
  Value decay = e.sub(e.constant(wideLr, 1), e.scale(wideLr, rule.weightDecay));
  Value size = e.div(wideLr, biasCorrection(e, rule.beta1, wideStep));
  Value root = e.unary<nn::SqrtOp>(biasCorrection(e, rule.beta2, wideStep));
  scalars.decay = e.cast(decay, f32);
  scalars.stepSize = e.cast(size, f32);
  scalars.root = e.cast(root, f32);
  return scalars;
}

static OptimizerState buildAdamW(nn::Expressions &e, const OptimizerRule &rule,
                                 const StepScalars &scalars,
                                 const OptimizerState &before, Value g) {
  Value p = before.parameter, m = before.state[0], v = before.state[1];
  Value decayed = e.mul(p, e.fill(scalars.decay, p));
  m = e.add(m, e.scale(e.sub(g, m), 1 - rule.beta1));
  v = e.add(e.scale(v, rule.beta2), e.scale(e.mul(g, g), 1 - rule.beta2));
  Value root = e.div(e.unary<nn::SqrtOp>(v), e.fill(scalars.root, v));
  Value ratio = e.div(m, e.addConstant(root, rule.eps));
  Value change = e.mul(ratio, e.fill(scalars.stepSize, ratio));
  return {e.sub(decayed, change), {m, v}};
}

static OptimizerState buildSgd(nn::Expressions &e, const OptimizerRule &rule,
                               const StepScalars &scalars,
                               const OptimizerState &before, Value g) {
  Value p = before.parameter;
  SmallVector<Value> state;
  if (rule.weightDecay != 0)
    g = e.add(g, e.scale(p, rule.weightDecay));
  if (rule.momentum != 0) {
    g = e.add(e.scale(before.state[0], rule.momentum), g);
    state = {g};
  }
  return {e.sub(p, e.mul(g, e.fill(scalars.lr, g))), state};
}

OptimizerState weft::buildStep(nn::Expressions &e, const OptimizerRule &rule,
                               const StepScalars &scalars,
                               const OptimizerState &before, Value gradient) {
  return rule.kind == OptimizerKind::AdamW
             ? buildAdamW(e, rule, scalars, before, gradient)
             : buildSgd(e, rule, scalars, before, gradient);
}
