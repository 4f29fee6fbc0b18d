// SPDX-License-Identifier: Apache-2.0
//
// Elementwise ops. Floating elements go by the dialect's scalar table;
// integers and booleans, for which the table says nothing, are here.
#include "Evaluators.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/ErrorHandling.h"
#include <algorithm>

using namespace weft;
using namespace weft::interpreter;
using llvm::StringRef;

/// Integer meaning of an elementwise op; division rounds towards zero, and
/// dividing by zero gives zero.
static int64_t evaluateInteger(StringRef op, llvm::ArrayRef<int64_t> x) {
  enum Kind { Neg, Abs, Not, Add, Sub, Mul, Div, Max, Min, And, Or, Unknown };
  switch (llvm::StringSwitch<Kind>(op)
              .Case("neg", Neg)
              .Case("abs", Abs)
              .Case("logical_not", Not)
              .Case("add", Add)
              .Case("sub", Sub)
              .Case("mul", Mul)
              .Case("div", Div)
              .Case("maximum", Max)
              .Case("minimum", Min)
              .Case("logical_and", And)
              .Case("logical_or", Or)
              .Default(Unknown)) {
  case Neg:
    return -x[0];
  case Abs:
    return std::abs(x[0]);
  case Not:
    return x[0] == 0;
  case Add:
    return x[0] + x[1];
  case Sub:
    return x[0] - x[1];
  case Mul:
    return x[0] * x[1];
  case Div:
    return x[1] == 0 ? 0 : x[0] / x[1];
  case Max:
    return std::max(x[0], x[1]);
  case Min:
    return std::min(x[0], x[1]);
  case And:
    return x[0] && x[1];
  case Or:
    return x[0] || x[1];
  case Unknown:
    break;
  }
  llvm_unreachable("elementwise op without integer meaning");
}

/// Unary and binary ops, by name.
static Tensors evaluateByName(mlir::Operation *op, Operands operands) {
  StringRef name = op->getName().stripDialect();
  Tensor result = resultOf(op->getResult(0));
  auto elements = result.mutableElements();
  size_t arity = operands.size();
  if (result.isFloating()) {
    nn::ScalarFunction meaning = nn::lookupScalar(name);
    double x[2];
    for (size_t i = 0; i < elements.size(); ++i) {
      for (size_t k = 0; k < arity; ++k)
        x[k] = operands[k].elements()[i].real;
      elements[i].real = meaning(x);
    }
    return {result};
  }
  int64_t x[2];
  for (size_t i = 0; i < elements.size(); ++i) {
    for (size_t k = 0; k < arity; ++k)
      x[k] = operands[k].elements()[i].integer;
    elements[i].integer = evaluateInteger(name, {x, arity});
  }
  return {result};
}

static Tensor evaluateSumOf(nn::SumOfOp op, Operands operands) {
  Tensor sum = operands[0];
  auto elements = sum.mutableElements();
  for (const Tensor &operand : operands.drop_front())
    for (auto [to, from] : llvm::zip_equal(elements, operand.elements())) {
      if (sum.isFloating())
        to.real += from.real;
      else
        to.integer += from.integer;
    }
  return sum;
}

template <typename T> static bool holds(nn::Predicate predicate, T a, T b) {
  switch (predicate) {
  case nn::Predicate::eq:
    return a == b;
  case nn::Predicate::ne:
    return a != b;
  case nn::Predicate::lt:
    return a < b;
  case nn::Predicate::le:
    return a <= b;
  case nn::Predicate::gt:
    return a > b;
  case nn::Predicate::ge:
    return a >= b;
  }
  llvm_unreachable("unknown predicate");
}

static Tensor evaluateCompare(nn::CompareOp op, Operands operands) {
  Tensor result = resultOf(op.getResult());
  bool isFloating = operands[0].isFloating();
  for (auto [to, a, b] :
       llvm::zip_equal(result.mutableElements(), operands[0].elements(),
                       operands[1].elements()))
    to.integer = isFloating ? holds(op.getPredicate(), a.real, b.real)
                            : holds(op.getPredicate(), a.integer, b.integer);
  return result;
}

static Tensor evaluateSelect(nn::SelectOp op, Operands operands) {
  Tensor result = resultOf(op.getResult());
  for (auto [to, condition, a, b] :
       llvm::zip_equal(result.mutableElements(), operands[0].elements(),
                       operands[1].elements(), operands[2].elements()))
    to = condition.integer ? a : b;
  return result;
}

static Tensor evaluateCast(nn::CastOp op, Operands operands) {
  return operands[0].converted(resultOf(op.getResult()).kind());
}

void interpreter::addElementwise(EvaluatorTable &table) {
  for (StringRef name :
       {"neg",         "abs",       "exp",         "log",     "sqrt",
        "expm1",       "log1p",     "rsqrt",       "sin",     "cos",
        "tanh",        "erf",       "sigmoid",     "silu",    "gelu",
        "gelu_tanh",   "relu",      "logical_not", "add",     "sub",
        "mul",         "div",       "pow",         "maximum", "minimum",
        "logical_and", "logical_or"})
    table.add(("nn." + name).str(), evaluateByName);
  table.add<nn::SumOfOp>(evaluateSumOf);
  table.add<nn::CompareOp>(evaluateCompare);
  table.add<nn::SelectOp>(evaluateSelect);
  table.add<nn::CastOp>(evaluateCast);
}
