// SPDX-License-Identifier: Apache-2.0
//
// What ops mean, by hand-computed values. Adjoints, sharding rules and
// decompositions are proved in test/Proofs.
#include "InterpretText.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace weft;
using namespace weft::interpreter;
using Values = std::vector<double>;

class Ops : public testing::Test {
protected:
  TestContext context;
  Values one(llvm::StringRef signature, llvm::ArrayRef<Tensor> arguments) {
    return valuesOf(context.run(signature, arguments).front());
  }
};

TEST_F(Ops, ContractSumsOverLettersMissingInTheResult) {
  Tensor a = real({2, 3}, {1, 2, 3, 4, 5, 6});
  Tensor b = real({2, 3}, {1, 0, 1, 0, 1, 0});
  EXPECT_EQ(
      one(R"((%a: tensor<2x3xf32>, %b: tensor<2x3xf32>) -> tensor<2x2xf32> {
    %0 = nn.contract "td,od->ot" %a, %b : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x2xf32>
    return %0 : tensor<2x2xf32>})",
          {a, b}),
      (Values{4, 10, 2, 5}));
  EXPECT_EQ(one(R"((%a: tensor<2x3xf32>, %b: tensor<2x3xf32>) -> tensor<2xf32> {
    %0 = nn.contract "bd,bd->b" %a, %b : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2xf32>
    return %0 : tensor<2xf32>})",
                {a, b}),
            (Values{4, 5}));
}

TEST_F(Ops, ReduceTakesAnyDims) {
  Tensor x = real({2, 1, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(one(R"((%x: tensor<2x1x3xf32>) -> tensor<1x3xf32> {
    %0 = nn.reduce sum %x dims [0] : (tensor<2x1x3xf32>) -> tensor<1x3xf32>
    return %0 : tensor<1x3xf32>})",
                {x}),
            (Values{5, 7, 9}));
  EXPECT_EQ(one(R"((%x: tensor<2x1x3xf32>) -> tensor<2xf32> {
    %0 = nn.reduce max %x dims [1, 2] : (tensor<2x1x3xf32>) -> tensor<2xf32>
    return %0 : tensor<2xf32>})",
                {x}),
            (Values{3, 6}));
}

TEST_F(Ops, PadPutsZerosBetweenNeighbours) {
  EXPECT_EQ(one(R"((%x: tensor<2xf32>) -> tensor<6xf32> {
    %0 = nn.pad %x low [1] high [2] interior [1] : (tensor<2xf32>) -> tensor<6xf32>
    return %0 : tensor<6xf32>})",
                {real({2}, {7, 8})}),
            (Values{0, 7, 0, 8, 0, 0}));
}

TEST_F(Ops, SliceTakesStrides) {
  EXPECT_EQ(one(R"((%x: tensor<6xf32>) -> tensor<2xf32> {
    %0 = nn.slice %x offsets [1] sizes [2] strides [3] : (tensor<6xf32>) -> tensor<2xf32>
    return %0 : tensor<2xf32>})",
                {real({6}, {0, 1, 2, 3, 4, 5})}),
            (Values{1, 4}));
}

TEST_F(Ops, IotaAddsItsOffset) {
  EXPECT_EQ(one(R"((%o: tensor<i64>) -> tensor<2x2xi64> {
    %0 = nn.iota dim 1 offset %o, tensor<i64> : tensor<2x2xi64>
    return %0 : tensor<2x2xi64>})",
                {whole({}, {5})}),
            (Values{5, 6, 5, 6}));
}

TEST_F(Ops, EmbeddingGivesZerosOutOfRange) {
  Tensor table = real({2, 2}, {1, 2, 3, 4});
  EXPECT_EQ(
      one(R"((%i: tensor<3xi64>, %t: tensor<2x2xf32>, %o: tensor<i64>) -> tensor<3x2xf32> {
    %0 = nn.embedding %i, %t offset %o : (tensor<3xi64>, tensor<2x2xf32>, tensor<i64>) -> tensor<3x2xf32>
    return %0 : tensor<3x2xf32>})",
          {whole({3}, {1, 3, 2}), table, whole({}, {2})}),
      (Values{0, 0, 3, 4, 1, 2}));
}

