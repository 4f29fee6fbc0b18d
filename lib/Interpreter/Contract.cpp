// SPDX-License-Identifier: Apache-2.0
//
// contract and reduce: both permute their operands so that what they sum over
// is one dim, then run plain loops.
//
// Letters: B in both operands and the result, M in lhs and result, N in rhs
// and result, K in both operands only.
#include "Evaluators.h"

#include "llvm/Support/ErrorHandling.h"
#include <cmath>

using namespace weft;
using namespace weft::interpreter;
using llvm::ArrayRef;
using llvm::SmallVector;

namespace {
/// The letters of an equation by what they do.
struct Roles {
  std::string batch, m, n, k;

  explicit Roles(const nn::Equation &equation) {
    auto has = [](const std::string &letters, char letter) {
      return letters.find(letter) != std::string::npos;
    };
    for (char letter : equation.result) {
      bool inLhs = has(equation.lhs, letter), inRhs = has(equation.rhs, letter);
      (inLhs && inRhs ? batch : inLhs ? m : n) += letter;
    }
    for (char letter : equation.lhs)
      if (!has(equation.result, letter))
        k += letter;
  }
};
} // namespace

/// Permutes a tensor whose dims are `letters` to the order of `wanted`.
static Tensor arrange(const Tensor &tensor, const std::string &letters,
                      const std::string &wanted) {
  SmallVector<int64_t> permutation;
  for (char letter : wanted)
    permutation.push_back(letters.find(letter));
  return letters == wanted ? tensor : tensor.permuted(permutation);
}

static SmallVector<int64_t> sizesOf(const std::string &wanted,
                                    const nn::Equation &equation,
                                    Operands operands) {
  SmallVector<int64_t> sizes;
  for (char letter : wanted) {
    size_t inLhs = equation.lhs.find(letter);
    sizes.push_back(inLhs != std::string::npos
                        ? operands[0].dim(inLhs)
                        : operands[1].dim(equation.rhs.find(letter)));
  }
  return sizes;
}

/// c[b, m, n] = sum over k of a[b, m, k] * b[b, k, n], k ascending.
static void multiply(ArrayRef<Element> a, ArrayRef<Element> b,
                     llvm::MutableArrayRef<Element> c, int64_t m, int64_t n,
                     int64_t k) {
  for (int64_t i = 0; i < m; ++i)
    for (int64_t p = 0; p < k; ++p) {
      double scale = a[i * k + p].real;
      const Element *row = b.data() + p * n;
      Element *to = c.data() + i * n;
      for (int64_t j = 0; j < n; ++j)
        to[j].real += scale * row[j].real;
    }
}

static Tensor evaluateContract(nn::ContractOp op, Operands operands) {
  nn::Equation equation = *nn::parseEquation(op.getEquation());
  Roles roles(equation);
  auto count = [&](const std::string &letters) {
    return numElements(sizesOf(letters, equation, operands));
  };
  int64_t m = count(roles.m), n = count(roles.n), k = count(roles.k);

  Tensor a = arrange(operands[0], equation.lhs, roles.batch + roles.m + roles.k)
                 .converted(ElementKind::F64);
  Tensor b = arrange(operands[1], equation.rhs, roles.batch + roles.k + roles.n)
                 .converted(ElementKind::F64);
  std::string order = roles.batch + roles.m + roles.n;
  Tensor c(ElementKind::F64, sizesOf(order, equation, operands));
  auto elements = c.mutableElements();
  for (int64_t batch = 0, e = count(roles.batch); batch < e; ++batch)
    multiply(a.elements().slice(batch * m * k, m * k),
             b.elements().slice(batch * k * n, k * n),
             elements.slice(batch * m * n, m * n), m, n, k);
  return arrange(c, order, equation.result)
      .converted(resultOf(op.getResult()).kind());
}

/// What a reduction starts from, and one step of it.
static double neutralOf(nn::ReduceOpKind kind) {
  switch (kind) {
  case nn::ReduceOpKind::sum:
    return 0.0;
  case nn::ReduceOpKind::max:
    return -INFINITY;
  case nn::ReduceOpKind::min:
    return INFINITY;
  case nn::ReduceOpKind::product:
    return 1.0;
  }
  llvm_unreachable("unknown reduction");
}

static double combine(nn::ReduceOpKind kind, double a, double b) {
  switch (kind) {
  case nn::ReduceOpKind::sum:
    return a + b;
  case nn::ReduceOpKind::max:
    return std::isnan(a) || a > b ? a : b;
  case nn::ReduceOpKind::min:
    return std::isnan(a) || a < b ? a : b;
  case nn::ReduceOpKind::product:
    return a * b;
  }
  llvm_unreachable("unknown reduction");
}

static Tensor evaluateReduce(nn::ReduceOp op, Operands operands) {
  const Tensor &input = operands[0];
  SmallVector<int64_t> permutation;
  for (int64_t d = 0; d < input.numDims(); ++d)
    if (!llvm::is_contained(op.getDims(), d))
      permutation.push_back(d);
  llvm::append_range(permutation, op.getDims());

  Tensor rows = input.permuted(permutation);
  Tensor result = resultOf(op.getResult());
  int64_t length =
      rows.numElements() / std::max<int64_t>(result.numElements(), 1);
  for (int64_t i = 0, e = result.numElements(); i < e; ++i) {
    double value = neutralOf(op.getKind());
    for (int64_t j = 0; j < length; ++j)
      value = combine(op.getKind(), value, rows.at(i * length + j));
    result.set(i, value);
  }
  return result;
}

void interpreter::addContract(EvaluatorTable &table) {
  table.add<nn::ContractOp>(evaluateContract);
  table.add<nn::ReduceOp>(evaluateReduce);
}
