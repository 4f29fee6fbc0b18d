// SPDX-License-Identifier: Apache-2.0
//
// The scalar table: what each unary and binary elementwise op means on one
// element, in double precision. Integers are exact up to 2^53; the caller
// rounds a result to the element type (towards zero for integers, so `div` of
// integers truncates). Booleans are 0 and 1.
#include "weft/IR/NN/NN.h"
#include "llvm/Support/ErrorHandling.h"
#include <cmath>

namespace weft::nn {

namespace {
struct ScalarEntry {
  llvm::StringLiteral name;
  ScalarFunction function;
};
} // namespace

static constexpr double kSqrtHalf = 0.70710678118654752440;
static constexpr double kSqrtTwoOverPi = 0.79788456080286535588;

static double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// The larger (smaller) of both; NaN if either is, unlike fmax and fmin.
static double maximum(double x, double y) { return x > y || x != x ? x : y; }
static double minimum(double x, double y) { return x < y || x != x ? x : y; }

static double gelu(double x) { return x / 2 * std::erfc(-x * kSqrtHalf); }

static double geluTanh(double x) {
  return x / 2 * (1 + std::tanh(kSqrtTwoOverPi * (x + 0.044715 * x * x * x)));
}

static constexpr ScalarEntry kScalars[] = {
    // Unary.
    {"neg", [](const double *x) { return -x[0]; }},
    {"abs", [](const double *x) { return std::fabs(x[0]); }},
    {"exp", [](const double *x) { return std::exp(x[0]); }},
    {"log", [](const double *x) { return std::log(x[0]); }},
    {"expm1", [](const double *x) { return std::expm1(x[0]); }},
    {"log1p", [](const double *x) { return std::log1p(x[0]); }},
    {"sqrt", [](const double *x) { return std::sqrt(x[0]); }},
    {"rsqrt", [](const double *x) { return 1 / std::sqrt(x[0]); }},
    {"sin", [](const double *x) { return std::sin(x[0]); }},
    {"cos", [](const double *x) { return std::cos(x[0]); }},
    {"tanh", [](const double *x) { return std::tanh(x[0]); }},
    {"erf", [](const double *x) { return std::erf(x[0]); }},
    {"sigmoid", [](const double *x) { return sigmoid(x[0]); }},
    {"silu", [](const double *x) { return x[0] * sigmoid(x[0]); }},
    {"gelu", [](const double *x) { return gelu(x[0]); }},
    {"gelu_tanh", [](const double *x) { return geluTanh(x[0]); }},
    {"relu", [](const double *x) { return maximum(x[0], 0); }},
    {"logical_not", [](const double *x) { return x[0] == 0 ? 1.0 : 0.0; }},
    // Binary.
    {"add", [](const double *x) { return x[0] + x[1]; }},
    {"sub", [](const double *x) { return x[0] - x[1]; }},
    {"mul", [](const double *x) { return x[0] * x[1]; }},
    {"div", [](const double *x) { return x[0] / x[1]; }},
    {"pow", [](const double *x) { return std::pow(x[0], x[1]); }},
    {"maximum", [](const double *x) { return maximum(x[0], x[1]); }},
    {"minimum", [](const double *x) { return minimum(x[0], x[1]); }},
    {"logical_and",
     [](const double *x) { return x[0] != 0 && x[1] != 0 ? 1.0 : 0.0; }},
    {"logical_or",
     [](const double *x) { return x[0] != 0 || x[1] != 0 ? 1.0 : 0.0; }},
};

ScalarFunction lookupScalar(llvm::StringRef op) {
  for (const ScalarEntry &entry : kScalars)
    if (entry.name == op)
      return entry.function;
  return nullptr;
}

double evaluateScalar(llvm::StringRef op, llvm::ArrayRef<double> operands) {
  ScalarFunction function = lookupScalar(op);
  if (!function)
    llvm::report_fatal_error(llvm::Twine("no scalar meaning of nn.") + op);
  return function(operands.data());
}

} // namespace weft::nn
