// SPDX-License-Identifier: Apache-2.0
//
// Every pair of layouts of tensors of up to 3 dims on meshes of up to 8
// ranks: the planned moves, executed on virtual ranks, give the right shards.
// Shapes divide evenly, divide unevenly, or leave trailing shards empty.
#include "EnumerateLayouts.h"

#include "gtest/gtest.h"
#include <iostream>

namespace weft::test {
namespace {

using Shapes = std::vector<std::vector<int64_t>>;

const Shapes shapes = {
    {},     {1},    {4},    {5},       {8},       {9},
    {4, 8}, {5, 3}, {1, 7}, {8, 8, 8}, {5, 4, 3}, {2, 3, 7},
};

class Exhaustive : public testing::TestWithParam<const char *> {};

TEST_P(Exhaustive, every_pair_gives_the_right_shards) {
  Mesh mesh = meshOf(GetParam());
  PairCount total;
  for (const auto &shape : shapes) {
    PairCount count = checkAllPairs(mesh, shape, {ReduceKind::Sum});
    total.pairs += count.pairs;
    total.moves += count.moves;
  }
  std::cout << "mesh <" << GetParam() << ">: " << total.pairs << " pairs, "
            << total.moves << " moves\n";
  RecordProperty("pairs", static_cast<int>(total.pairs));
  EXPECT_GT(total.pairs, 0);
}

// All meshes of up to 8 ranks. Sub-axes are atomic axes like others, so each
// product of sizes is here once, some of them as sub-axes.
INSTANTIATE_TEST_SUITE_P(Meshes, Exhaustive,
                         testing::Values("", "tp = 2", "tp = 3", "tp = 4",
                                         "tp = 5", "tp = 6", "tp = 7", "tp = 8",
                                         "tp = (2, 2)", "dp = 2, tp = 3",
                                         "dp = 3, tp = 2", "dp = 2, tp = 4",
                                         "tp = (4, 2)", "dp = 2, tp = (2, 2)"));

} // namespace
} // namespace weft::test
