// SPDX-License-Identifier: Apache-2.0
//
// Ops that address a dim by the values of another operand. An index out of
// range takes no part, so the shards of an indexed dim add up. Only the id that
// fills padding embeds as NaN, to show who reads it.
#include "Evaluators.h"
#include <cmath>

using namespace weft;
using namespace weft::interpreter;

static Tensor evaluatePick(nn::PickOp op, Operands operands) {
  const Tensor &input = operands[0], &indices = operands[1];
  int64_t offset = offsetAmong(operands, 2), size = input.shape().back();
  Tensor result = resultOf(op.getResult());
  auto elements = result.mutableElements();
  for (auto [row, index] : llvm::enumerate(indices.elements())) {
    int64_t c = index.integer - offset;
    if (c >= 0 && c < size)
      elements[row] = input.elements()[row * size + c];
  }
  return result;
}

static Tensor evaluatePlace(nn::PlaceOp op, Operands operands) {
  const Tensor &input = operands[0], &indices = operands[1];
  int64_t offset = offsetAmong(operands, 2);
  Tensor result = resultOf(op.getResult());
  int64_t size = result.shape().back();
  auto elements = result.mutableElements();
  for (auto [row, index] : llvm::enumerate(indices.elements())) {
    int64_t c = index.integer - offset;
    if (c >= 0 && c < size)
      elements[row * size + c] = input.elements()[row];
  }
  return result;
}

static Tensor evaluateEmbedding(nn::EmbeddingOp op, Operands operands) {
  const Tensor &ids = operands[0], &table = operands[1];
  int64_t offset = offsetAmong(operands, 2);
  int64_t rows = table.dim(0), width = table.dim(1);
  Tensor result = resultOf(op.getResult());
  auto elements = result.mutableElements();
  for (auto [position, id] : llvm::enumerate(ids.elements())) {
    int64_t row = id.integer - offset;
    if (id.integer == kPoisonedId)
      for (int64_t e = 0; e < width; ++e)
        elements[position * width + e].real = NAN;
    else if (row >= 0 && row < rows)
      std::copy_n(table.elements().begin() + row * width, width,
                  elements.begin() + position * width);
  }
  return result;
}

static Tensor evaluateEmbeddingGrad(nn::EmbeddingGradOp op, Operands operands) {
  const Tensor &dy = operands[0], &ids = operands[1];
  int64_t offset = offsetAmong(operands, 2);
  Tensor result = resultOf(op.getResult());
  int64_t rows = result.dim(0), width = result.dim(1);
  auto elements = result.mutableElements();
  for (auto [position, id] : llvm::enumerate(ids.elements())) {
    int64_t row = id.integer - offset;
    if (row < 0 || row >= rows)
      continue;
    for (int64_t e = 0; e < width; ++e)
      elements[row * width + e].real +=
          dy.elements()[position * width + e].real;
  }
  return result;
}

void interpreter::addIndexed(EvaluatorTable &table) {
  table.add<nn::PickOp>(evaluatePick);
  table.add<nn::PlaceOp>(evaluatePlace);
  table.add<nn::EmbeddingOp>(evaluateEmbedding);
  table.add<nn::EmbeddingGradOp>(evaluateEmbeddingGrad);
}
