// SPDX-License-Identifier: Apache-2.0
//
// One row per example. Sizes are small and mixed: even ones shard fully over
// three axes of two, odd ones unevenly and with empty shards.
#include "Examples.h"

#include "llvm/Support/xxhash.h"
#include <random>

using namespace weft;
using namespace weft::interpreter;

static std::vector<Example> elementwiseExamples() {
  std::vector<Example> rows;
  for (const char *name : {"neg", "exp", "sin", "cos", "tanh", "erf", "sigmoid",
                           "silu", "gelu", "gelu_tanh", "relu", "abs", "expm1"})
    rows.push_back({std::string("nn.") + name, {"4x3xf64"}, {"4x3xf64"}, ""});
  for (const char *name : {"log", "log1p", "sqrt", "rsqrt"})
    rows.push_back({std::string("nn.") + name,
                    {"5x2xf64"},
                    {"5x2xf64"},
                    "",
                    /*low=*/0.5,
                    /*high=*/2.0});
  for (const char *name : {"add", "sub", "mul", "maximum", "minimum"})
    rows.push_back(
        {std::string("nn.") + name, {"4x3xf64", "4x3xf64"}, {"4x3xf64"}, ""});
  for (const char *name : {"div", "pow"})
    rows.push_back({std::string("nn.") + name,
                    {"4x3xf64", "4x3xf64"},
                    {"4x3xf64"},
                    "",
                    /*low=*/0.5,
                    /*high=*/2.0});
  for (const char *name : {"logical_and", "logical_or"})
    rows.push_back(
        {std::string("nn.") + name, {"4x3xi1", "4x3xi1"}, {"4x3xi1"}, ""});
  rows.push_back({"nn.logical_not", {"4x3xi1"}, {"4x3xi1"}, ""});
  rows.push_back(
      {"nn.sum_of", {"4x3xf64", "4x3xf64", "4x3xf64"}, {"4x3xf64"}, ""});
  rows.push_back({"nn.compare",
                  {"4x3xf64", "4x3xf64"},
                  {"4x3xi1"},
                  "{predicate = #nn<predicate lt>}"});
  rows.push_back({"nn.select",
                  {"4x3xi1", "4x3xf64", "4x3xf64"},
                  {"4x3xf64"},
                  "",
                  -1,
                  1,
                  /*indexBound=*/2});
  rows.push_back({"nn.cast", {"4x3xf32"}, {"4x3xf64"}, ""});
  rows.push_back({"nn.cast", {"4x3xf64"}, {"4x3xf32"}, ""});
  rows.push_back({"nn.cast", {"5xi64"}, {"5xf32"}, ""});
  return rows;
}

