// SPDX-License-Identifier: Apache-2.0
//
// Composite ops in elementary ones. A decomposition is what the op means where
// a dim that its kernel needs whole is to stay sharded: communication follows
// from the reductions. Maxima only shift what is exponentiated and cancel out,
// so they are marked to have no cotangent. As in the kernels, operands of a
// narrow type are widened first and results are rounded once.
#include "Decompose.h"
#include <limits>

using namespace mlir;
using namespace weft::nn;

/// Formulas in place of `op`: under its own name.
static Expressions partsOf(Operation *op, OpBuilder &builder) {
  return Expressions(builder, op->getLoc());
}

static int64_t lastDim(Value x) { return plainType(x).getRank() - 1; }

static Value shiftMaximum(Expressions &e, Value x) {
  Value maximum = e.reduce(ReduceOpKind::max, x, lastDim(x));
  maximum.getDefiningOp()->setAttr(kConstantShiftAttrName,
                                   e.builder.getUnitAttr());
  return maximum;
}

/// `x` in the element type of `like`.
static Value roundLike(Expressions &e, Value x, Value like) {
  return e.cast(x, plainType(like).getElementType());
}

static Value meanOverLast(Expressions &e, Value x) {
  double size = plainType(x).getShape().back();
  return e.scale(e.reduceSum(x, lastDim(x)), 1 / size);
}

SmallVector<Value> SoftmaxOp::decompose(OpBuilder &builder) {
  Expressions e = partsOf(*this, builder);
  Value x = e.widen(getInput());
  int64_t dim = lastDim(x);
  Value shifted = e.sub(x, e.broadcastOver(shiftMaximum(e, x), x, dim));
  Value weights = e.exp(shifted);
  Value sum = e.reduceSum(weights, dim);
  Value y = e.div(weights, e.broadcastOver(sum, x, dim));
  return {roundLike(e, y, getResult())};
}

//===----------------------------------------------------------------------===//
// Norm and rotary
//===----------------------------------------------------------------------===//

SmallVector<Value> RmsNormOp::decompose(OpBuilder &builder) {
  Expressions e = partsOf(*this, builder);
  Value x = e.widen(getInput());
  int64_t dim = lastDim(x);
  Value variance = meanOverLast(e, e.mul(x, x));
  Value rstd =
      e.unary<RsqrtOp>(e.addConstant(variance, getEps().convertToDouble()));
  Value normed = e.mul(x, e.broadcastOver(rstd, x, dim));
  Value weight =
      e.broadcast(e.widen(getWeight()), plainType(x).getShape(), dim);
  return {roundLike(e, e.mul(normed, weight), getResult()),
          roundLike(e, rstd, getRstd())};
}

SmallVector<Value> RmsNormGradOp::decompose(OpBuilder &builder) {
  Expressions e = partsOf(*this, builder);
  Value x = e.widen(getInput()), dy = e.widen(getDy());
  int64_t dim = lastDim(x);
  ArrayRef<int64_t> shape = plainType(x).getShape();
  Value rstds = e.widen(getRstd());
  Value rstd = e.broadcastOver(rstds, x, dim);
  Value g = e.mul(dy, e.broadcast(e.widen(getWeight()), shape, dim));
  Value mean = meanOverLast(e, e.mul(g, x));
  Value square = e.mul(rstds, rstds);
  Value factor = e.broadcastOver(e.mul(square, mean), x, dim);
  Value dx = e.mul(rstd, e.sub(g, e.mul(x, factor)));
  Value dweight =
      e.reduceSum(e.mul(dy, e.mul(x, rstd)), otherDims(shape.size(), dim));
  return {roundLike(e, dx, getDinput()), roundLike(e, dweight, getDweight())};
}

Value weft::nn::rotateHalves(Expressions &e, Value x) {
  int64_t dim = lastDim(x), half = plainType(x).getShape().back() / 2;
  Value first = e.slice(x, dim, 0, half), second = e.slice(x, dim, half, half);
  return e.concat({e.neg(second), first}, dim);
}

