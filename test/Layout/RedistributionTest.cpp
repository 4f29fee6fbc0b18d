// SPDX-License-Identifier: Apache-2.0
//
// Redistribution: the header's table as plans in text, a quick part of the
// exhaustive run, other reductions and costs, and the negative twins: a plan
// with a move dropped, or started from another layout, is found wrong.
#include "EnumerateLayouts.h"
#include "VirtualRanks.h"

#include "gtest/gtest.h"
#include <iostream>

namespace weft::test {
namespace {

std::string planText(const Mesh &mesh, llvm::ArrayRef<int64_t> shape,
                     llvm::StringRef from, llvm::StringRef to,
                     const AxisCost &cost = {}) {
  auto moves =
      planRedistribution(mesh, shape, /*elementBytes=*/4, layoutOf(mesh, from),
                         layoutOf(mesh, to), cost);
  std::string text;
  for (const Move &move : moves)
    text += (text.empty() ? "" : "; ") + toString(mesh, move);
  return text;
}

TEST(Redistribution, plans_the_table_of_the_header) {
  struct Case {
    const char *from, *to, *plan;
  };
  const Case cases[] = {
      {"tp = shard(0)", "tp = shard(0)", ""},
      {"dp = shard(0), tp = partial(sum)", "dp = shard(0), tp = partial(sum)",
       ""},
      {"tp = shard(0)", "tp = shard(1)", "all_to_all tp from 0 to 1"},
      {"tp = shard(0)", "", "all_gather tp from 0"},
      {"", "tp = shard(0)", "slice tp to 0"},
      {"tp = partial(sum)", "", "all_reduce(sum) tp"},
      {"tp = partial(max)", "", "all_reduce(max) tp"},
      {"tp = partial(sum)", "tp = shard(0)", "reduce_scatter(sum) tp to 0"},
      {"", "tp = partial(sum)", "make_partial(sum) tp"},
      {"tp = shard(0)", "tp = partial(sum)", "place(sum) tp from 0"},
      {"dp = partial(sum), tp = partial(sum)", "", "all_reduce(sum) dp, tp"},
      {"dp = partial(sum), tp = partial(sum)", "dp = shard(0)",
       "reduce_scatter(sum) dp to 0; all_reduce(sum) tp"},
      {"dp = partial(sum), tp = partial(sum)", "tp = shard(0), dp = shard(0)",
       "reduce_scatter(sum) tp, dp to 0"},
      {"dp = shard(0), tp = shard(0)", "", "all_gather dp, tp from 0"},
      {"dp = shard(0), tp = shard(0)", "tp = shard(0), dp = shard(0)",
       "permute dp, tp on 0"},
      {"dp = shard(0), tp = shard(0)", "dp = shard(1), tp = shard(1)",
       "all_to_all dp, tp from 0 to 1"},
      {"tp = shard(0), dp = shard(0)", "tp = shard(0)", "all_gather dp from 0"},
      {"dp = shard(0), tp = shard(1)", "",
       "all_gather dp from 0; all_gather tp from 1"},
      {"tp = partial(sum)", "tp = partial(max)",
       "all_reduce(sum) tp; make_partial(max) tp"},
  };
  Mesh mesh = meshOf("dp = 2, tp = 2");
  for (const Case &example : cases)
    EXPECT_EQ(planText(mesh, {64, 64}, example.from, example.to), example.plan)
        << example.from << " -> " << example.to;
}

TEST(Redistribution, gathers_uneven_dims_axis_by_axis) {
  Mesh mesh = meshOf("dp = 2, tp = 2");
  llvm::StringRef both = "dp = shard(0), tp = shard(0)";
  EXPECT_EQ(planText(mesh, {9}, both, ""),
            "all_gather tp from 0; all_gather dp from 0");
  EXPECT_EQ(planText(mesh, {9}, both, "tp = shard(0), dp = shard(0)"),
            "all_gather tp from 0; all_gather dp from 0; slice tp to 0; slice "
            "dp to 0");
}

TEST(Redistribution, moves_sub_axes_together) {
  Mesh mesh = meshOf("tp = (2, 4)");
  EXPECT_EQ(planText(mesh, {8, 8}, "tp = shard(0)", "tp = shard(1)"),
            "all_to_all tp.0, tp.1 from 0 to 1");
  EXPECT_EQ(planText(mesh, {8, 8}, "tp = shard(0)", "tp.0 = shard(0)"),
            "all_gather tp.1 from 0");
}

TEST(Redistribution, one_axis_takes_one_move) {
  int64_t numChecked = 0;
  for (int64_t size = 2; size <= 8; ++size)
    for (std::vector<int64_t> shape :
         {std::vector<int64_t>{8, 8}, {1, 3}, {5, 7}, {1, 1}, {3, 1000}}) {
      Mesh mesh({{"tp", {size}}});
      for (AxisCost cost : {AxisCost{0.0}, AxisCost{10.0}})
        for (const Layout &from : allLayouts(mesh, 2, {ReduceKind::Sum}))
          for (const Layout &to : allLayouts(mesh, 2, {ReduceKind::Sum})) {
            auto moves = planRedistribution(mesh, shape, 4, from, to, cost);
            EXPECT_EQ(moves.size(), from == to ? 0u : 1u);
            ++numChecked;
          }
    }
  EXPECT_EQ(numChecked, 7 * 5 * 2 * 16);
}

TEST(Redistribution, never_sums_a_tensor_that_is_not_partial) {
  Mesh mesh = meshOf("a = 2, b = 2");
  std::vector<Layout> layouts = allLayouts(mesh, 2, {ReduceKind::Sum});
  for (const Layout &from : layouts)
    for (const Layout &to : layouts) {
      if (from.hasPartial() || to.hasPartial())
        continue;
      for (const Move &move : planRedistribution(mesh, {5, 3}, 4, from, to))
        EXPECT_FALSE(move.after.hasPartial());
    }
}

TEST(Redistribution, trades_bytes_for_exchanges_as_the_cost_says) {
  Mesh mesh = meshOf("dp = 2, tp = 2");
  AxisCost slowStart = {/*latency=*/1e3};
  EXPECT_EQ(planText(mesh, {64}, "dp = partial(sum), tp = partial(sum)",
                     "dp = shard(0)", slowStart),
            "all_reduce(sum) dp, tp; slice dp to 0");
  Layout from = layoutOf(mesh, "tp = shard(0)");
  auto moves = planRedistribution(mesh, {1000, 250}, 4, from, Layout());
  // Half of 1 MB arrives from the other rank: 50 us, and the move itself.
  EXPECT_NEAR(costOf(mesh, {1000, 250}, 4, from, moves), 50.0, 0.01);
  EXPECT_NEAR(costOf(mesh, {1000, 250}, 4, from, moves, slowStart), 1050.0,
              0.01);
}

TEST(Redistribution, quick_pairs_give_the_right_shards) {
  PairCount total;
  AxisCost slowStart = {/*latency=*/1e3};
  for (const char *text : {"tp = 3", "dp = 2, tp = 2", "dp = 3, tp = 2"})
    for (std::vector<int64_t> shape :
         {std::vector<int64_t>{}, {4}, {12, 6}, {5, 3}, {3, 2, 4}})
      for (const AxisCost &cost : {AxisCost(), slowStart})
        total.pairs += checkAllPairs(meshOf(text), shape,
                                     {ReduceKind::Sum, ReduceKind::Max}, cost)
                           .pairs;
  total.pairs += checkAllPairs(meshOf("dp = 2, tp = 2"), {5, 4},
                               {ReduceKind::Min, ReduceKind::Product})
                     .pairs;
  std::cout << total.pairs << " pairs\n";
  EXPECT_GT(total.pairs, 0);
}

/// Calls `visit(from, to, moves)` for all pairs of layouts.
template <typename Visit>
void forEachPlan(const Mesh &mesh, llvm::ArrayRef<int64_t> shape, Visit visit) {
  std::vector<Layout> layouts =
      allLayouts(mesh, static_cast<int>(shape.size()), {ReduceKind::Sum});
  for (const Layout &from : layouts)
    for (const Layout &to : layouts)
      visit(from, to, planRedistribution(mesh, shape, 4, from, to));
}

TEST(RedistributionTwin, dropping_a_move_is_found) {
  Mesh mesh = meshOf("dp = 2, tp = 2");
  int64_t numMutants = 0;
  for (std::vector<int64_t> shape : {std::vector<int64_t>{4, 8}, {5, 6}})
    forEachPlan(
        mesh, shape,
        [&](const Layout &from, const Layout &to, llvm::ArrayRef<Move> moves) {
          for (size_t dropped = 0; dropped < moves.size(); ++dropped) {
            llvm::SmallVector<Move> fewer(moves);
            fewer.erase(fewer.begin() + dropped);
            EXPECT_TRUE(
                checkMoves(mesh, countingTensor(shape), from, to, fewer))
                << toString(mesh, from) << " -> " << toString(mesh, to)
                << " without " << toString(mesh, moves[dropped]);
            ++numMutants;
          }
        });
  std::cout << numMutants << " plans with a move dropped\n";
  EXPECT_GT(numMutants, 0);
}

TEST(RedistributionTwin, starting_from_another_layout_is_found) {
  Mesh mesh = meshOf("dp = 2, tp = 2");
  int64_t numMutants = 0;
  std::vector<Layout> layouts = allLayouts(mesh, 2, {ReduceKind::Sum});
  Tensor tensor = countingTensor({4, 8});
  forEachPlan(
      mesh, tensor.shape,
      [&](const Layout &from, const Layout &to, llvm::ArrayRef<Move> moves) {
        for (const Layout &other : layouts) {
          if (other == from)
            continue;
          EXPECT_TRUE(checkMoves(mesh, tensor, other, to, moves))
              << toString(mesh, other) << " taken for " << toString(mesh, from)
              << " -> " << toString(mesh, to);
          ++numMutants;
        }
      });
  std::cout << numMutants << " plans from another layout\n";
  EXPECT_GT(numMutants, 0);
}

} // namespace
} // namespace weft::test
