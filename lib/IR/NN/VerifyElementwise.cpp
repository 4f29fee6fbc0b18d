// SPDX-License-Identifier: Apache-2.0
//
// The verifier of all elementwise ops, and the short forms of their types.
// Labels are those of NNElementwise.td.
#include "Expect.h"
#include "weft/IR/NN/NN.h"

using namespace mlir;

namespace weft::nn {

//===----------------------------------------------------------------------===//
// Verifier
//===----------------------------------------------------------------------===//

static LogicalResult verifyCompare(CompareOp op) {
  // C1
  if (failed(expectLike(op, "operand 1", op.getRhs(), op.getLhs())))
    return failure();
  // C2; the element type i1 is a constraint on the result's type.
  return expectShape(op, "the result", op.getResult(), shapeOf(op.getLhs()));
}

static LogicalResult verifySelect(SelectOp op) {
  Value result = op.getResult();
  // C1
  if (failed(
          expectShape(op, "operand 0", op.getCondition(), shapeOf(result))) ||
      failed(expectShape(op, "operand 1", op.getOnTrue(), shapeOf(result))) ||
      failed(expectShape(op, "operand 2", op.getOnFalse(), shapeOf(result))))
    return failure();
  // C2
  Type elementType = elementTypeOf(result);
  if (failed(expectElementType(op, "operand 1", op.getOnTrue(), elementType)))
    return failure();
  return expectElementType(op, "operand 2", op.getOnFalse(), elementType);
}

static LogicalResult verifyCast(CastOp op) {
  // C1
  return expectShape(op, "the result", op.getResult(), shapeOf(op.getInput()));
}

LogicalResult verifyElementwise(Operation *op) {
  if (auto compare = dyn_cast<CompareOp>(op))
    return verifyCompare(compare);
  if (auto select = dyn_cast<SelectOp>(op))
    return verifySelect(select);
  if (auto cast = dyn_cast<CastOp>(op))
    return verifyCast(cast);
  // C1
  for (auto [i, operand] : llvm::enumerate(op->getOperands()))
    if (failed(expectLike(op, ("operand " + Twine(i)).str(), operand,
                          op->getResult(0))))
      return failure();
  // C2, of `nn.sum_of`
  if (op->getNumOperands() == 0)
    return op->emitOpError("number of operands is wrong: got 0, expected at "
                           "least 1");
  return success();
}

//===----------------------------------------------------------------------===//
// Types in text
//===----------------------------------------------------------------------===//

/// `T`, or `(T, U) -> V` with `numInputs` operands.
static ParseResult parseTypes(OpAsmParser &parser, size_t numInputs,
                              SmallVectorImpl<Type> &inputs, Type &result) {
  SMLoc loc = parser.getCurrentLocation();
  if (failed(parser.parseOptionalLParen())) {
    if (parser.parseType(result))
      return failure();
    inputs.assign(numInputs, result);
    return success();
  }
  auto parseInput = [&] { return parser.parseType(inputs.emplace_back()); };
  if (parser.parseCommaSeparatedList(parseInput) || parser.parseRParen() ||
      parser.parseArrow() || parser.parseType(result))
    return failure();
  if (inputs.size() != numInputs)
    return parser.emitError(loc) << "number of operand types is wrong: got "
                                 << inputs.size() << ", expected " << numInputs;
  return success();
}

static void printTypes(OpAsmPrinter &printer, TypeRange inputs, Type result) {
  if (llvm::all_of(inputs, [&](Type type) { return type == result; })) {
    printer << result;
    return;
  }
  printer << '(' << inputs << ") -> " << result;
}

ParseResult parseBinaryTypes(OpAsmParser &parser, Type &lhs, Type &rhs,
                             Type &result) {
  SmallVector<Type> inputs;
  if (parseTypes(parser, /*numInputs=*/2, inputs, result))
    return failure();
  lhs = inputs[0];
  rhs = inputs[1];
  return success();
}

void printBinaryTypes(OpAsmPrinter &printer, Operation *, Type lhs, Type rhs,
                      Type result) {
  printTypes(printer, {lhs, rhs}, result);
}

ParseResult parseVariadicTypes(OpAsmParser &parser,
                               ArrayRef<OpAsmParser::UnresolvedOperand> inputs,
                               SmallVectorImpl<Type> &inputTypes,
                               Type &result) {
  return parseTypes(parser, inputs.size(), inputTypes, result);
}

void printVariadicTypes(OpAsmPrinter &printer, Operation *, ValueRange,
                        TypeRange inputTypes, Type result) {
  printTypes(printer, inputTypes, result);
}

ParseResult parseConstantValue(OpAsmParser &parser, ElementsAttr &value,
                               Type &result) {
  if (parser.parseAttribute(value))
    return failure();
  result = value.getType();
  if (failed(parser.parseOptionalKeyword("to")))
    return success();
  return parser.parseType(result);
}

void printConstantValue(OpAsmPrinter &printer, Operation *, ElementsAttr value,
                        Type result) {
  printer << value;
  if (value.getType() != result)
    printer << " to " << result;
}

} // namespace weft::nn