TEST_F(Ops, MaskTailOverwritesFromTheExtentOn) {
  EXPECT_EQ(one(R"((%x: tensor<2x3xf32>, %e: tensor<i64>) -> tensor<2x3xf32> {
    %0 = nn.mask_tail %x, %e dim 1 value -1.0 : (tensor<2x3xf32>, tensor<i64>) -> tensor<2x3xf32>
    return %0 : tensor<2x3xf32>})",
                {real({2, 3}, {1, 2, NAN, 4, 5, NAN}), whole({}, {2})}),
            (Values{1, 2, -1, 4, 5, -1}));
}

TEST_F(Ops, CrossEntropyIgnoresItsLabel) {
  auto results = context.run(
      R"((%x: tensor<2x2xf32>, %l: tensor<2xi64>) -> (tensor<f32>, tensor<2xf32>) {
    %0, %1 = nn.cross_entropy %x, %l : (tensor<2x2xf32>, tensor<2xi64>) -> (tensor<f32>, tensor<2xf32>)
    return %0, %1 : tensor<f32>, tensor<2xf32>})",
      {real({2, 2}, {0, 0, 1, 1}), whole({2}, {1, -100})});
  EXPECT_DOUBLE_EQ(results[0].value(), std::log(2.0));
  EXPECT_DOUBLE_EQ(results[1].at(1), 1 + std::log(2.0));
}

TEST_F(Ops, AttentionRowWithoutKeysIsZero) {
  auto results = context.run(
      R"((%q: tensor<1x1x2x1xf32>, %k: tensor<1x1x1x1xf32>, %v: tensor<1x1x1x1xf32>,
        %qp: tensor<2xi64>, %kp: tensor<1xi64>) -> tensor<1x1x2x1xf32> {
    %0, %1 = nn.attention %q, %k, %v, %qp, %kp {scale = 1.0 : f64, causal} : (tensor<1x1x2x1xf32>, tensor<1x1x1x1xf32>, tensor<1x1x1x1xf32>, tensor<2xi64>, tensor<1xi64>) -> (tensor<1x1x2x1xf32>, tensor<1x1x2xf32>)
    return %0 : tensor<1x1x2x1xf32>})",
      {real({1, 1, 2, 1}, {1, 1}), real({1, 1, 1, 1}, {1}),
       real({1, 1, 1, 1}, {7}), whole({2}, {0, 1}), whole({1}, {1})});
  EXPECT_EQ(valuesOf(results[0]), (Values{0, 7}));
}

TEST_F(Ops, RoundedArithmeticRoundsAfterEachOp) {
  const char *text = R"((%x: tensor<bf16>) -> tensor<bf16> {
    %0 = nn.add %x, %x : tensor<bf16>
    %1 = nn.mul %0, %x : tensor<bf16>
    return %1 : tensor<bf16>})";
  Tensor x = Tensor::scalar(ElementKind::BF16, 1.0078125);
  EXPECT_EQ(context.run(text, {x})[0].value(), 2 * 1.0078125 * 1.0078125);
  EXPECT_EQ(context.run(text, {x}, Arithmetic::Rounded)[0].value(), 2.03125);
}

TEST_F(Ops, FusedRegionsRunTheirOps) {
  EXPECT_EQ(one(R"((%x: tensor<2xf32>) -> tensor<2xf32> {
    %0 = prog.fused %x : (tensor<2xf32>) -> tensor<2xf32> {
    ^bb0(%a: tensor<2xf32>):
      %1 = nn.mul %a, %a : tensor<2xf32>
      %2 = nn.neg %1 : tensor<2xf32>
      prog.yield %2 : tensor<2xf32>
    }
    return %0 : tensor<2xf32>})",
                {real({2}, {2, 3})}),
            (Values{-4, -9}));
}

/// Every nn op that is registered has a meaning.
TEST_F(Ops, AllHaveAMeaning) {
  int64_t count = 0;
  for (mlir::RegisteredOperationName name :
       context.get()->getRegisteredOperations()) {
    if (name.getDialectNamespace() != "nn")
      continue;
    EXPECT_TRUE(hasMeaning(name.getStringRef())) << name.getStringRef().str();
    ++count;
  }
  EXPECT_GT(count, 40);
}
