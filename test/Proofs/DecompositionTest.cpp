// SPDX-License-Identifier: Apache-2.0
//
// Every decomposition computes what its composite op computes.
#include "Examples.h"
#include "weft/IR/NN/NN.h"
#include "weft/Interpreter/Simulate.h"
#include "gtest/gtest.h"

using namespace weft;
using namespace weft::interpreter;

class DecompositionProof : public testing::TestWithParam<size_t> {
protected:
  TestContext context;

  llvm::SmallVector<RankTensors> run(mlir::ModuleOp module,
                                     const std::vector<Tensor> &operands) {
    llvm::SmallVector<RankTensors> arguments;
    for (const Tensor &operand : operands)
      arguments.push_back({operand});
    return *interpret(module.lookupSymbol<mlir::func::FuncOp>("f"), arguments,
                      Machine::global());
  }

  static double distance(llvm::ArrayRef<RankTensors> a,
                         llvm::ArrayRef<RankTensors> b) {
    double worst = 0.0;
    for (auto [x, y] : llvm::zip_equal(a, b)) {
      double d = distanceOf(x.front(), y.front());
      worst = d <= worst ? worst : d;
    }
    return worst;
  }
};

TEST_P(DecompositionProof, EqualsTheCompositeOp) {
  const Example &example = examples()[GetParam()];
  auto module = context.parse(example.text());
  mlir::Operation *op = opOf(*module);
  auto composite = llvm::cast<nn::DecomposeOpInterface>(op);
  std::vector<Tensor> operands = operandsOf(example, op);
  auto expected = run(*module, operands);

  mlir::OpBuilder builder(op);
  llvm::SmallVector<mlir::Value> parts = composite.decompose(builder);
  op->replaceAllUsesWith(parts);
  op->erase();
  module->walk([&](mlir::Operation *part) {
    EXPECT_FALSE(llvm::isa<nn::DecomposeOpInterface>(part))
        << example.op << " decomposes into a composite op";
  });
  EXPECT_LE(distance(run(*module, operands), expected), 1e-12)
      << example.name();
  // Negative twin: other operands are seen.
  operands.front() = randomLike(operands.front(), 7, example.low, example.high);
  EXPECT_GT(distance(run(*module, operands), expected), 1e-12);
}

INSTANTIATE_TEST_SUITE_P(
    Ops, DecompositionProof,
    testing::ValuesIn(examplesOf<nn::DecomposeOpInterface>()), testName);

TEST(DecompositionProofs, CoverEveryCompositeOp) {
  TestContext context;
  EXPECT_EQ(opsWithoutExample<nn::DecomposeOpInterface>(context.get()),
            std::vector<std::string>());
}
