// SPDX-License-Identifier: Apache-2.0
//
// The scalar table: every unary and binary op has an entry, and the entries
// mean what the ops' descriptions say, special values included. And which
// constants are one element.
#include "mlir/IR/MLIRContext.h"
#include "weft/IR/NN/NN.h"
#include <cmath>
#include <gtest/gtest.h>
#include <limits>

using namespace weft::nn;

static constexpr double kInfinity = std::numeric_limits<double>::infinity();
static constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

namespace {
struct Case {
  const char *op;
  llvm::SmallVector<double, 2> operands;
  double expected;
};
} // namespace

TEST(Scalar, EveryUnaryAndBinaryOpHasAnEntry) {
  mlir::MLIRContext context;
  context.loadDialect<NNDialect>();
  int numOps = 0;
  for (mlir::RegisteredOperationName name :
       context.getRegisteredOperationsByDialect("nn")) {
    mlir::OperationState state(mlir::UnknownLoc::get(&context), name);
    mlir::Operation *op = mlir::Operation::create(state);
    bool hasEntry = isElementwise(op) &&
                    !mlir::isa<SumOfOp, CompareOp, SelectOp, CastOp>(op);
    op->erase();
    EXPECT_EQ(lookupScalar(name.stripDialect()) != nullptr, hasEntry)
        << name.getStringRef().str();
    numOps += hasEntry;
  }
  EXPECT_EQ(numOps, 27);
}

TEST(Scalar, MeansWhatTheOpSays) {
  const Case cases[] = {
      {"neg", {2}, -2},
      {"abs", {-2}, 2},
      {"exp", {0}, 1},
      {"log", {0}, -kInfinity},
      {"expm1", {1e-20}, 1e-20},
      {"log1p", {1e-20}, 1e-20},
      {"sqrt", {-1}, kNaN},
      {"rsqrt", {4}, 0.5},
      {"rsqrt", {0}, kInfinity},
      {"sin", {0}, 0},
      {"cos", {0}, 1},
      {"tanh", {kInfinity}, 1},
      {"erf", {-kInfinity}, -1},
      {"sigmoid", {0}, 0.5},
      {"sigmoid", {-1000}, 0},
      {"silu", {-1}, -1 / (1 + std::exp(1))},
      {"gelu", {1}, 0.84134474606854293},
      {"gelu_tanh", {1}, 0.84119199060827676},
      {"relu", {-1}, 0},
      {"relu", {kNaN}, kNaN},
      {"logical_not", {0}, 1},
      {"logical_not", {1}, 0},
      {"add", {1, 2}, 3},
      {"sub", {1, 2}, -1},
      {"mul", {3, 2}, 6},
      {"div", {1, 0}, kInfinity},
      {"pow", {2, -1}, 0.5},
      {"maximum", {1, 2}, 2},
      {"maximum", {kNaN, 2}, kNaN},
      {"maximum", {1, kNaN}, kNaN},
      {"minimum", {1, 2}, 1},
      {"minimum", {kNaN, 2}, kNaN},
      {"minimum", {1, kNaN}, kNaN},
      {"logical_and", {1, 0}, 0},
      {"logical_or", {1, 0}, 1},
  };
  for (const Case &c : cases) {
    double got = evaluateScalar(c.op, c.operands);
    if (std::isnan(c.expected))
      EXPECT_TRUE(std::isnan(got)) << c.op;
    else
      EXPECT_DOUBLE_EQ(got, c.expected) << c.op;
  }
}

TEST(SplatElement, FollowsTheTableOfTheHeader) {
  mlir::MLIRContext context;
  context.loadDialect<NNDialect>();
  mlir::OpBuilder builder(&context);
  auto elementOf = [&](mlir::Type type,
                       llvm::ArrayRef<mlir::Attribute> values) {
    auto tensor = mlir::RankedTensorType::get({2}, type);
    auto op = ConstantOp::create(builder, builder.getUnknownLoc(), tensor,
                                 mlir::DenseElementsAttr::get(tensor, values));
    std::optional<double> element = splatElement(op);
    op->erase();
    return element;
  };
  mlir::Type i64 = builder.getI64Type(), i1 = builder.getI1Type();
  EXPECT_EQ(elementOf(i64, builder.getI64IntegerAttr(-2)), -2);
  EXPECT_EQ(elementOf(i1, builder.getBoolAttr(true)), 1);
  for (mlir::Type type :
       {mlir::Type(builder.getF32Type()), mlir::Type(builder.getBF16Type())})
    EXPECT_EQ(elementOf(type, builder.getFloatAttr(type, -0.5)), -0.5);
  EXPECT_EQ(elementOf(i64, {builder.getI64IntegerAttr(1),
                            builder.getI64IntegerAttr(2)}),
            std::nullopt);
  auto iota =
      IotaOp::create(builder, builder.getUnknownLoc(),
                     mlir::RankedTensorType::get({2}, i64), uint64_t{0}, {});
  EXPECT_EQ(splatElement(iota), std::nullopt);
  iota->erase();
}
