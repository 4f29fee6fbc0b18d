// SPDX-License-Identifier: Apache-2.0
//
// One function per arity; types decide between float and integer forms.

#include "ScalarOps.h"

#include "MathExpansion.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace weft {

static Value compare(KernelBuilder &b, Scalar op, Value x, Value y) {
  if (isa<FloatType>(elementOf(x))) {
    using P = arith::CmpFPredicate;
    P predicate = op == Scalar::Equal       ? P::OEQ
                  : op == Scalar::NotEqual  ? P::UNE
                  : op == Scalar::Less      ? P::OLT
                  : op == Scalar::LessEqual ? P::OLE
                  : op == Scalar::Greater   ? P::OGT
                                            : P::OGE;
    return arith::CmpFOp::create(b, predicate, x, y);
  }
  using P = arith::CmpIPredicate;
  bool boolean = elementOf(x).isInteger(1);
  P predicate = op == Scalar::Equal       ? P::eq
                : op == Scalar::NotEqual  ? P::ne
                : op == Scalar::Less      ? (boolean ? P::ult : P::slt)
                : op == Scalar::LessEqual ? (boolean ? P::ule : P::sle)
                : op == Scalar::Greater   ? (boolean ? P::ugt : P::sgt)
                                          : (boolean ? P::uge : P::sge);
  return arith::CmpIOp::create(b, predicate, x, y);
}

static Value castFloat(KernelBuilder &b, Value x, Type type) {
  Type from = elementOf(x), to = typeLike(x, type);
  if (from.isBF16())
    return type.isF32() ? bf16ToF32(b, x) : castFloat(b, bf16ToF32(b, x), type);
  if (type.isBF16())
    return f32ToBf16(b, from.isF32() ? x : castFloat(b, x, b.f32()));
  if (from.getIntOrFloatBitWidth() < type.getIntOrFloatBitWidth())
    return arith::ExtFOp::create(b, to, x);
  return arith::TruncFOp::create(b, to, x);
}

static Value castInteger(KernelBuilder &b, Value x, Type type) {
  Type from = elementOf(x), to = typeLike(x, type);
  if (type.isInteger(1))
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, x,
                                 b.integerLike(x, 0));
  if (from.getIntOrFloatBitWidth() > type.getIntOrFloatBitWidth())
    return arith::TruncIOp::create(b, to, x);
  if (from.isInteger(1))
    return arith::ExtUIOp::create(b, to, x);
  return arith::ExtSIOp::create(b, to, x);
}

/// Integers and floats of every width; i1 counts as 0 or 1.
static Value cast(KernelBuilder &b, Value x, Type type) {
  Type from = elementOf(x);
  if (from == type)
    return x;
  bool fromFloat = isa<FloatType>(from), toFloat = isa<FloatType>(type);
  if (fromFloat && toFloat)
    return castFloat(b, x, type);
  if (!fromFloat && !toFloat)
    return castInteger(b, x, type);
  if (toFloat) {
    if (type.isBF16())
      return f32ToBf16(b, cast(b, x, b.f32()));
    Type to = typeLike(x, type);
    if (from.isInteger(1))
      return arith::UIToFPOp::create(b, to, x);
    return arith::SIToFPOp::create(b, to, x);
  }
  if (from.isBF16())
    return cast(b, bf16ToF32(b, x), type);
  if (type.isInteger(1))
    return compare(b, Scalar::NotEqual, x, b.constantLike(x, 0));
  return arith::FPToSIOp::create(b, typeLike(x, type), x);
}

static Value unary(KernelBuilder &b, Scalar op, Value x) {
  bool isFloat = isa<FloatType>(elementOf(x));
  switch (op) {
  case Scalar::Neg:
    return b.neg(x);
  case Scalar::Abs:
    return isFloat ? math::AbsFOp::create(b, x).getResult()
                   : math::AbsIOp::create(b, x).getResult();
  case Scalar::Exp:
    return expandExp(b, x);
  case Scalar::Log:
    return expandLog(b, x);
  case Scalar::Expm1:
    return expandExpm1(b, x);
  case Scalar::Log1p:
    return expandLog1p(b, x);
  case Scalar::Sqrt:
    return squareRoot(b, x);
  case Scalar::Rsqrt:
    return b.div(b.constantLike(x, 1.0), squareRoot(b, x));
  case Scalar::Sin:
    return expandSin(b, x);
  case Scalar::Cos:
    return expandCos(b, x);
  case Scalar::Tanh:
    return expandTanh(b, x);
  case Scalar::Erf:
    return expandErf(b, x);
  case Scalar::Sigmoid:
    return expandSigmoid(b, x);
  case Scalar::Silu:
    return expandSilu(b, x);
  case Scalar::Gelu:
    return expandGelu(b, x);
  case Scalar::GeluTanh:
    return expandGeluTanh(b, x);
  case Scalar::Relu:
    return b.combine(Combine::Max, x, b.constantLike(x, 0.0));
  case Scalar::Not:
    return arith::XOrIOp::create(b, x, b.integerLike(x, 1));
  default:
    llvm_unreachable("not a unary operation");
  }
}

static Value binary(KernelBuilder &b, Scalar op, Value x, Value y) {
  switch (op) {
  case Scalar::Add:
    return b.add(x, y);
  case Scalar::Sub:
    return b.sub(x, y);
  case Scalar::Mul:
    return b.mul(x, y);
  case Scalar::Div:
    return b.div(x, y);
  case Scalar::Pow:
    return expandPow(b, x, y);
  case Scalar::Maximum:
    return b.combine(Combine::Max, x, y);
  case Scalar::Minimum:
    return b.combine(Combine::Min, x, y);
  case Scalar::And:
    return arith::AndIOp::create(b, x, y);
  case Scalar::Or:
    return arith::OrIOp::create(b, x, y);
  default:
    return compare(b, op, x, y);
  }
}

Value emitScalar(KernelBuilder &b, Scalar op, Type type,
                 ArrayRef<Value> operands) {
  if (op == Scalar::Cast)
    return cast(b, operands[0], type);
  if (op == Scalar::Select)
    return b.select(operands[0], operands[1], operands[2]);
  if (!elementOf(operands[0]).isBF16())
    return operands.size() == 1 ? unary(b, op, operands[0])
                                : binary(b, op, operands[0], operands[1]);
  Values wide;
  for (Value operand : operands)
    wide.push_back(bf16ToF32(b, operand));
  Value result = emitScalar(b, op, b.f32(), wide);
  return elementOf(result).isF32() ? f32ToBf16(b, result) : result;
}

} // namespace weft
