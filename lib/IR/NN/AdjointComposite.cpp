// SPDX-License-Identifier: Apache-2.0
//
// Adjoints of composite ops: their `..._grad` op, and elementary ops for the
// second results (rstd, lse) in the rare case that these are used.
#include "Decompose.h"

using namespace mlir;
using namespace weft::nn;

/// Formulas at the op's place, under its name with "/grad".
static Expressions gradOf(Operation *op, OpBuilder &builder) {
  return Expressions(builder, derivedLoc(op->getLoc(), "grad"));
}

/// The type in which the cotangent of `value` is summed over many elements.
static RankedTensorType sumType(Value value) {
  RankedTensorType type = plainType(value);
  if (!isNarrowFloat(type.getElementType()))
    return type;
  return type.clone(Float32Type::get(type.getContext()));
}

/// `x` in the element type of `like`.
static Value roundLike(Expressions &e, Value x, Value like) {
  return e.cast(x, plainType(like).getElementType());
}

/// The sum of two cotangents, each null if zero.
static Value addCotangents(Expressions &e, Value first, Value second) {
  if (first && second)
    return e.add(first, second);
  return first ? first : second;
}

SmallVector<Value> SoftmaxOp::buildAdjoint(OpBuilder &builder,
                                           ValueRange cotangents) {
  Value g = cotangents.front(), y = getResult();
  if (!g)
    return {Value()};
  Expressions e = gradOf(*this, builder);
  int64_t dim = plainType(y).getRank() - 1;
  Value mean = e.broadcastOver(e.reduceSum(e.mul(g, y), dim), y, dim);
  return {e.mul(y, e.sub(g, mean))};
}

SmallVector<Value> RmsNormOp::buildAdjoint(OpBuilder &builder,
                                           ValueRange cotangents) {
  Expressions e = gradOf(*this, builder);
  Value dy = cotangents[0], drstd = cotangents[1], x = getInput();
  Value dx, dweight;
  if (dy) {
    auto grad = RmsNormGradOp::create(builder, e.loc, plainType(x),
                                      sumType(getWeight()), dy, x, getWeight(),
                                      getRstd());
    dx = grad.getDinput();
    dweight = roundLike(e, grad.getDweight(), getWeight());
  }
  if (drstd) { // rstd = (mean(x^2) + eps)^(-1/2): -rstd^3 x / E
    ArrayRef<int64_t> shape = plainType(x).getShape();
    Value cube = e.mul(e.mul(getRstd(), getRstd()), getRstd());
    Value factor = e.scale(e.mul(drstd, cube), -1.0 / shape.back());
    int64_t dim = shape.size() - 1;
    Value part =
        e.mul(roundLike(e, x, factor), e.broadcastOver(factor, x, dim));
    dx = addCotangents(e, dx, roundLike(e, part, x));
  }
  return {dx, dweight};
}

SmallVector<Value> RotaryOp::buildAdjoint(OpBuilder &builder,
                                          ValueRange cotangents) {
  Value g = cotangents.front(), x = getInput();
  if (!g)
    return SmallVector<Value>(3);
  Expressions e = gradOf(*this, builder);
  auto transposed = builder.getUnitAttr();
  Value dx = RotaryOp::create(builder, e.loc, plainType(x), g, getCos(),
                              getSin(), getAdjoint() ? UnitAttr() : transposed);
  Value dcos = e.reduceSum(e.mul(g, x), {0, 1});
  // <g, rot(x) sin>, or <g, -rot(x sin)> = <rot(g), x sin>.
  Value dsin = getAdjoint() ? e.mul(rotateHalves(e, g), x)
                            : e.mul(g, rotateHalves(e, x));
  return {dx, dcos, e.reduceSum(dsin, {0, 1})};
}

/// The cotangents of query and key that come from lse: its derivative by the
/// scores is the attention's weights.
static std::pair<Value, Value> lseCotangents(Expressions &e, AttentionOp op,
                                             Value g) {
  AttentionScores parts = attentionScores(e, op);
  Value scores = parts.scores;
  SmallVector<int64_t> rows(plainType(scores).getShape().drop_back());
  Type type = plainType(scores).getElementType();
  auto overKeys = [&](Value x) {
    return e.broadcastOver(e.cast(e.reshape(x, rows), type), scores, 4);
  };
  Value weights = e.exp(e.sub(scores, overKeys(op.getLse())));
  if (parts.mask)
    weights = e.selectOrZero(parts.mask, weights);
  Value dscores = productCotangent(e, parts, e.mul(weights, overKeys(g)),
                                   op.getScale().convertToDouble());
  Type narrow = plainType(op.getQuery()).getElementType();
  Value dquery = e.contract("bkgst,bktd->bkgsd", dscores, op.getKey(), narrow);
  Value dkey = e.contract("bkgst,bkgsd->bktd", dscores, parts.query, narrow);
  return {e.reshape(dquery, plainType(op.getQuery()).getShape()), dkey};
}

SmallVector<Value> AttentionOp::buildAdjoint(OpBuilder &builder,
                                             ValueRange cotangents) {
  SmallVector<Value> operands(getNumOperands());
  Expressions e = gradOf(*this, builder);
  if (Value dout = cotangents[0]) {
    auto grad = AttentionGradOp::create(
        builder, e.loc, plainType(getQuery()), plainType(getKey()),
        plainType(getValue()), dout, getQuery(), getKey(), getValue(),
        getResult(), getLse(), getQueryPositions(), getKeyPositions(),
        getDocuments(), getScaleAttr(), getCausalAttr(), getWindowAttr(),
        getSoftcapAttr());
    llvm::copy(grad.getResults(), operands.begin());
  }
  if (Value dlse = cotangents[1]) {
    auto [dquery, dkey] = lseCotangents(e, *this, dlse);
    operands[0] = addCotangents(e, operands[0], dquery);
    operands[1] = addCotangents(e, operands[1], dkey);
  }
  return operands;
}

SmallVector<Value> EmbeddingOp::buildAdjoint(OpBuilder &builder,
                                             ValueRange cotangents) {
  SmallVector<Value> operands(getNumOperands());
  if (!cotangents.front())
    return operands;
  Expressions e = gradOf(*this, builder);
  Value dtable =
      EmbeddingGradOp::create(builder, e.loc, sumType(getTable()),
                              cotangents.front(), getIds(), getOffset());
  operands[1] = roundLike(e, dtable, getTable());
  return operands;
}

SmallVector<Value> CrossEntropyOp::buildAdjoint(OpBuilder &builder,
                                                ValueRange cotangents) {
  Expressions e = gradOf(*this, builder);
  Value dsum = cotangents[0], dlse = cotangents[1], logits = getLogits();
  Value dlogits;
  if (dsum)
    dlogits = CrossEntropyGradOp::create(builder, e.loc, plainType(logits),
                                         logits, getLabels(), getLse(), dsum,
                                         /*offset=*/Value());
  if (dlse) { // the derivative of lse is the softmax
    Value wide = roundLike(e, logits, getLse());
    int64_t dim = plainType(logits).getRank() - 1;
    auto overClasses = [&](Value x) { return e.broadcastOver(x, logits, dim); };
    Value softmax = e.exp(e.sub(wide, overClasses(getLse())));
    Value part = e.mul(softmax, overClasses(dlse));
    dlogits = addCotangents(e, dlogits, roundLike(e, part, logits));
  }
  return {dlogits, Value()};
}
