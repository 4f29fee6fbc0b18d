// SPDX-License-Identifier: Apache-2.0
//
// attention and its gradient, one query row at a time.
// Shape letters: B batch, H query heads, K kv heads, S query positions,
// T key positions, D head size.
#include "Evaluators.h"

#include <cmath>
#include <limits>
#include <optional>

using namespace weft;
using namespace weft::interpreter;
using llvm::ArrayRef;

namespace {
/// The sizes of one attention, and where its rows are.
struct Attention {
  int64_t b, h, k, s, t, d;
  double scale;
  std::optional<double> softcap;
  bool isCausal;
  int64_t window; // no key is further back
  ArrayRef<Element> q, keys, values, queryPositions, keyPositions;
  ArrayRef<Element> queryDocuments, keyDocuments; // empty: one document

  template <typename OpTy>
  Attention(OpTy op, const Tensor &query, const Tensor &key,
            const Tensor &value, Operands mask)
      : b(query.dim(0)), h(query.dim(1)), k(key.dim(1)), s(query.dim(2)),
        t(key.dim(2)), d(query.dim(3)), scale(op.getScale().convertToDouble()),
        isCausal(op.getCausal()),
        window(op.getWindow().value_or(std::numeric_limits<int64_t>::max())),
        q(query.elements()), keys(key.elements()), values(value.elements()),
        queryPositions(mask[0].elements()), keyPositions(mask[1].elements()) {
    if (std::optional<llvm::APFloat> cap = op.getSoftcap())
      softcap = cap->convertToDouble();
    if (mask.size() > 2) {
      queryDocuments = mask[2].elements();
      keyDocuments = mask[3].elements();
    }
  }

  /// The first element of the kv head that a query head uses.
  int64_t headOf(int64_t ib, int64_t ih) const {
    return (ib * k + ih / (h / k)) * t * d;
  }
  bool counts(int64_t ib, int64_t is, int64_t it) const {
    int64_t back = queryPositions[is].integer - keyPositions[it].integer;
    if (isCausal && (back < 0 || back >= window))
      return false;
    return queryDocuments.empty() || queryDocuments[ib * s + is].integer ==
                                         keyDocuments[ib * t + it].integer;
  }
  /// The score of a query row with key `it` of the head at `head`.
  double score(int64_t row, int64_t head, int64_t it) const {
    double sum = 0.0;
    for (int64_t i = 0; i < d; ++i)
      sum += q[row + i].real * keys[head + it * d + i].real;
    sum *= scale;
    return softcap ? *softcap * std::tanh(sum / *softcap) : sum;
  }
  /// The derivative of a score by the product of q and k.
  double slope(double score) const {
    double turned = softcap ? score / *softcap : 0.0;
    return scale * (1 - turned * turned);
  }
};
} // namespace

/// Softmax of the scores of one row, in place; returns their log-sum-exp. Keys
/// that do not count have score -infinity; without any key all are 0.
static double softmaxOfRow(std::vector<double> &scores) {
  double maximum = -INFINITY, sum = 0.0;
  for (double score : scores)
    maximum = maximum < score || std::isnan(score) ? score : maximum;
  if (maximum == -INFINITY) {
    scores.assign(scores.size(), 0.0);
    return -INFINITY;
  }
  for (double &score : scores)
    sum += score = std::exp(score - maximum);
  for (double &score : scores)
    score /= sum;
  return maximum + std::log(sum);
}

static Tensors evaluateAttention(nn::AttentionOp op, Operands operands) {
  Attention a(op, operands[0], operands[1], operands[2], operands.slice(3));
  Tensor result = resultOf(op.getResult()), lse = resultOf(op.getLse());
  auto out_BHSD = result.mutableElements(), lse_BHS = lse.mutableElements();
  std::vector<double> scores(a.t);
  for (int64_t i = 0; i < a.b * a.h * a.s; ++i) {
    int64_t ib = i / a.s / a.h, is = i % a.s;
    int64_t head = a.headOf(ib, i / a.s % a.h);
    for (int64_t it = 0; it < a.t; ++it)
      scores[it] =
          a.counts(ib, is, it) ? a.score(i * a.d, head, it) : -INFINITY;
    lse_BHS[i].real = softmaxOfRow(scores);
    for (int64_t it = 0; it < a.t; ++it)
      if (scores[it] != 0.0)
        for (int64_t id = 0; id < a.d; ++id)
          out_BHSD[i * a.d + id].real +=
              scores[it] * a.values[head + it * a.d + id].real;
  }
  return {result, lse};
}

static Tensors evaluateAttentionGrad(nn::AttentionGradOp op,
                                     Operands operands) {
  Attention a(op, operands[1], operands[2], operands[3], operands.slice(6));
  ArrayRef<Element> dout = operands[0].elements();
  ArrayRef<Element> out = operands[4].elements(), lse = operands[5].elements();
  Tensor dquery = resultOf(op.getDquery()), dkey = resultOf(op.getDkey()),
         dvalue = resultOf(op.getDvalue());
  auto dq = dquery.mutableElements(), dk = dkey.mutableElements(),
       dv = dvalue.mutableElements();
  for (int64_t i = 0; i < a.b * a.h * a.s; ++i) {
    int64_t row = i * a.d, ib = i / a.s / a.h, is = i % a.s;
    int64_t head = a.headOf(ib, i / a.s % a.h);
    double delta = 0.0; // sum over keys of p * dp
    for (int64_t id = 0; id < a.d; ++id)
      delta += dout[row + id].real * out[row + id].real;
    for (int64_t it = 0; it < a.t; ++it) {
      if (!a.counts(ib, is, it))
        continue;
      int64_t key = head + it * a.d;
      double score = a.score(row, head, it);
      double p = std::exp(score - lse[i].real), dp = 0.0;
      for (int64_t id = 0; id < a.d; ++id)
        dp += dout[row + id].real * a.values[key + id].real;
      double ds = p * (dp - delta) * a.slope(score);
      for (int64_t id = 0; id < a.d; ++id) {
        dv[key + id].real += p * dout[row + id].real;
        dq[row + id].real += ds * a.keys[key + id].real;
        dk[key + id].real += ds * a.q[row + id].real;
      }
    }
  }
  return {dquery, dkey, dvalue};
}

void interpreter::addAttention(EvaluatorTable &table) {
  table.add<nn::AttentionOp>(evaluateAttention);
  table.add<nn::AttentionGradOp>(evaluateAttentionGrad);
}