SmallVector<Value> RotaryOp::decompose(OpBuilder &builder) {
  Expressions e = partsOf(*this, builder);
  Value x = e.widen(getInput());
  ArrayRef<int64_t> shape = plainType(x).getShape();
  Value cos = e.broadcast(e.widen(getCos()), shape, {2, 3});
  Value sin = e.broadcast(e.widen(getSin()), shape, {2, 3});
  Value turned = getAdjoint() ? e.neg(rotateHalves(e, e.mul(x, sin)))
                              : e.mul(rotateHalves(e, x), sin);
  return {roundLike(e, e.add(e.mul(x, cos), turned), getResult())};
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

/// Where a key counts, of the shape of `scores`, [B, K, G, S, T]; null if every
/// key does.
template <typename OpT>
static Value attentionMask(Expressions &e, OpT op, Value scores) {
  ArrayRef<int64_t> shape = plainType(scores).getShape();
  Value mask;
  if (op.getCausal()) {
    Value queries =
        e.broadcast(op.getQueryPositions(), shape.take_back(2), {0});
    Value keys = e.broadcast(op.getKeyPositions(), shape.take_back(2), {1});
    mask = e.compare(Predicate::le, keys, queries);
    if (std::optional<uint64_t> window = op.getWindow()) {
      Value first = e.addConstant(queries, -static_cast<double>(*window));
      mask =
          e.binary<LogicalAndOp>(mask, e.compare(Predicate::gt, keys, first));
    }
    mask = e.broadcast(mask, shape, {3, 4});
  }
  if (op.getDocuments().empty())
    return mask;
  SmallVector<int64_t> pairs = {shape[0], shape[3], shape[4]}; // [B, S, T]
  Value same =
      e.compare(Predicate::eq, e.broadcast(op.getDocuments()[0], pairs, {0, 1}),
                e.broadcast(op.getDocuments()[1], pairs, {0, 2}));
  same = e.broadcast(same, shape, {0, 3, 4});
  return mask ? e.binary<LogicalAndOp>(mask, same) : same;
}

template <typename OpT>
AttentionScores weft::nn::attentionScores(Expressions &e, OpT op) {
  ArrayRef<int64_t> q = plainType(op.getQuery()).getShape();
  ArrayRef<int64_t> k = plainType(op.getKey()).getShape();
  int64_t heads = k[1], group = q[1] / k[1];
  AttentionScores result;
  result.query = e.reshape(op.getQuery(), {q[0], heads, group, q[2], q[3]});
  Type type = plainType(op.getQuery()).getElementType();
  Value products =
      e.contract("bkgsd,bktd->bkgst", result.query, op.getKey(),
                 isNarrowFloat(type) ? e.builder.getF32Type() : type);
  result.scores = e.scale(products, op.getScale().convertToDouble());
  if (std::optional<APFloat> softcap = op.getSoftcap()) {
    double cap = softcap->convertToDouble();
    Value turned = e.unary<TanhOp>(e.scale(result.scores, 1 / cap));
    result.scores = e.scale(turned, cap);
    result.slope = e.sub(e.constant(turned, 1), e.mul(turned, turned));
  }
  result.mask = attentionMask(e, op, result.scores);
  return result;
}
template AttentionScores weft::nn::attentionScores(Expressions &, AttentionOp);

Value weft::nn::productCotangent(Expressions &e, const AttentionScores &parts,
                                 Value dscores, double scale) {
  Value scaled = e.scale(dscores, scale);
  return parts.slope ? e.mul(scaled, parts.slope) : scaled;
}

SmallVector<Value> AttentionOp::decompose(OpBuilder &builder) {
  Expressions e = partsOf(*this, builder);
  AttentionScores parts = attentionScores(e, *this);
  Value scores = parts.scores;
  // Finite, so that a row without keys yields exp(low - low) * 0, not NaN.
  const double low = -std::numeric_limits<float>::max();
  if (parts.mask)
    scores = e.select(parts.mask, scores, e.constant(scores, low));
  Value maximum = shiftMaximum(e, scores);
  Value weights = e.exp(e.sub(scores, e.broadcastOver(maximum, scores, 4)));
  if (parts.mask)
    weights = e.selectOrZero(parts.mask, weights);
  Value sum = e.reduceSum(weights, 4);
  Value divisor =
      e.select(e.compare(Predicate::eq, sum, 0.0), e.constant(sum, 1), sum);
  weights = e.div(weights, e.broadcastOver(divisor, weights, 4));
  Value out = e.contract("bkgst,bktd->bkgsd", weights, getValue(),
                         plainType(getQuery()).getElementType());
  RankedTensorType lse = plainType(getLse());
  return {e.reshape(out, plainType(getQuery()).getShape()),
          e.cast(e.reshape(e.add(e.log(sum), maximum), lse.getShape()),
                 lse.getElementType())};
}

/// The weights come back from lse; a row without keys has none to come back.
SmallVector<Value> AttentionGradOp::decompose(OpBuilder &builder) {
  Expressions e = partsOf(*this, builder);
  AttentionScores parts = attentionScores(e, *this);
  Value scores = parts.scores;
  ArrayRef<int64_t> shape = plainType(scores).getShape();
  Type type = plainType(scores).getElementType();
  auto overKeys = [&](Value x) {
    Value rows = e.cast(e.reshape(x, shape.drop_back()), type);
    return e.broadcastOver(rows, scores, 4);
  };
  Value weights = e.exp(e.sub(scores, overKeys(getLse())));
  if (parts.mask)
    weights = e.selectOrZero(parts.mask, weights);
  Value dout = e.reshape(getDout(), plainType(parts.query).getShape());
  Value dweights = e.contract("bkgsd,bktd->bkgst", dout, getValue(), type);
  Value mean = e.reduceSum(e.mul(e.widen(getDout()), e.widen(getOut())), 3);
  Value dscores = productCotangent(
      e, parts, e.mul(weights, e.sub(dweights, overKeys(mean))),
      getScale().convertToDouble());
  Type own = plainType(getQuery()).getElementType();
  Value dquery = e.contract("bkgst,bktd->bkgsd", dscores, getKey(), own);
  return {e.reshape(dquery, plainType(getQuery()).getShape()),
          e.contract("bkgst,bkgsd->bktd", dscores, parts.query, own),
          e.contract("bkgst,bkgsd->bktd", weights, dout, own)};
}

//===----------------------------------------------------------------------===//
// Cross-entropy
//===----------------------------------------------------------------------===//

/// With sharded classes the maximum, the sum and the label's logit are each
/// combined over ranks, all of the labels' shape; nothing else is.
SmallVector<Value> CrossEntropyOp::decompose(OpBuilder &builder) {
  Expressions e = partsOf(*this, builder);
  Value logits = e.widen(getLogits()), labels = getLabels();
  int64_t dim = lastDim(logits);
  Value maximum = shiftMaximum(e, logits);
  Value shifted = e.sub(logits, e.broadcastOver(maximum, logits, dim));
  Value sum = e.reduceSum(e.exp(shifted), dim);
  Value lse = e.add(e.log(sum), maximum);
  Value picked = PickOp::create(builder, e.loc, plainType(lse), logits, labels,
                                /*offset=*/Value());
  Value counts = e.compare(Predicate::ne, labels, -100.0);
  Value losses = e.selectOrZero(counts, e.sub(lse, picked));
  return {roundLike(e, e.reduceAll(ReduceOpKind::sum, losses), getSum()),
          roundLike(e, lse, getLse())};
}

SmallVector<Value> CrossEntropyGradOp::decompose(OpBuilder &builder) {
  Expressions e = partsOf(*this, builder);
  Value logits = e.widen(getLogits()), labels = getLabels();
  RankedTensorType type = plainType(logits);
  int64_t dim = lastDim(logits);
  Value lse = e.cast(getLse(), type.getElementType());
  Value weights = e.exp(e.sub(logits, e.broadcastOver(lse, logits, dim)));
  Value label = PlaceOp::create(builder, e.loc, type, e.constant(lse, 1.0),
                                labels, getOffset());
  Value counts = e.compare(Predicate::ne, labels, -100.0);
  Value seed = e.cast(getSeed(), type.getElementType());
  Value dlogits = e.mul(e.sub(weights, label), e.fill(seed, logits));
  Value counted = e.selectOrZero(e.broadcastOver(counts, logits, dim), dlogits);
  return {roundLike(e, counted, getResult())};
}
