// SPDX-License-Identifier: Apache-2.0
//
// Verifiers of constants, contraction, reduction, and ops that move elements.
// Labels are those of NNShape.td.
#include "Expect.h"
#include "weft/IR/NN/NN.h"
#include <map>

using namespace mlir;
using namespace weft::nn;

/// The most elements of a constant that is not a splat.
static constexpr int64_t kMaxConstantElements = 64;

static int64_t rankOf(Value value) { return shapeOf(value).size(); }

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

LogicalResult ConstantOp::verify() {
  ShapedType valueType = getValue().getShapedType();
  // C1
  if (failed(expectShape(*this, "the result", getResult(),
                         valueType.getShape())) ||
      failed(expectElementType(*this, "the result", getResult(),
                               valueType.getElementType())))
    return failure();
  // C2
  if (!getValue().isSplat() &&
      valueType.getNumElements() > kMaxConstantElements)
    return emitOpError("number of different elements is too large: got ")
           << valueType.getNumElements() << ", expected at most "
           << kMaxConstantElements;
  return success();
}

LogicalResult IotaOp::verify() {
  // C1
  return expectDim(*this, getDim(), rankOf(getResult()));
}

//===----------------------------------------------------------------------===//
// Contraction
//===----------------------------------------------------------------------===//

static LogicalResult verifyNumLetters(ContractOp op, StringRef thing,
                                      StringRef letters, Value value) {
  int64_t got = letters.size();
  if (got == rankOf(value))
    return success();
  return op.emitOpError("number of letters for ")
         << thing << " is wrong: got " << got << ", expected " << rankOf(value);
}

/// Notes the sizes of a term's letters; fails where one has another already.
static LogicalResult verifySizes(ContractOp op, StringRef letters, Value value,
                                 std::map<char, int64_t> &sizes) {
  for (auto [letter, size] : llvm::zip(letters, shapeOf(value))) {
    int64_t known = sizes.try_emplace(letter, size).first->second;
    if (known != size)
      return op.emitOpError("letter \"") << letter << "\" has two sizes: got "
                                         << size << ", expected " << known;
  }
  return success();
}

static LogicalResult verifyNoRepetition(ContractOp op, StringRef letters) {
  for (char letter : letters)
    if (letters.count(letter) > 1)
      return op.emitOpError("letter \"")
             << letter << "\" occurs twice in \"" << letters << '"';
  return success();
}

/// A letter of the result occurs in an operand, any other one in both.
static LogicalResult verifyOccurrence(ContractOp op, const Equation &terms) {
  StringRef lhs = terms.lhs, rhs = terms.rhs, result = terms.result;
  for (char letter : result)
    if (!lhs.contains(letter) && !rhs.contains(letter))
      return op.emitOpError("letter \"")
             << letter << "\" of the result is in no operand";
  for (char letter : lhs)
    if (!rhs.contains(letter) && !result.contains(letter))
      return op.emitOpError("letter \"") << letter << "\" is in operand 0 only";
  for (char letter : rhs)
    if (!lhs.contains(letter) && !result.contains(letter))
      return op.emitOpError("letter \"") << letter << "\" is in operand 1 only";
  return success();
}

LogicalResult ContractOp::verify() {
  // C1
  FailureOr<Equation> terms = parseEquation(getEquation());
  if (failed(terms))
    return emitOpError("equation is malformed: got ")
           << getEquationAttr() << ", expected the form \"a,b->c\"";
  if (failed(verifyNumLetters(*this, "operand 0", terms->lhs, getLhs())) ||
      failed(verifyNumLetters(*this, "operand 1", terms->rhs, getRhs())) ||
      failed(verifyNumLetters(*this, "the result", terms->result, getResult())))
    return failure();
  // C2
  std::map<char, int64_t> sizes;
  if (failed(verifySizes(*this, terms->lhs, getLhs(), sizes)) ||
      failed(verifySizes(*this, terms->rhs, getRhs(), sizes)) ||
      failed(verifySizes(*this, terms->result, getResult(), sizes)))
    return failure();
  // C3
  if (failed(verifyNoRepetition(*this, terms->lhs)) ||
      failed(verifyNoRepetition(*this, terms->rhs)) ||
      failed(verifyNoRepetition(*this, terms->result)))
    return failure();
  // C4
  return verifyOccurrence(*this, *terms);
}

