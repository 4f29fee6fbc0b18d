// SPDX-License-Identifier: Apache-2.0
//
// Every op's adjoint against central differences in double precision:
//   <cotangent, f(x + h e) - f(x - h e)> / 2h  =  e-th element of the adjoint
// for every element e of every floating operand. An operand for which the
// adjoint yields nothing must have no influence.
#include "Examples.h"
#include "weft/IR/NN/NN.h"
#include "weft/Interpreter/Simulate.h"
#include "gtest/gtest.h"

using namespace weft;
using namespace weft::interpreter;

namespace {

constexpr double kStep = 1e-5;
constexpr double kTolerance = 1e-7;

/// One op on one rank.
class Subject {
public:
  Subject(mlir::Operation *op, std::vector<Tensor> operands)
      : op(op), operands(std::move(operands)) {
    for (const auto &[k, result] : llvm::enumerate(evaluate(this->operands)))
      cotangents.push_back(randomLike(result, 100 + k, 0.5, 1.5));
  }

  std::vector<Tensor> evaluate(const std::vector<Tensor> &at) const {
    llvm::SmallVector<RankTensors> perRank;
    for (const Tensor &operand : at)
      perRank.push_back({operand});
    auto results = evaluateOp(op, perRank, Machine::global());
    std::vector<Tensor> tensors;
    for (const RankTensors &result : *results)
      tensors.push_back(result.front());
    return tensors;
  }

  /// The cotangent of operand `i` by central differences.
  Tensor numeric(int i) const {
    Tensor gradient(ElementKind::F64, operands[i].shape());
    for (int64_t e = 0; e < gradient.numElements(); ++e)
      gradient.set(e, (along(i, e, kStep) - along(i, e, -kStep)) / (2 * kStep));
    return gradient;
  }

  mlir::Operation *op;
  std::vector<Tensor> operands, cotangents;

private:
  double along(int i, int64_t e, double step) const {
    std::vector<Tensor> moved = operands;
    moved[i].set(e, moved[i].at(e) + step);
    double sum = 0.0;
    for (auto [result, cotangent] :
         llvm::zip_equal(evaluate(moved), cotangents))
      for (int64_t k = 0; result.isFloating() && k < result.numElements(); ++k)
        sum += result.at(k) * cotangent.at(k);
    return sum;
  }
};

/// The adjoint that the op builds, run on the interpreter; nothing where it
/// yields no cotangent.
class Adjoint {
public:
  explicit Adjoint(const Subject &subject) : subject(subject) {
    auto function = subject.op->getParentOfType<mlir::func::FuncOp>();
    mlir::Operation *terminator = function.front().getTerminator();
    llvm::SmallVector<mlir::Value> cotangents;
    for (mlir::Value result : subject.op->getResults()) {
      bool isFloating = llvm::isa<mlir::FloatType>(
          llvm::cast<mlir::RankedTensorType>(result.getType())
              .getElementType());
      cotangents.push_back(isFloating ? function.front().addArgument(
                                            result.getType(), result.getLoc())
                                      : mlir::Value());
    }
    mlir::OpBuilder builder(terminator);
    built = llvm::cast<nn::AdjointOpInterface>(subject.op)
                .buildAdjoint(builder, cotangents);
    llvm::SmallVector<mlir::Value> returned;
    for (mlir::Value value : built)
      if (value)
        returned.push_back(value);
    terminator->setOperands(returned);
    function.setFunctionType(mlir::FunctionType::get(
        function.getContext(), function.front().getArgumentTypes(),
        mlir::ValueRange(returned).getTypes()));
  }

  std::vector<std::optional<Tensor>> run() const {
    llvm::SmallVector<RankTensors> arguments;
    for (const Tensor &operand : subject.operands)
      arguments.push_back({operand});
    for (const Tensor &cotangent : subject.cotangents)
      if (cotangent.isFloating())
        arguments.push_back({cotangent});
    auto results = interpret(subject.op->getParentOfType<mlir::func::FuncOp>(),
                             arguments, Machine::global());
    std::vector<std::optional<Tensor>> gradients;
    size_t next = 0;
    for (mlir::Value value : built)
      gradients.push_back(value ? std::optional((*results)[next++].front())
                                : std::nullopt);
    return gradients;
  }

private:
  const Subject &subject;
  llvm::SmallVector<mlir::Value> built;
};

/// The largest distance between the adjoint and central differences, relative
/// to the cotangent's norm; `scale` turns the adjoint wrong.
double errorOf(const Subject &subject,
               const std::vector<std::optional<Tensor>> &gradients,
               double scale = 1.0) {
  double worst = 0.0;
  for (auto [i, gradient] : llvm::enumerate(gradients)) {
    if (!subject.operands[i].isFloating())
      continue;
    Tensor expected = subject.numeric(i);
    Tensor got(ElementKind::F64, expected.shape());
    for (int64_t e = 0; gradient && e < got.numElements(); ++e)
      got.set(e, scale * gradient->at(e));
    double error = distanceOf(got, expected) / (1.0 + normOf(expected));
    worst = error <= worst ? worst : error; // NaN is worse
  }
  return worst;
}

} // namespace

class AdjointProof : public testing::TestWithParam<size_t> {
protected:
  TestContext context;
};

TEST_P(AdjointProof, EqualsCentralDifferences) {
  const Example &example = examples()[GetParam()];
  auto module = context.parse(example.text());
  mlir::Operation *op = opOf(*module);
  Subject subject(op, operandsOf(example, op));
  Adjoint adjoint(subject);
  auto gradients = adjoint.run();
  EXPECT_LE(errorOf(subject, gradients), kTolerance) << example.name();
  // Negative twin: an adjoint that is 0.01 % too large is found.
  bool isZero = llvm::all_of(gradients, [](const auto &gradient) {
    return !gradient || normOf(*gradient) == 0.0;
  });
  if (!isZero)
    EXPECT_GT(errorOf(subject, gradients, 1.0001), kTolerance);
}

INSTANTIATE_TEST_SUITE_P(
    Ops, AdjointProof, testing::ValuesIn(examplesOf<nn::AdjointOpInterface>()),
    testName);

TEST(AdjointProofs, CoverEveryOpWithAnAdjoint) {
  TestContext context;
  EXPECT_EQ(opsWithoutExample<nn::AdjointOpInterface>(context.get()),
            std::vector<std::string>());
}
