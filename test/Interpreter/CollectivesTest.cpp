// SPDX-License-Identifier: Apache-2.0
//
// dist ops on virtual ranks, by hand-computed values.
#include "InterpretText.h"
#include "gtest/gtest.h"

using namespace weft;
using namespace weft::interpreter;
using Values = std::vector<double>;

class Collectives : public testing::Test {
protected:
  TestContext context;
  Mesh mesh{{{"dp", {2}}, {"tp", {2}}}};

  /// Rank r of the mesh <dp = 2, tp = 2> holds [r, r + 10].
  std::vector<Values> run(const std::string &signature) {
    RankTensors input;
    for (int rank = 0; rank < 4; ++rank)
      input.push_back(real({2}, {1.0 * rank, 10.0 + rank}));
    std::vector<Values> results;
    auto output = context.run(signature, mesh, {input});
    for (const Tensor &tensor : output.front())
      results.push_back(valuesOf(tensor));
    return results;
  }
  /// The same for one op from tensor<2xf32> to `type`.
  std::vector<Values> runOp(const std::string &op, const std::string &type) {
    return run("(%x: tensor<2xf32>) -> " + type + " { %0 = " + op +
               " return "
               "%0 : " +
               type + "}");
  }
};

static const std::string kMesh = "#dist.mesh<dp = 2, tp = 2>";

TEST_F(Collectives, AllGatherJoinsBlocksInGroupOrder) {
  auto results = runOp("dist.all_gather %x over " + kMesh +
                           " [\"tp\"] dims [0] : (tensor<2xf32>) -> "
                           "(tensor<4xf32>)",
                       "tensor<4xf32>");
  EXPECT_EQ(results[0], (Values{0, 10, 1, 11}));
  EXPECT_EQ(results[3], (Values{2, 12, 3, 13}));
}

TEST_F(Collectives, AllReduceSumsOverTheGroup) {
  auto results = runOp("dist.all_reduce \"sum\" %x over " + kMesh +
                           " [\"dp\"] : (tensor<2xf32>) -> (tensor<2xf32>)",
                       "tensor<2xf32>");
  EXPECT_EQ(results[0], (Values{2, 22}));
  EXPECT_EQ(results[1], (Values{4, 24}));
  EXPECT_EQ(results[2], results[0]);
}

TEST_F(Collectives, ReduceScatterKeepsOneBlock) {
  auto results = runOp("dist.reduce_scatter \"sum\" %x over " + kMesh +
                           " [\"dp\"] dims [0] : (tensor<2xf32>) -> "
                           "(tensor<1xf32>)",
                       "tensor<1xf32>");
  EXPECT_EQ(results, (std::vector<Values>{{2}, {4}, {22}, {24}}));
}

TEST_F(Collectives, AllToAllMovesAShardingBetweenDims) {
  auto results = run("(%x: tensor<2xf32>) -> tensor<2x1xf32> { %y = nn.reshape "
                     "%x : (tensor<2xf32>) -> tensor<1x2xf32> %0 = "
                     "dist.all_to_all %y over " +
                     kMesh +
                     " [\"tp\"] split [1] concat [0] : (tensor<1x2xf32>) -> "
                     "(tensor<2x1xf32>) return %0 : tensor<2x1xf32>}");
  EXPECT_EQ(results, (std::vector<Values>{{0, 1}, {10, 11}, {2, 3}, {12, 13}}));
}

TEST_F(Collectives, CoordinateCountsWithinTheGroup) {
  auto results = run("(%x: tensor<2xf32>) -> tensor<i64> { %0 = "
                     "dist.coordinate over " +
                     kMesh +
                     " [\"tp\"] scale 3 : tensor<i64> return %0 : "
                     "tensor<i64>}");
  EXPECT_EQ(results, (std::vector<Values>{{0}, {3}, {0}, {3}}));
}

TEST_F(Collectives, ExtentFollowsNesting) {
  auto results = run("(%x: tensor<2xf32>) -> tensor<i64> { %0 = dist.extent "
                     "of 9 over " +
                     kMesh +
                     " [\"dp\", \"tp\"] : tensor<i64> return %0 : "
                     "tensor<i64>}");
  EXPECT_EQ(results, (std::vector<Values>{{3}, {2}, {3}, {1}}));
}

TEST_F(Collectives, ShardSliceKeepsTheOwnPart) {
  auto results = runOp("dist.shard_slice %x over " + kMesh +
                           " [\"dp\"] dim 0 : tensor<2xf32> to tensor<1xf32>",
                       "tensor<1xf32>");
  EXPECT_EQ(results, (std::vector<Values>{{0}, {1}, {12}, {13}}));
}

TEST_F(Collectives, MakePartialKeepsTheFirst) {
  auto results = runOp("dist.make_partial \"sum\" %x over " + kMesh +
                           " [\"tp\"] : tensor<2xf32> to tensor<2xf32>",
                       "tensor<2xf32>");
  EXPECT_EQ(results[0], (Values{0, 10}));
  EXPECT_EQ(results[1], (Values{0, 0}));
  EXPECT_EQ(results[2], (Values{2, 12}));
}

TEST_F(Collectives, StartAndWaitAreTheCollective) {
  auto results = run("(%x: tensor<2xf32>) -> tensor<2xf32> { %f = dist.start "
                     "%x : (tensor<2xf32>) -> !dist.future<tensor<2xf32>> { "
                     "^bb0(%y: tensor<2xf32>): %g = dist.all_reduce \"max\" "
                     "%y over " +
                     kMesh +
                     " [\"tp\"] : (tensor<2xf32>) -> (tensor<2xf32>) "
                     "dist.yield %g : tensor<2xf32> } "
                     "%0 = dist.wait %f : "
                     "(!dist.future<tensor<2xf32>>) -> (tensor<2xf32>) return "
                     "%0 : tensor<2xf32>}");
  EXPECT_EQ(results[0], (Values{1, 11}));
  EXPECT_EQ(results[2], (Values{3, 13}));
}