//===----------------------------------------------------------------------===//
// Reduction and repetition
//===----------------------------------------------------------------------===//

LogicalResult ReduceOp::verify() {
  // C1
  if (failed(expectIncreasingDims(*this, getDims(), rankOf(getInput()))))
    return failure();
  // C2
  SmallVector<int64_t> expected;
  for (auto [dim, size] : llvm::enumerate(shapeOf(getInput())))
    if (!llvm::is_contained(getDims(), static_cast<int64_t>(dim)))
      expected.push_back(size);
  if (failed(expectShape(*this, "the result", getResult(), expected)))
    return failure();
  // C3
  Type type = elementTypeOf(getInput());
  if (getKind() == ReduceOpKind::sum)
    return expectSumType(*this, "the result", getResult(), type);
  return expectElementType(*this, "the result", getResult(), type);
}

LogicalResult BroadcastOp::verify() {
  // C1
  if (failed(expectIncreasingDims(*this, getDims(), rankOf(getResult()))))
    return failure();
  if (failed(expectNumDims(*this, "the operand", getInput(), getDims().size())))
    return failure();
  // C2
  SmallVector<int64_t> expected;
  for (int64_t dim : getDims())
    expected.push_back(shapeOf(getResult())[dim]);
  if (failed(expectShape(*this, "the operand", getInput(), expected)))
    return failure();
  // C3
  return expectElementType(*this, "the result", getResult(),
                           elementTypeOf(getInput()));
}

//===----------------------------------------------------------------------===//
// Moves of elements
//===----------------------------------------------------------------------===//

LogicalResult ReshapeOp::verify() {
  int64_t got = cast<ShapedType>(getResult().getType()).getNumElements();
  int64_t expected = cast<ShapedType>(getInput().getType()).getNumElements();
  // C1
  if (got != expected)
    return emitOpError("number of elements changes: got ")
           << got << ", expected " << expected;
  // C2
  return expectElementType(*this, "the result", getResult(),
                           elementTypeOf(getInput()));
}

LogicalResult TransposeOp::verify() {
  ArrayRef<int64_t> permutation = getPermutation();
  // C1
  SmallVector<int64_t> sorted(permutation);
  llvm::sort(sorted);
  if (!llvm::equal(sorted, llvm::seq<int64_t>(0, rankOf(getInput()))))
    return emitOpError("permutation is not one of ")
           << rankOf(getInput()) << " dims: got [" << permutation << ']';
  // C2
  SmallVector<int64_t> expected;
  for (int64_t dim : permutation)
    expected.push_back(shapeOf(getInput())[dim]);
  if (failed(expectShape(*this, "the result", getResult(), expected)))
    return failure();
  return expectElementType(*this, "the result", getResult(),
                           elementTypeOf(getInput()));
}

LogicalResult SliceOp::verify() {
  int64_t numDims = rankOf(getInput());
  // C1
  if (failed(expectPerDim(*this, "offsets", getOffsets(), numDims, 0)) ||
      failed(expectPerDim(*this, "sizes", getSizes(), numDims, 0)) ||
      failed(expectPerDim(*this, "strides", getStrides(), numDims, 1)))
    return failure();
  // C2
  for (int64_t dim = 0; dim < numDims; ++dim) {
    int64_t last =
        getOffsets()[dim] + (getSizes()[dim] - 1) * getStrides()[dim];
    int64_t size = shapeOf(getInput())[dim];
    if (last >= size)
      return emitOpError("part exceeds the operand along dim ")
             << dim << ": got index " << last << ", expected less than "
             << size;
  }
  // C3
  if (failed(expectShape(*this, "the result", getResult(), getSizes())))
    return failure();
  return expectElementType(*this, "the result", getResult(),
                           elementTypeOf(getInput()));
}

