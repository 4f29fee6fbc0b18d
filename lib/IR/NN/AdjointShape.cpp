// SPDX-License-Identifier: Apache-2.0
//
// Adjoints of contraction, reduction, and of ops that move elements: each is
// again such an op.
#include "weft/IR/NN/Expressions.h"

using namespace mlir;
using namespace weft::nn;

/// Formulas at the op's place, under its name with "/grad".
static Expressions gradOf(Operation *op, OpBuilder &builder) {
  return Expressions(builder, derivedLoc(op->getLoc(), "grad"));
}

SmallVector<Value> ConstantOp::buildAdjoint(OpBuilder &, ValueRange) {
  return {};
}

SmallVector<Value> IotaOp::buildAdjoint(OpBuilder &, ValueRange) {
  return SmallVector<Value>(getNumOperands());
}

SmallVector<Value> BoundaryOp::buildAdjoint(OpBuilder &,
                                            ValueRange cotangents) {
  return {cotangents.front()};
}

//===----------------------------------------------------------------------===//
// Contraction and reduction
//===----------------------------------------------------------------------===//

/// "a,b->c": da is "c,b->a", db is "c,a->b". A letter of a is in c, or it is
/// reduced and so in b: both are legal equations.
SmallVector<Value> ContractOp::buildAdjoint(OpBuilder &builder,
                                            ValueRange cotangents) {
  if (!cotangents.front())
    return SmallVector<Value>(2);
  Expressions e = gradOf(*this, builder);
  Equation letters = *parseEquation(getEquation());
  auto contract = [&](StringRef other, StringRef own, Value otherValue,
                      Value ownValue) {
    std::string equation = (letters.result + "," + other + "->" + own).str();
    Type type = plainType(ownValue).getElementType();
    return e.contract(equation, e.cast(cotangents.front(), type), otherValue,
                      type);
  };
  return {contract(letters.rhs, letters.lhs, getRhs(), getLhs()),
          contract(letters.lhs, letters.rhs, getLhs(), getRhs())};
}

/// Shares the cotangent among the elements that are the extremum.
static Value extremumCotangent(Expressions &e, ReduceOp op, Value g) {
  ArrayRef<int64_t> dims = op.getDims();
  Value x = op.getInput();
  Value isExtremum =
      e.compare(Predicate::eq, x, e.broadcastOver(op.getResult(), x, dims));
  Value ones = e.cast(isExtremum, plainType(x).getElementType());
  Value share = e.div(g, e.reduceSum(ones, dims));
  return e.selectOrZero(isExtremum, e.broadcastOver(share, x, dims));
}

/// The product of all *other* elements, exact also where elements are 0:
/// with one zero only its own derivative is not 0, with two zeros none is.
static Value productCotangent(Expressions &e, ReduceOp op, Value g) {
  ArrayRef<int64_t> dims = op.getDims();
  Value x = op.getInput();
  Value isZero = e.compare(Predicate::eq, x, 0.0);
  Value nonZero = e.select(isZero, e.constant(x, 1), x);
  Value zeros =
      e.reduceSum(e.cast(isZero, plainType(x).getElementType()), dims);
  Value product = e.mul(g, e.reduce(ReduceOpKind::product, nonZero, dims));
  auto where = [&](double numZeros) {
    Value matches = e.compare(Predicate::eq, zeros, numZeros);
    return e.broadcastOver(e.selectOrZero(matches, product), x, dims);
  };
  return e.select(isZero, where(1), e.div(where(0), nonZero));
}

SmallVector<Value> ReduceOp::buildAdjoint(OpBuilder &builder,
                                          ValueRange cotangents) {
  Value g = cotangents.front();
  // A decomposition shifts by a maximum that cancels out: see Decompose.cpp.
  if (!g || (*this)->hasAttr(kConstantShiftAttrName))
    return {Value()};
  Expressions e = gradOf(*this, builder);
  switch (getKind()) {
  case ReduceOpKind::sum: // cast before it is repeated
    return {e.broadcastOver(e.cast(g, plainType(getInput()).getElementType()),
                            getInput(), getDims())};
  case ReduceOpKind::max:
  case ReduceOpKind::min:
    return {extremumCotangent(e, *this, g)};
  case ReduceOpKind::product:
    return {productCotangent(e, *this, g)};
  }
  llvm_unreachable("covered switch");
}