// clang-format off: one row, one line.
static const std::vector<Example> kShapeExamples = {
    {"nn.constant", {}, {"4x3xf64"}, "{value = dense<0.5> : tensor<4x3xf64>}"},
    {"nn.constant", {}, {"3xi64"}, "{value = dense<[1, 5, 2]> : tensor<3xi64>}"},
    {"nn.iota", {}, {"3x8xi64"}, "{dim = 1 : i64}"},
    {"nn.iota", {}, {"5x2xf64"}, "{dim = 0 : i64}"},
    {"nn.contract", {"4x3x8xf64", "5x8xf64"}, {"4x3x5xf64"}, "{equation = \"btd,od->bto\"}"},
    {"nn.contract", {"2x4x3xf64", "2x4x5xf64"}, {"2x5x3xf64"}, "{equation = \"bks,bkt->bts\"}"},
    {"nn.contract", {"8xf64", "8xf64"}, {"f64"}, "{equation = \"d,d->\"}"},
    {"nn.contract", {"4xf64", "3xf64"}, {"3x4xf64"}, "{equation = \"a,b->ba\"}"},
    {"nn.contract", {"4x3xf64", "4x5x3xf64"}, {"5xf64"}, "{equation = \"ad,abd->b\"}"},
    {"nn.reduce", {"4x3x5xf64"}, {"4x5xf64"}, "{kind = #nn<reduce_kind sum>, dims = array<i64: 1>}"},
    {"nn.reduce", {"8x3xf64"}, {"f64"}, "{kind = #nn<reduce_kind sum>, dims = array<i64: 0, 1>}"},
    {"nn.reduce", {"4x5xf64"}, {"4xf64"}, "{kind = #nn<reduce_kind max>, dims = array<i64: 1>}"},
    {"nn.reduce", {"4x5xf64"}, {"5xf64"}, "{kind = #nn<reduce_kind min>, dims = array<i64: 0>}"},
    {"nn.reduce", {"2x5xf64"}, {"2xf64"}, "{kind = #nn<reduce_kind product>, dims = array<i64: 1>}", 0.5, 2.0},
    {"nn.broadcast", {"3xf64"}, {"4x3xf64"}, "{dims = array<i64: 1>}"},
    {"nn.broadcast", {"4x2xf64"}, {"4x5x2xf64"}, "{dims = array<i64: 0, 2>}"},
    {"nn.broadcast", {"f64"}, {"5xf64"}, "{dims = array<i64>}"},
    {"nn.reshape", {"4x6xf64"}, {"4x2x3xf64"}, ""},
    {"nn.reshape", {"8x2x3xf64"}, {"16x3xf64"}, ""},
    {"nn.reshape", {"4x3xf64"}, {"1x4x3xf64"}, ""},
    {"nn.reshape", {"2x6xf64"}, {"4x3xf64"}, ""},
    {"nn.transpose", {"4x3x2xf64"}, {"2x4x3xf64"}, "{permutation = array<i64: 2, 0, 1>}"},
    {"nn.slice", {"4x6xf64"}, {"4x2xf64"}, "{offsets = array<i64: 0, 1>, sizes = array<i64: 4, 2>, strides = array<i64: 1, 3>}"},
    {"nn.slice", {"5x6xf64"}, {"5x3xf64"}, "{offsets = array<i64: 0, 3>, sizes = array<i64: 5, 3>, strides = array<i64: 1, 1>}"},
    {"nn.pad", {"4x2xf64"}, {"4x5xf64"}, "{low = array<i64: 0, 1>, high = array<i64: 0, 1>, interior = array<i64: 0, 1>}"},
    {"nn.concat", {"4x2xf64", "4x3xf64"}, {"4x5xf64"}, "{dim = 1 : i64}"},
    {"nn.mask_tail", {"4x5xf64", "i64"}, {"4x5xf64"}, "{dim = 1 : i64, value = 0.0 : f64}", -1, 1, 4, {{1, {3}}}},
    {"nn.pick", {"4x5xf64", "4xi64"}, {"4xf64"}, "", -1, 1, 6},
    {"nn.pick", {"3x2x8xf64", "3x2xi64"}, {"3x2xf64"}, "", -1, 1, 8},
    {"nn.place", {"4xf64", "4xi64"}, {"4x5xf64"}, "", -1, 1, 6},
    {"nn.place", {"3x2xf64", "3x2xi64"}, {"3x2x8xf64"}, "", -1, 1, 8},
    {"nn.boundary", {"4x3xf64"}, {"4x3xf64"}, "{module = \"m\", side = \"input\", index = 0 : i64}"},
};

