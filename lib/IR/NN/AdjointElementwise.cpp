// SPDX-License-Identifier: Apache-2.0
//
// Adjoints of elementwise ops: one table by op name. Where a derivative does
// not exist, PyTorch's choice is taken: abs and relu have 0 at 0, maximum and
// minimum share the cotangent at ties.
#include "weft/IR/NN/Expressions.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace weft::nn;

namespace {

/// What a derivative is made of: operands x and y, result r, cotangent g.
struct Point {
  Expressions &e;
  Operation *op;
  Value g;

  Value x() const { return op->getOperand(0); }
  Value y() const { return op->getOperand(1); }
  Value r() const { return op->getResult(0); }
};

using Cotangents = SmallVector<Value>;

struct Entry {
  StringLiteral name;
  Cotangents (*build)(const Point &point);
};

} // namespace

static constexpr double kInvSqrt2Pi =
    llvm::numbers::inv_sqrtpi / llvm::numbers::sqrt2;

//===----------------------------------------------------------------------===//
// Unary
//===----------------------------------------------------------------------===//

static Value sign(Expressions &e, Value x, Value g) {
  Value negative =
      e.select(e.compare(Predicate::lt, x, 0.0), e.neg(g), e.constant(g, 0));
  return e.select(e.compare(Predicate::gt, x, 0.0), g, negative);
}

/// 1 - x^2.
static Value oneMinusSquare(Expressions &e, Value x) {
  return e.sub(e.constant(x, 1), e.mul(x, x));
}

static Value siluDerivative(Expressions &e, Value x) {
  Value s = e.unary<SigmoidOp>(x);
  Value rest = e.mul(x, e.sub(e.constant(s, 1), s));
  return e.mul(s, e.addConstant(rest, 1));
}

/// Phi(x) + x phi(x), with the normal distribution's CDF and density.
static Value geluDerivative(Expressions &e, Value x) {
  Value erf = e.unary<ErfOp>(e.scale(x, 1 / llvm::numbers::sqrt2));
  Value cdf = e.scale(e.addConstant(erf, 1), 0.5);
  Value density = e.scale(e.exp(e.scale(e.mul(x, x), -0.5)), kInvSqrt2Pi);
  return e.add(cdf, e.mul(x, density));
}

/// Of 0.5 x (1 + t), t = tanh(u), u = k (x + c x^3).
static Value geluTanhDerivative(Expressions &e, Value x) {
  const double k = llvm::numbers::sqrt2 * llvm::numbers::inv_sqrtpi;
  const double c = 0.044715;
  Value square = e.mul(x, x);
  Value u = e.mul(x, e.addConstant(e.scale(square, k * c), k));
  Value t = e.unary<TanhOp>(u);
  Value du = e.addConstant(e.scale(square, 3 * k * c), k);
  Value inner = e.mul(e.mul(x, oneMinusSquare(e, t)), du);
  return e.scale(e.add(e.addConstant(t, 1), inner), 0.5);
}

//===----------------------------------------------------------------------===//
// Binary
//===----------------------------------------------------------------------===//

/// d/dx = y x^(y-1), 0 where y = 0; d/dy = x^y log(x), 0 where x = 0 <= y.
static Cotangents powCotangents(const Point &p) {
  Expressions &e = p.e;
  Value power = e.binary<PowOp>(p.x(), e.addConstant(p.y(), -1));
  Value dx = e.select(e.compare(Predicate::eq, p.y(), 0.0),
                      e.constant(p.x(), 0), e.mul(p.y(), power));
  Type i1 = e.builder.getI1Type();
  Value isFlat =
      LogicalAndOp::create(e.builder, e.loc, plainType(p.x()).clone(i1),
                           e.compare(Predicate::eq, p.x(), 0.0),
                           e.compare(Predicate::ge, p.y(), 0.0));
  Value dy = e.select(isFlat, e.constant(p.x(), 0), e.mul(p.r(), e.log(p.x())));
  return {e.mul(p.g, dx), e.mul(p.g, dy)};
}

/// The cotangents of an op that takes x where `x wins y`.
static Cotangents extremumCotangents(const Point &p, Predicate wins) {
  Expressions &e = p.e;
  Value zero = e.constant(p.g, 0), half = e.scale(p.g, 0.5);
  Value first = e.compare(wins, p.x(), p.y());
  Value second = e.compare(wins, p.y(), p.x());
  return {e.select(first, p.g, e.select(second, zero, half)),
          e.select(second, p.g, e.select(first, zero, half))};
}

static Cotangents divCotangents(const Point &p) {
  Value quotient = p.e.div(p.g, p.y());
  return {quotient, p.e.neg(p.e.mul(quotient, p.r()))};
}