SmallVector<Value> BroadcastOp::buildAdjoint(OpBuilder &builder,
                                             ValueRange cotangents) {
  if (!cotangents.front())
    return {Value()};
  Expressions e = gradOf(*this, builder);
  int64_t numDims = plainType(getResult()).getRank();
  Value sum =
      e.reduceSumWide(cotangents.front(), otherDims(numDims, getDims()));
  return {e.cast(sum, plainType(getInput()).getElementType())};
}

//===----------------------------------------------------------------------===//
// Moving elements
//===----------------------------------------------------------------------===//

SmallVector<Value> ReshapeOp::buildAdjoint(OpBuilder &builder,
                                           ValueRange cotangents) {
  if (!cotangents.front())
    return {Value()};
  Expressions e = gradOf(*this, builder);
  return {e.reshape(cotangents.front(), plainType(getInput()).getShape())};
}

SmallVector<Value> TransposeOp::buildAdjoint(OpBuilder &builder,
                                             ValueRange cotangents) {
  if (!cotangents.front())
    return {Value()};
  SmallVector<int64_t> inverse(getPermutation().size());
  for (auto [position, dim] : llvm::enumerate(getPermutation()))
    inverse[dim] = position;
  return {TransposeOp::create(builder, gradOf(*this, builder).loc,
                              plainType(getInput()), cotangents.front(),
                              inverse)};
}

SmallVector<Value> SliceOp::buildAdjoint(OpBuilder &builder,
                                         ValueRange cotangents) {
  if (!cotangents.front())
    return {Value()};
  RankedTensorType type = plainType(getInput());
  SmallVector<int64_t> high, interior;
  for (auto [size, offset, count, stride] : llvm::zip_equal(
           type.getShape(), getOffsets(), getSizes(), getStrides())) {
    interior.push_back(stride - 1);
    high.push_back(size - offset - (count ? (count - 1) * stride + 1 : 0));
  }
  return {PadOp::create(builder, gradOf(*this, builder).loc, type,
                        cotangents.front(), getOffsets(), high, interior)};
}

SmallVector<Value> PadOp::buildAdjoint(OpBuilder &builder,
                                       ValueRange cotangents) {
  if (!cotangents.front())
    return {Value()};
  RankedTensorType type = plainType(getInput());
  SmallVector<int64_t> strides;
  for (int64_t interior : getInterior())
    strides.push_back(interior + 1);
  return {SliceOp::create(builder, gradOf(*this, builder).loc, type,
                          cotangents.front(), getLow(), type.getShape(),
                          strides)};
}

SmallVector<Value> ConcatOp::buildAdjoint(OpBuilder &builder,
                                          ValueRange cotangents) {
  SmallVector<Value> parts(getNumOperands());
  if (!cotangents.front())
    return parts;
  Expressions e = gradOf(*this, builder);
  int64_t dim = getDim(), begin = 0;
  for (auto [part, input] : llvm::zip_equal(parts, getInputs())) {
    int64_t size = plainType(input).getDimSize(dim);
    part = e.slice(cotangents.front(), dim, begin, size);
    begin += size;
  }
  return parts;
}

//===----------------------------------------------------------------------===//
// Index
//===----------------------------------------------------------------------===//

SmallVector<Value> PickOp::buildAdjoint(OpBuilder &builder,
                                        ValueRange cotangents) {
  SmallVector<Value> operands(getNumOperands());
  if (cotangents.front())
    operands.front() = PlaceOp::create(
        builder, gradOf(*this, builder).loc, plainType(getInput()),
        cotangents.front(), getIndices(), getOffset());
  return operands;
}

SmallVector<Value> PlaceOp::buildAdjoint(OpBuilder &builder,
                                         ValueRange cotangents) {
  SmallVector<Value> operands(getNumOperands());
  if (cotangents.front())
    operands.front() = PickOp::create(builder, gradOf(*this, builder).loc,
                                      plainType(getInput()), cotangents.front(),
                                      getIndices(), getOffset());
  return operands;
}