LogicalResult PadOp::verify() {
  int64_t numDims = rankOf(getInput());
  // C1
  if (failed(expectPerDim(*this, "low", getLow(), numDims, 0)) ||
      failed(expectPerDim(*this, "high", getHigh(), numDims, 0)) ||
      failed(expectPerDim(*this, "interior", getInterior(), numDims, 0)))
    return failure();
  // C2
  SmallVector<int64_t> expected;
  for (auto [size, low, high, interior] :
       llvm::zip(shapeOf(getInput()), getLow(), getHigh(), getInterior()))
    expected.push_back(low + high + size +
                       std::max<int64_t>(size - 1, 0) * interior);
  if (failed(expectShape(*this, "the result", getResult(), expected)))
    return failure();
  return expectElementType(*this, "the result", getResult(),
                           elementTypeOf(getInput()));
}

LogicalResult ConcatOp::verify() {
  int64_t dim = getDim();
  // C1
  if (failed(expectDim(*this, dim, rankOf(getResult()))))
    return failure();
  // C2
  int64_t sum = 0;
  for (auto [i, input] : llvm::enumerate(getInputs())) {
    std::string thing = ("operand " + Twine(i)).str();
    if (failed(expectNumDims(*this, thing, input, rankOf(getResult()))))
      return failure();
    SmallVector<int64_t> expected(shapeOf(getResult()));
    expected[dim] = shapeOf(input)[dim];
    if (failed(expectShape(*this, thing, input, expected)) ||
        failed(
            expectElementType(*this, thing, input, elementTypeOf(getResult()))))
      return failure();
    sum += expected[dim];
  }
  // C3
  SmallVector<int64_t> expected(shapeOf(getResult()));
  expected[dim] = sum;
  return expectShape(*this, "the result", getResult(), expected);
}

LogicalResult MaskTailOp::verify() {
  // C1
  if (failed(expectDim(*this, getDim(), rankOf(getInput()))))
    return failure();
  // C2
  return expectLike(*this, "the result", getResult(), getInput());
}

//===----------------------------------------------------------------------===//
// Moves by index
//===----------------------------------------------------------------------===//

/// `tensor` has one dim more than `indices`, and the others agree.
static LogicalResult expectOneMoreDim(Operation *op, StringRef thing,
                                      Value tensor, Value indices) {
  if (failed(expectNumDims(op, thing, tensor, rankOf(indices) + 1)))
    return failure();
  SmallVector<int64_t> expected(shapeOf(indices));
  expected.push_back(shapeOf(tensor).back());
  return expectShape(op, thing, tensor, expected);
}

LogicalResult PickOp::verify() {
  // C1
  if (failed(expectOneMoreDim(*this, "operand 0", getInput(), getIndices())))
    return failure();
  // C2
  if (failed(
          expectShape(*this, "the result", getResult(), shapeOf(getIndices()))))
    return failure();
  return expectElementType(*this, "the result", getResult(),
                           elementTypeOf(getInput()));
}

LogicalResult PlaceOp::verify() {
  // C1
  if (failed(
          expectShape(*this, "operand 0", getInput(), shapeOf(getIndices()))))
    return failure();
  // C2
  if (failed(expectOneMoreDim(*this, "the result", getResult(), getIndices())))
    return failure();
  return expectElementType(*this, "the result", getResult(),
                           elementTypeOf(getInput()));
}

//===----------------------------------------------------------------------===//
// Boundaries
//===----------------------------------------------------------------------===//

LogicalResult BoundaryOp::verify() {
  // C1
  if (failed(expectLike(*this, "the result", getResult(), getInput())))
    return failure();
  // C2
  if (getSide() != "input" && getSide() != "output")
    return emitOpError("side is unknown: got ")
           << getSideAttr() << ", expected \"input\" or \"output\"";
  return success();
}