static Cotangents selectCotangents(const Point &p) {
  Value zero = p.e.constant(p.g, 0), condition = p.x();
  return {Value(), p.e.select(condition, p.g, zero),
          p.e.select(condition, zero, p.g)};
}

static Cotangents castCotangents(const Point &p) {
  Type type = plainType(p.x()).getElementType();
  return {isa<FloatType>(type) ? p.e.cast(p.g, type) : Value()};
}

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

static constexpr Entry kAdjoints[] = {
    {"neg", [](const Point &p) -> Cotangents { return {p.e.neg(p.g)}; }},
    {"abs",
     [](const Point &p) -> Cotangents { return {sign(p.e, p.x(), p.g)}; }},
    {"exp", [](const Point &p) -> Cotangents { return {p.e.mul(p.g, p.r())}; }},
    {"log", [](const Point &p) -> Cotangents { return {p.e.div(p.g, p.x())}; }},
    {"expm1",
     [](const Point &p) -> Cotangents {
       return {p.e.mul(p.g, p.e.addConstant(p.r(), 1))};
     }},
    {"log1p",
     [](const Point &p) -> Cotangents {
       return {p.e.div(p.g, p.e.addConstant(p.x(), 1))};
     }},
    {"sqrt",
     [](const Point &p) -> Cotangents {
       return {p.e.scale(p.e.div(p.g, p.r()), 0.5)};
     }},
    {"rsqrt",
     [](const Point &p) -> Cotangents {
       Value cube = p.e.mul(p.e.mul(p.r(), p.r()), p.r());
       return {p.e.mul(p.g, p.e.scale(cube, -0.5))};
     }},
    {"sin",
     [](const Point &p) -> Cotangents {
       return {p.e.mul(p.g, p.e.unary<CosOp>(p.x()))};
     }},
    {"cos",
     [](const Point &p) -> Cotangents {
       return {p.e.neg(p.e.mul(p.g, p.e.unary<SinOp>(p.x())))};
     }},
    {"tanh",
     [](const Point &p) -> Cotangents {
       return {p.e.mul(p.g, oneMinusSquare(p.e, p.r()))};
     }},
    {"erf",
     [](const Point &p) -> Cotangents {
       Value bell = p.e.exp(p.e.neg(p.e.mul(p.x(), p.x())));
       return {p.e.mul(p.g, p.e.scale(bell, 2 * llvm::numbers::inv_sqrtpi))};
     }},
    {"sigmoid",
     [](const Point &p) -> Cotangents {
       Value rest = p.e.sub(p.e.constant(p.r(), 1), p.r());
       return {p.e.mul(p.g, p.e.mul(p.r(), rest))};
     }},
    {"silu",
     [](const Point &p) -> Cotangents {
       return {p.e.mul(p.g, siluDerivative(p.e, p.x()))};
     }},
    {"gelu",
     [](const Point &p) -> Cotangents {
       return {p.e.mul(p.g, geluDerivative(p.e, p.x()))};
     }},
    {"gelu_tanh",
     [](const Point &p) -> Cotangents {
       return {p.e.mul(p.g, geluTanhDerivative(p.e, p.x()))};
     }},
    {"relu",
     [](const Point &p) -> Cotangents {
       return {p.e.selectOrZero(p.e.compare(Predicate::gt, p.x(), 0.0), p.g)};
     }},
    {"add", [](const Point &p) -> Cotangents { return {p.g, p.g}; }},
    {"sub", [](const Point &p) -> Cotangents { return {p.g, p.e.neg(p.g)}; }},
    {"mul",
     [](const Point &p) -> Cotangents {
       return {p.e.mul(p.g, p.y()), p.e.mul(p.g, p.x())};
     }},
    {"div", divCotangents},
    {"pow", powCotangents},
    {"maximum",
     [](const Point &p) { return extremumCotangents(p, Predicate::gt); }},
    {"minimum",
     [](const Point &p) { return extremumCotangents(p, Predicate::lt); }},
    {"sum_of",
     [](const Point &p) { return Cotangents(p.op->getNumOperands(), p.g); }},
    {"select", selectCotangents},
    {"cast", castCotangents},
};

SmallVector<Value> weft::nn::elementwiseAdjoint(Operation *op,
                                                OpBuilder &builder,
                                                ValueRange cotangents) {
  // Truth values and integers have no cotangent: nor have the ops on them
  // (compare, logical_*) an entry.
  const Entry *entry = llvm::find_if(kAdjoints, [&](const Entry &entry) {
    return entry.name == op->getName().stripDialect();
  });
  bool isFloat = isa<FloatType>(plainType(op->getResult(0)).getElementType());
  if (!cotangents.front() || !isFloat || entry == std::end(kAdjoints))
    return Cotangents(op->getNumOperands());
  Expressions e(builder, derivedLoc(op->getLoc(), "grad"));
  return entry->build({e, op, cotangents.front()});
}
