// SPDX-License-Identifier: Apache-2.0
//
// softmax, rms_norm with its gradient, rotary: composites over the last dim.
// Shape letters: R all dims but the last together, E the last dim.
#include "Evaluators.h"

#include <algorithm>
#include <cmath>

using namespace weft;
using namespace weft::interpreter;
using llvm::ArrayRef;

static Tensor evaluateSoftmax(nn::SoftmaxOp op, Operands operands) {
  Tensor result = operands[0];
  int64_t width = result.shape().back();
  auto x_RE = result.mutableElements();
  for (; !x_RE.empty(); x_RE = x_RE.drop_front(width)) {
    auto row = x_RE.take_front(width);
    double maximum = -INFINITY, sum = 0.0;
    for (Element element : row)
      maximum = std::max(maximum, element.real);
    for (Element &element : row)
      sum += element.real = std::exp(element.real - maximum);
    for (Element &element : row)
      element.real /= sum;
  }
  return result;
}

static Tensors evaluateRmsNorm(nn::RmsNormOp op, Operands operands) {
  const Tensor &input = operands[0];
  ArrayRef<Element> weight_E = operands[1].elements();
  Tensor result = resultOf(op.getResult()), rstd = resultOf(op.getRstd());
  int64_t width = input.shape().back();
  auto y_RE = result.mutableElements(), rstd_R = rstd.mutableElements();
  double eps = op.getEps().convertToDouble();
  for (size_t r = 0; r < rstd_R.size(); ++r) {
    const Element *x_E = input.elements().data() + r * width;
    double squares = 0.0;
    for (int64_t e = 0; e < width; ++e)
      squares += x_E[e].real * x_E[e].real;
    rstd_R[r].real = 1.0 / std::sqrt(squares / width + eps);
    for (int64_t e = 0; e < width; ++e)
      y_RE[r * width + e].real =
          x_E[e].real * rstd_R[r].real * weight_E[e].real;
  }
  return {result, rstd};
}

static Tensors evaluateRmsNormGrad(nn::RmsNormGradOp op, Operands operands) {
  ArrayRef<Element> weight_E = operands[2].elements();
  ArrayRef<Element> rstd_R = operands[3].elements();
  Tensor dinput = resultOf(op.getDinput()), dweight = resultOf(op.getDweight());
  auto dx_RE = dinput.mutableElements(), dw_E = dweight.mutableElements();
  int64_t width = weight_E.size();
  for (size_t r = 0; r < rstd_R.size(); ++r) {
    const Element *dy_E = operands[0].elements().data() + r * width;
    const Element *x_E = operands[1].elements().data() + r * width;
    double rstd = rstd_R[r].real, mean = 0.0;
    for (int64_t e = 0; e < width; ++e)
      mean += dy_E[e].real * weight_E[e].real * x_E[e].real / width;
    for (int64_t e = 0; e < width; ++e) {
      double g = dy_E[e].real * weight_E[e].real;
      dx_RE[r * width + e].real = rstd * (g - x_E[e].real * rstd * rstd * mean);
      dw_E[e].real += dy_E[e].real * x_E[e].real * rstd;
    }
  }
  return {dinput, dweight};
}

/// x * cos + rot(x) * sin, or, for the adjoint, x * cos - rot(x * sin), where
/// rot(x) = concat(-x2, x1) of the halves of a row.
static Tensor evaluateRotary(nn::RotaryOp op, Operands operands) {
  ArrayRef<Element> x = operands[0].elements();
  ArrayRef<Element> cos = operands[1].elements(), sin = operands[2].elements();
  Tensor result = resultOf(op.getResult());
  auto y = result.mutableElements();
  int64_t width = result.shape().back(), half = width / 2;
  int64_t table = cos.size(); // positions times width
  for (int64_t i = 0, e = result.numElements(); i < e; ++i) {
    bool isFirstHalf = i % width < half;
    int64_t other = isFirstHalf ? i + half : i - half;
    double sign = isFirstHalf ? -1.0 : 1.0;
    double turned = op.getAdjoint()
                        ? -sign * x[other].real * sin[other % table].real
                        : sign * x[other].real * sin[i % table].real;
    y[i].real = x[i].real * cos[i % table].real + turned;
  }
  return result;
}

void interpreter::addNorm(EvaluatorTable &table) {
  table.add<nn::SoftmaxOp>(evaluateSoftmax);
  table.add<nn::RmsNormOp>(evaluateRmsNorm);
  table.add<nn::RmsNormGradOp>(evaluateRmsNormGrad);
  table.add<nn::RotaryOp>(evaluateRotary);
}
