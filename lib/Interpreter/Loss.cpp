// SPDX-License-Identifier: Apache-2.0
//
// cross_entropy and its gradient. Rows are positions, columns classes; a row
// whose label is -100 counts for nothing.
#include "Evaluators.h"

#include <algorithm>
#include <cmath>

using namespace weft;
using namespace weft::interpreter;
using llvm::ArrayRef;

static constexpr int64_t kIgnoredLabel = -100;

static Tensors evaluateCrossEntropy(nn::CrossEntropyOp op, Operands operands) {
  ArrayRef<Element> labels = operands[1].elements();
  Tensor sum = resultOf(op.getSum()), lse = resultOf(op.getLse());
  auto lses = lse.mutableElements();
  int64_t classes = operands[0].shape().back();
  double total = 0.0;
  for (size_t r = 0; r < labels.size(); ++r) {
    auto logits = operands[0].elements().slice(r * classes, classes);
    double maximum = -INFINITY, exponentials = 0.0;
    for (Element logit : logits)
      maximum = std::max(maximum, logit.real);
    for (Element logit : logits)
      exponentials += std::exp(logit.real - maximum);
    lses[r].real = maximum + std::log(exponentials);
    int64_t label = labels[r].integer;
    if (label == kIgnoredLabel)
      continue;
    bool isClass = label >= 0 && label < classes;
    total += lses[r].real - (isClass ? logits[label].real : 0.0);
  }
  sum.set(0, total);
  return {sum, lse};
}

static Tensor evaluateCrossEntropyGrad(nn::CrossEntropyGradOp op,
                                       Operands operands) {
  ArrayRef<Element> logits = operands[0].elements();
  ArrayRef<Element> labels = operands[1].elements();
  ArrayRef<Element> lses = operands[2].elements();
  double seed = operands[3].value();
  int64_t offset = offsetAmong(operands, 4);
  Tensor result = resultOf(op.getResult());
  auto dlogits = result.mutableElements();
  int64_t classes = result.shape().back();
  for (size_t r = 0; r < labels.size(); ++r) {
    int64_t label = labels[r].integer;
    if (label == kIgnoredLabel)
      continue;
    for (int64_t c = 0; c < classes; ++c) {
      double p = std::exp(logits[r * classes + c].real - lses[r].real);
      dlogits[r * classes + c].real = (p - (c + offset == label)) * seed;
    }
  }
  return result;
}

void interpreter::addLoss(EvaluatorTable &table) {
  table.add<nn::CrossEntropyOp>(evaluateCrossEntropy);
  table.add<nn::CrossEntropyGradOp>(evaluateCrossEntropyGrad);
}
