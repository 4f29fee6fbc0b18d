// SPDX-License-Identifier: Apache-2.0
//
// Constants and ops that move elements.
#include "Evaluators.h"

#include "weft/IR/Prog/Prog.h"

using namespace weft;
using namespace weft::interpreter;
using llvm::ArrayRef;
using llvm::SmallVector;

static Tensor evaluateConstant(nn::ConstantOp op, Operands operands) {
  return Tensor::of(op.getValue());
}

static Tensor evaluateIota(nn::IotaOp op, Operands operands) {
  Tensor result = resultOf(op.getResult());
  int64_t dim = op.getDim(), offset = offsetAmong(operands, 0);
  int64_t stride = stridesOf(result.shape())[dim], size = result.dim(dim);
  bool isFloating = result.isFloating();
  for (auto [index, element] : llvm::enumerate(result.mutableElements())) {
    int64_t value = static_cast<int64_t>(index) / stride % size + offset;
    if (isFloating)
      element.real = static_cast<double>(value);
    else
      element.integer = value;
  }
  return result;
}

static Tensor evaluateBroadcast(nn::BroadcastOp op, Operands operands) {
  Tensor result = resultOf(op.getResult());
  SmallVector<int64_t> to = stridesOf(result.shape());
  SmallVector<int64_t> from = stridesOf(operands[0].shape());
  ArrayRef<Element> source = operands[0].elements();
  for (auto [index, element] : llvm::enumerate(result.mutableElements())) {
    int64_t position = 0;
    for (auto [k, dim] : llvm::enumerate(op.getDims()))
      position +=
          static_cast<int64_t>(index) / to[dim] % result.dim(dim) * from[k];
    element = source[position];
  }
  return result;
}

static Tensor evaluateReshape(nn::ReshapeOp op, Operands operands) {
  return operands[0].reshaped(op.getType().getShape());
}

static Tensor evaluateTranspose(nn::TransposeOp op, Operands operands) {
  return operands[0].permuted(op.getPermutation());
}

/// The position in a tensor of strides `from` of each element of a grid of
/// `shape`: sum of (index * step + start) * stride.
static SmallVector<int64_t> gridPositions(ArrayRef<int64_t> shape,
                                          ArrayRef<int64_t> start,
                                          ArrayRef<int64_t> step,
                                          ArrayRef<int64_t> strides) {
  SmallVector<int64_t> own = stridesOf(shape);
  SmallVector<int64_t> positions(numElements(shape), 0);
  for (auto [index, position] : llvm::enumerate(positions))
    for (size_t d = 0; d < shape.size(); ++d)
      position += (static_cast<int64_t>(index) / own[d] % shape[d] * step[d] +
                   start[d]) *
                  strides[d];
  return positions;
}

static Tensor evaluateSlice(nn::SliceOp op, Operands operands) {
  Tensor result = resultOf(op.getResult());
  SmallVector<int64_t> positions =
      gridPositions(result.shape(), op.getOffsets(), op.getStrides(),
                    stridesOf(operands[0].shape()));
  for (auto [element, position] :
       llvm::zip_equal(result.mutableElements(), positions))
    element = operands[0].elements()[position];
  return result;
}

static Tensor evaluatePad(nn::PadOp op, Operands operands) {
  Tensor result = resultOf(op.getResult());
  SmallVector<int64_t> step;
  for (int64_t interior : op.getInterior())
    step.push_back(interior + 1);
  SmallVector<int64_t> positions = gridPositions(
      operands[0].shape(), op.getLow(), step, stridesOf(result.shape()));
  auto elements = result.mutableElements();
  for (auto [element, position] :
       llvm::zip_equal(operands[0].elements(), positions))
    elements[position] = element;
  return result;
}

static Tensor evaluateConcat(nn::ConcatOp op, Operands operands) {
  Tensor result = resultOf(op.getResult());
  int dim = static_cast<int>(op.getDim());
  int64_t start = 0;
  for (const Tensor &operand : operands) {
    result.setBlock(dim, start, operand);
    start += operand.dim(dim);
  }
  return result;
}

static Tensor evaluateMaskTail(nn::MaskTailOp op, Operands operands) {
  Tensor result = operands[0];
  int dim = static_cast<int>(op.getDim());
  int64_t extent = operands[1].elements()[0].integer;
  int64_t tail = std::max<int64_t>(result.dim(dim) - extent, 0);
  SmallVector<int64_t> shape(result.shape());
  shape[dim] = tail;
  Tensor padding(result.kind(), shape);
  for (int64_t i = 0, e = padding.numElements(); i < e; ++i)
    padding.set(i, op.getValue().convertToDouble());
  result.setBlock(dim, extent, padding);
  return result;
}

static Tensor evaluateWindow(prog::WindowOp op, Operands operands) {
  int dim = static_cast<int>(op.getDim());
  return operands[0].block(dim, operands[1].elements()[0].integer,
                           resultOf(op.getResult()).dim(dim));
}

static Tensor evaluateBoundary(nn::BoundaryOp op, Operands operands) {
  return operands[0];
}

void interpreter::addShape(EvaluatorTable &table) {
  table.add<nn::ConstantOp>(evaluateConstant);
  table.add<nn::IotaOp>(evaluateIota);
  table.add<nn::BroadcastOp>(evaluateBroadcast);
  table.add<nn::ReshapeOp>(evaluateReshape);
  table.add<nn::TransposeOp>(evaluateTranspose);
  table.add<nn::SliceOp>(evaluateSlice);
  table.add<nn::PadOp>(evaluatePad);
  table.add<nn::ConcatOp>(evaluateConcat);
  table.add<nn::MaskTailOp>(evaluateMaskTail);
  table.add<prog::WindowOp>(evaluateWindow);
  table.add<nn::BoundaryOp>(evaluateBoundary);
}
