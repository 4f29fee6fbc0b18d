// SPDX-License-Identifier: Apache-2.0
//
// The table behind the proofs: at least one small example per nn op. A proof
// that finds an op without an example fails, so the table cannot lag behind.
#ifndef WEFT_TEST_PROOFS_EXAMPLES_H
#define WEFT_TEST_PROOFS_EXAMPLES_H

#include "InterpretText.h"
#include "gtest/gtest.h"

namespace weft::interpreter {

/// One op on small operands.
struct Example {
  std::string op;                    // "nn.add"
  std::vector<std::string> operands; // "2x3xf64"
  std::vector<std::string> results;
  std::string attributes; // "{dim = 0 : i64}"
  /// Floating operands are uniform in [low, high), indices below indexBound.
  double low = -1.0, high = 1.0;
  int64_t indexBound = 4;
  /// Operands with these values instead, by number.
  std::vector<std::pair<int, std::vector<double>>> given;

  /// A module with the op in a function @f of its operands.
  std::string text() const;
  /// For messages.
  std::string name() const;
};

const std::vector<Example> &examples();

/// The op of an example's function.
mlir::Operation *opOf(mlir::ModuleOp module);

/// Operands of an example, seeded by its name.
std::vector<Tensor> operandsOf(const Example &example, mlir::Operation *op);

/// Uniform in [low, high).
Tensor randomLike(const Tensor &tensor, uint64_t seed, double low, double high);

/// Numbers of the examples whose op has `Interface`, for ValuesIn.
template <typename Interface> std::vector<size_t> examplesOf() {
  TestContext context;
  std::vector<size_t> numbers;
  for (auto [number, example] : llvm::enumerate(examples()))
    if (mlir::OperationName(example.op, context.get())
            .hasInterface<Interface>())
      numbers.push_back(number);
  return numbers;
}

/// `nn_add_12`, for INSTANTIATE_TEST_SUITE_P.
std::string testName(const testing::TestParamInfo<size_t> &info);

/// Names of registered nn ops with `Interface` that no example shows.
template <typename Interface>
std::vector<std::string> opsWithoutExample(mlir::MLIRContext *context) {
  std::vector<std::string> missing;
  for (mlir::RegisteredOperationName name : context->getRegisteredOperations())
    if (name.getDialectNamespace() == "nn" && name.hasInterface<Interface>() &&
        llvm::none_of(examples(), [&](const Example &example) {
          return example.op == name.getStringRef();
        }))
      missing.push_back(name.getStringRef().str());
  return missing;
}

} // namespace weft::interpreter

#endif // WEFT_TEST_PROOFS_EXAMPLES_H