// Shape letters as in NNComposite.td.
static const std::vector<Example> kCompositeExamples = {
    {"nn.softmax", {"4x3xf64"}, {"4x3xf64"}, ""},
    {"nn.rms_norm", {"4x3x6xf64", "6xf64"}, {"4x3x6xf64", "4x3xf64"}, "{eps = 1.0e-05 : f64}"},
    {"nn.rms_norm_grad", {"4x3x2xf64", "4x3x2xf64", "2xf64", "4x3xf64"}, {"4x3x2xf64", "2xf64"}, "", 0.5, 1.5},
    {"nn.rotary", {"2x4x3x4xf64", "3x4xf64", "3x4xf64"}, {"2x4x3x4xf64"}, ""},
    {"nn.rotary", {"2x1x4x4xf64", "4x4xf64", "4x4xf64"}, {"2x1x4x4xf64"}, "{adjoint}"},
    {"nn.attention", {"2x4x3x2xf64", "2x2x5x2xf64", "2x2x5x2xf64", "3xi64", "5xi64"}, {"2x4x3x2xf64", "2x4x3xf64"}, "{scale = 0.7 : f64, causal}", -1, 1, 4, {{3, {4, 0, 2}}, {4, {0, 1, 2, 3, 4}}}},
    {"nn.attention", {"1x2x4x2xf64", "1x2x4x2xf64", "1x2x4x2xf64", "4xi64", "4xi64"}, {"1x2x4x2xf64", "1x2x4xf64"}, "{scale = 1.0 : f64}"},
    {"nn.attention", {"1x8x2x2xf64", "1x2x2x2xf64", "1x2x2x2xf64", "2xi64", "2xi64"}, {"1x8x2x2xf64", "1x8x2xf64"}, "{scale = 0.7 : f64, causal}", -1, 1, 4, {{3, {0, 1}}, {4, {0, 1}}}},
    {"nn.attention", {"2x4x3x2xf64", "2x2x5x2xf64", "2x2x5x2xf64", "3xi64", "5xi64"}, {"2x4x3x2xf64", "2x4x3xf64"}, "{scale = 0.7 : f64, causal, window = 2 : i64, softcap = 0.5 : f64}", -1, 1, 4, {{3, {4, 0, 2}}, {4, {0, 1, 2, 3, 4}}}},
    {"nn.attention", {"2x2x4x2xf64", "2x2x5x2xf64", "2x2x5x2xf64", "4xi64", "5xi64", "2x4xi64", "2x5xi64"}, {"2x2x4x2xf64", "2x2x4xf64"}, "{scale = 0.7 : f64, softcap = 0.5 : f64}", -1, 1, 4, {{5, {0, 1, 1, 2, 3, 3, 0, 1}}, {6, {0, 0, 1, 2, 2, 1, 3, 3, 0, 0}}}},
    {"nn.attention", {"2x4x3x2xf64", "2x2x3x2xf64", "2x2x3x2xf64", "3xi64", "3xi64", "2x3xi64", "2x3xi64"}, {"2x4x3x2xf64", "2x4x3xf64"}, "{scale = 0.7 : f64, causal, window = 2 : i64}", -1, 1, 4, {{3, {0, 1, 2}}, {4, {0, 1, 2}}, {5, {7, 7, 7, 1, 1, 2}}, {6, {7, 7, 7, 1, 1, 2}}}},
    {"nn.attention_grad", {"2x4x3x2xf64", "2x4x3x2xf64", "2x2x3x2xf64", "2x2x3x2xf64", "2x4x3x2xf64", "2x4x3xf64", "3xi64", "3xi64"}, {"2x4x3x2xf64", "2x2x3x2xf64", "2x2x3x2xf64"}, "{scale = 0.7 : f64, causal}", -1, 1, 4, {{6, {0, 1, 2}}, {7, {0, 1, 2}}}},
    {"nn.attention_grad", {"2x4x3x2xf64", "2x4x3x2xf64", "2x2x3x2xf64", "2x2x3x2xf64", "2x4x3x2xf64", "2x4x3xf64", "3xi64", "3xi64"}, {"2x4x3x2xf64", "2x2x3x2xf64", "2x2x3x2xf64"}, "{scale = 0.7 : f64, causal, window = 2 : i64, softcap = 0.5 : f64}", -1, 1, 4, {{6, {0, 1, 2}}, {7, {0, 1, 2}}}},
    {"nn.attention_grad", {"2x4x3x2xf64", "2x4x3x2xf64", "2x2x3x2xf64", "2x2x3x2xf64", "2x4x3x2xf64", "2x4x3xf64", "3xi64", "3xi64", "2x3xi64", "2x3xi64"}, {"2x4x3x2xf64", "2x2x3x2xf64", "2x2x3x2xf64"}, "{scale = 0.7 : f64}", -1, 1, 4, {{6, {0, 1, 2}}, {7, {0, 1, 2}}, {8, {7, 7, 7, 1, 1, 2}}, {9, {7, 6, 7, 2, 1, 1}}}},
    {"nn.attention_grad", {"2x4x3x2xf64", "2x4x3x2xf64", "2x2x3x2xf64", "2x2x3x2xf64", "2x4x3x2xf64", "2x4x3xf64", "3xi64", "3xi64", "2x3xi64", "2x3xi64"}, {"2x4x3x2xf64", "2x2x3x2xf64", "2x2x3x2xf64"}, "{scale = 0.7 : f64, causal, window = 2 : i64, softcap = 0.5 : f64}", -1, 1, 4, {{6, {0, 1, 2}}, {7, {0, 1, 2}}, {8, {7, 7, 7, 1, 1, 2}}, {9, {7, 7, 7, 1, 1, 2}}}},
    {"nn.embedding", {"3x2xi64", "8x3xf64"}, {"3x2x3xf64"}, "", -1, 1, 9},
    {"nn.embedding", {"4xi64", "5x2xf64"}, {"4x2xf64"}, "", -1, 1, 6},
    {"nn.embedding_grad", {"3x2x3xf64", "3x2xi64"}, {"8x3xf64"}, "", -1, 1, 8},
    {"nn.embedding_grad", {"4x2xf64", "4xi64"}, {"5x2xf64"}, "", -1, 1, 5},
    {"nn.cross_entropy", {"4x3x5xf64", "4x3xi64"}, {"f64", "4x3xf64"}, "", -1, 1, 5, {{1, {0, 4, -100, 1, 2, 3, -100, 0, 1, 2, 4, -100}}}},
    {"nn.cross_entropy_grad", {"4x3x5xf64", "4x3xi64", "4x3xf64", "f64"}, {"4x3x5xf64"}, "", -1, 1, 5, {{1, {0, 4, -100, 1, 2, 3, -100, 0, 1, 2, 4, -100}}}},
    {"nn.cross_entropy_grad", {"3x8xf64", "3xi64", "3xf64", "f64"}, {"3x8xf64"}, "", -1, 1, 8},
};
// clang-format on

