// SPDX-License-Identifier: Apache-2.0
//
// Formulas of nn ops: result types from operands.
#include "weft/IR/NN/Expressions.h"

using namespace mlir;

namespace weft::nn {

Location derivedLoc(Location loc, StringRef suffix) {
  MLIRContext *context = loc.getContext();
  if (auto name = dyn_cast<NameLoc>(loc))
    return NameLoc::get(
        StringAttr::get(context, name.getName().getValue() + "/" + suffix),
        name.getChildLoc());
  if (auto fused = dyn_cast<FusedLoc>(loc)) {
    SmallVector<Location> parts(fused.getLocations());
    parts.front() = derivedLoc(parts.front(), suffix);
    return FusedLoc::get(context, parts, fused.getMetadata());
  }
  return NameLoc::get(StringAttr::get(context, suffix), loc);
}

RankedTensorType plainType(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  return RankedTensorType::get(type.getShape(), type.getElementType());
}

SmallVector<int64_t> otherDims(int64_t numDims, ArrayRef<int64_t> dims) {
  SmallVector<int64_t> others;
  for (int64_t dim = 0; dim < numDims; ++dim)
    if (!llvm::is_contained(dims, dim))
      others.push_back(dim);
  return others;
}

Value Expressions::constant(Value like, double value) {
  return splat(builder, loc, plainType(like), value);
}

Value Expressions::addConstant(Value x, double value) {
  return add(x, constant(x, value));
}

Value Expressions::scale(Value x, double factor) {
  return mul(x, constant(x, factor));
}

Value Expressions::sumOf(ValueRange values) {
  if (values.size() == 1)
    return values.front();
  return SumOfOp::create(builder, loc, plainType(values.front()), values);
}

Value Expressions::compare(Predicate predicate, Value x, Value y) {
  return CompareOp::create(
      builder, loc, plainType(x).clone(builder.getI1Type()), predicate, x, y);
}

Value Expressions::compare(Predicate predicate, Value x, double value) {
  return compare(predicate, x, constant(x, value));
}

Value Expressions::select(Value condition, Value onTrue, Value onFalse) {
  return SelectOp::create(builder, loc, plainType(onTrue), condition, onTrue,
                          onFalse);
}

Value Expressions::selectOrZero(Value condition, Value value) {
  return select(condition, value, constant(value, 0));
}

Value Expressions::cast(Value x, Type elementType) {
  RankedTensorType type = plainType(x);
  if (type.getElementType() == elementType)
    return x;
  return CastOp::create(builder, loc, type.clone(elementType), x);
}

Value Expressions::widen(Value x) {
  bool isNarrow = isNarrowFloat(plainType(x).getElementType());
  return isNarrow ? cast(x, builder.getF32Type()) : x;
}

Value Expressions::reduceSumWide(Value x, ArrayRef<int64_t> dims) {
  Value sum = reduceSum(x, dims);
  if (dims.empty() || !isNarrowFloat(plainType(x).getElementType()))
    return widen(sum);
  sum.setType(plainType(sum).clone(builder.getF32Type()));
  return sum;
}

Value Expressions::reduce(ReduceOpKind kind, Value x, ArrayRef<int64_t> dims) {
  if (dims.empty())
    return x;
  RankedTensorType type = plainType(x);
  SmallVector<int64_t> shape;
  for (int64_t dim : otherDims(type.getRank(), dims))
    shape.push_back(type.getDimSize(dim));
  return ReduceOp::create(builder, loc, type.clone(shape), kind, x, dims);
}

Value Expressions::reduceAll(ReduceOpKind kind, Value x) {
  return reduce(kind, x, otherDims(plainType(x).getRank(), {}));
}

Value Expressions::broadcast(Value x, ArrayRef<int64_t> shape,
                             ArrayRef<int64_t> dims) {
  RankedTensorType type = plainType(x);
  if (type.getShape() == shape)
    return x;
  return BroadcastOp::create(builder, loc, type.clone(shape), x, dims);
}

Value Expressions::broadcastOver(Value x, Value like, ArrayRef<int64_t> dims) {
  ArrayRef<int64_t> shape = plainType(like).getShape();
  return broadcast(x, shape, otherDims(shape.size(), dims));
}

Value Expressions::fill(Value scalar, Value like) {
  return broadcast(scalar, plainType(like).getShape(), {});
}

Value Expressions::reshape(Value x, ArrayRef<int64_t> shape) {
  RankedTensorType type = plainType(x);
  if (type.getShape() == shape)
    return x;
  return ReshapeOp::create(builder, loc, type.clone(shape), x);
}

Value Expressions::slice(Value x, int64_t dim, int64_t begin, int64_t size) {
  RankedTensorType type = plainType(x);
  SmallVector<int64_t> offsets(type.getRank(), 0), strides(type.getRank(), 1);
  SmallVector<int64_t> sizes(type.getShape());
  offsets[dim] = begin;
  sizes[dim] = size;
  return SliceOp::create(builder, loc, type.clone(sizes), x, offsets, sizes,
                         strides);
}

Value Expressions::concat(ValueRange values, int64_t dim) {
  RankedTensorType type = plainType(values.front());
  SmallVector<int64_t> shape(type.getShape());
  shape[dim] = 0;
  for (Value value : values)
    shape[dim] += plainType(value).getDimSize(dim);
  return ConcatOp::create(builder, loc, type.clone(shape), values, dim);
}

Value Expressions::contract(StringRef equation, Value x, Value y,
                            Type elementType) {
  Equation letters = *parseEquation(equation);
  auto sizeOf = [&](char letter) {
    size_t dim = letters.lhs.find(letter);
    return dim != std::string::npos
               ? plainType(x).getDimSize(dim)
               : plainType(y).getDimSize(letters.rhs.find(letter));
  };
  SmallVector<int64_t> shape;
  for (char letter : letters.result)
    shape.push_back(sizeOf(letter));
  if (!elementType)
    elementType = plainType(x).getElementType();
  return ContractOp::create(
      builder, loc, RankedTensorType::get(shape, elementType), equation, x, y);
}

} // namespace weft::nn
