// SPDX-License-Identifier: Apache-2.0
//
// Checks that the verifiers of nn ops share.
#include "Expect.h"
#include "mlir/IR/Diagnostics.h"
#include "weft/IR/NN/NN.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace weft::nn {

ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

Type elementTypeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getElementType();
}

LogicalResult expectShape(Operation *op, StringRef thing, Value value,
                          ArrayRef<int64_t> shape) {
  if (shapeOf(value) == shape)
    return success();
  return op->emitOpError("shape of ")
         << thing << " is wrong: got [" << shapeOf(value) << "], expected ["
         << shape << ']';
}

LogicalResult expectElementType(Operation *op, StringRef thing, Value value,
                                Type elementType) {
  if (elementTypeOf(value) == elementType)
    return success();
  return op->emitOpError("element type of ")
         << thing << " is wrong: got " << elementTypeOf(value) << ", expected "
         << elementType;
}

LogicalResult expectSumType(Operation *op, StringRef thing, Value value,
                            Type elementType) {
  if (elementTypeOf(value).isF32() && isNarrowFloat(elementType))
    return success();
  return expectElementType(op, thing, value, elementType);
}

LogicalResult expectLike(Operation *op, StringRef thing, Value value,
                         Value reference) {
  if (failed(expectShape(op, thing, value, shapeOf(reference))))
    return failure();
  return expectElementType(op, thing, value, elementTypeOf(reference));
}

LogicalResult expectNumDims(Operation *op, StringRef thing, Value value,
                            int64_t numDims) {
  int64_t got = shapeOf(value).size();
  if (got == numDims)
    return success();
  return op->emitOpError("number of dims of ")
         << thing << " is wrong: got " << got << ", expected " << numDims;
}

LogicalResult expectDim(Operation *op, int64_t dim, int64_t numDims) {
  if (dim >= 0 && dim < numDims)
    return success();
  return op->emitOpError("dim is out of range: got ")
         << dim << ", expected 0 to " << numDims - 1;
}

LogicalResult expectIncreasingDims(Operation *op, ArrayRef<int64_t> dims,
                                   int64_t numDims) {
  for (int64_t dim : dims)
    if (failed(expectDim(op, dim, numDims)))
      return failure();
  if (llvm::is_sorted(dims, std::less_equal<>()))
    return success();
  return op->emitOpError("dims are not increasing: got [") << dims << ']';
}

LogicalResult expectPerDim(Operation *op, StringRef name,
                           ArrayRef<int64_t> values, int64_t numDims,
                           int64_t minimum) {
  if (static_cast<int64_t>(values.size()) != numDims)
    return op->emitOpError("number of ")
           << name << " is wrong: got " << values.size() << ", expected "
           << numDims;
  for (int64_t value : values)
    if (value < minimum)
      return op->emitOpError("value of ")
             << name << " is too small: got " << value << ", expected at least "
             << minimum;
  return success();
}

} // namespace weft::nn