const std::vector<Example> &interpreter::examples() {
  static const std::vector<Example> all = [] {
    std::vector<Example> rows = elementwiseExamples();
    for (const std::vector<Example> &more :
         {kShapeExamples, kCompositeExamples})
      rows.insert(rows.end(), more.begin(), more.end());
    return rows;
  }();
  return all;
}

/// `(tensor<2xf64>, tensor<f64>)`
static std::string typesText(const std::vector<std::string> &shapes) {
  std::string text;
  for (const std::string &shape : shapes)
    text += (text.empty() ? "" : ", ") + ("tensor<" + shape + ">");
  return "(" + text + ")";
}

static std::string valuesText(const std::string &prefix, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i)
    text += (i ? ", " : "") + prefix + std::to_string(i);
  return text;
}

std::string Example::text() const {
  std::string arguments;
  for (size_t i = 0; i < operands.size(); ++i)
    arguments += (i ? ", %a" : "%a") + std::to_string(i) + ": tensor<" +
                 operands[i] + ">";
  std::string types = typesText(results);
  return "func.func @f(" + arguments + ") -> " + types + " {\n  " +
         valuesText("%r", results.size()) + " = \"" + op + "\"(" +
         valuesText("%a", operands.size()) + ") " + attributes + " : " +
         typesText(operands) + " -> " + types + "\n  return " +
         valuesText("%r", results.size()) + " : " +
         types.substr(1, types.size() - 2) + "\n}\n";
}

std::string Example::name() const {
  return op + " " + typesText(operands) + " -> " + typesText(results) + " " +
         attributes;
}

std::string interpreter::testName(const testing::TestParamInfo<size_t> &info) {
  std::string op = examples()[info.param].op;
  op.replace(op.find('.'), 1, "_");
  return op + "_" + std::to_string(info.param);
}

mlir::Operation *interpreter::opOf(mlir::ModuleOp module) {
  return &module.lookupSymbol<mlir::func::FuncOp>("f").front().front();
}

Tensor interpreter::randomLike(const Tensor &tensor, uint64_t seed, double low,
                               double high) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform(low, high);
  Tensor result(tensor.kind(), tensor.shape());
  for (int64_t i = 0, e = result.numElements(); i < e; ++i)
    result.set(i, uniform(random));
  return result;
}

std::vector<Tensor> interpreter::operandsOf(const Example &example,
                                            mlir::Operation *op) {
  std::vector<Tensor> operands;
  for (auto [i, type] : llvm::enumerate(op->getOperandTypes())) {
    Tensor zeros = Tensor::zeros(llvm::cast<mlir::RankedTensorType>(type));
    uint64_t seed = llvm::xxh3_64bits(example.name()) + i;
    bool isBool = zeros.kind() == ElementKind::I1;
    double bound = isBool ? 2 : static_cast<double>(example.indexBound);
    operands.push_back(
        zeros.isFloating()
            ? randomLike(zeros, seed, example.low, example.high)
            : randomLike(zeros.converted(ElementKind::F64), seed, 0, bound)
                  .converted(ElementKind::I64)
                  .converted(zeros.kind()));
  }
  for (const auto &[i, values] : example.given)
    operands[i] = Tensor::of(operands[i].kind(), operands[i].shape(), values);
  return operands;
}
