// SPDX-License-Identifier: Apache-2.0
//
// The nn dialect: registration and small questions about its ops.
#include "weft/IR/NN/NN.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace weft::nn;

#include "weft/IR/NN/NNDialect.cpp.inc"
#include "weft/IR/NN/NNEnums.cpp.inc"
#include "weft/IR/NN/NNInterfaces.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "weft/IR/NN/NNAttrs.cpp.inc"

void NNDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "weft/IR/NN/NNOps.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "weft/IR/NN/NNAttrs.cpp.inc"
      >();
}

namespace weft::nn {

bool isElementwise(Operation *op) {
  return isa<NegOp, AbsOp, ExpOp, LogOp, Expm1Op, Log1pOp, SqrtOp, RsqrtOp,
             SinOp, CosOp, TanhOp, ErfOp, SigmoidOp, SiluOp, GeluOp, GeluTanhOp,
             ReluOp, LogicalNotOp, AddOp, SubOp, MulOp, DivOp, PowOp, MaximumOp,
             MinimumOp, LogicalAndOp, LogicalOrOp, SumOfOp, CompareOp, SelectOp,
             CastOp>(op);
}

bool goesByRows(Operation *op) {
  return isa_and_nonnull<RotaryOp, AttentionOp, AttentionGradOp>(op);
}

TransposeOp swapOfHeads(Operation *op) {
  auto transpose = dyn_cast_or_null<TransposeOp>(op);
  bool swaps =
      transpose && transpose.getPermutation() == ArrayRef<int64_t>{0, 2, 1, 3};
  return swaps ? transpose : TransposeOp();
}

static Attribute scalarAttr(Type type, double value) {
  if (isa<FloatType>(type))
    return FloatAttr::get(type, value);
  return IntegerAttr::get(type, static_cast<int64_t>(value));
}

Value splat(OpBuilder &builder, Location loc, RankedTensorType type,
            double value) {
  auto plain = dist::withoutLayout(type);
  auto attr =
      DenseElementsAttr::get(plain, scalarAttr(type.getElementType(), value));
  return ConstantOp::create(builder, loc, plain, attr);
}

std::optional<double> splatElement(Value value) {
  auto constant = value.getDefiningOp<ConstantOp>();
  auto elements = constant ? dyn_cast<SplatElementsAttr>(constant.getValue())
                           : SplatElementsAttr();
  if (!elements)
    return std::nullopt;
  if (isa<FloatType>(elements.getElementType()))
    return elements.getSplatValue<APFloat>().convertToDouble();
  APInt number = elements.getSplatValue<APInt>();
  // Not one conditional expression: its type would be unsigned.
  if (number.getBitWidth() == 1)
    return number.getZExtValue();
  return number.getSExtValue();
}

FailureOr<Equation> parseEquation(StringRef text) {
  auto [operands, result] = text.split("->");
  auto [lhs, rhs] = operands.split(',');
  bool isWellFormed = text.contains("->") && operands.contains(',');
  for (StringRef term : {lhs, rhs, result})
    isWellFormed &= llvm::all_of(term, llvm::isAlpha);
  if (!isWellFormed)
    return failure();
  return Equation{lhs.str(), rhs.str(), result.str()};
}

bool isDotProduct(const Equation &equation, ArrayRef<int64_t> lhs,
                  ArrayRef<int64_t> rhs) {
  constexpr int64_t kPartials = 64;
  /// Extents of what only this operand has, and of what is summed over, whose
  /// letters have to end the operand. Letters of size 1 don't matter.
  struct Side {
    int64_t own = 1, depth = 1;
    std::string summed;
    bool isLast = true;
  };
  auto look = [&](StringRef letters, StringRef other, ArrayRef<int64_t> shape) {
    Side side;
    for (auto [letter, size] : llvm::zip_equal(letters, shape)) {
      bool isSummed = !StringRef(equation.result).contains(letter);
      if (size == 1)
        continue;
      if (isSummed)
        side.depth *= size, side.summed += letter;
      else if (!other.contains(letter))
        side.own *= size;
      side.isLast &= isSummed || side.summed.empty();
    }
    return side;
  };
  Side left = look(equation.lhs, equation.rhs, lhs);
  Side right = look(equation.rhs, equation.lhs, rhs);
  return (left.own == 1 || right.own == 1) && left.depth >= kPartials &&
         left.isLast && right.isLast && left.summed == right.summed;
}

} // namespace weft::nn

#define GET_OP_CLASSES
#include "weft/IR/NN/NNOps.cpp.inc"
