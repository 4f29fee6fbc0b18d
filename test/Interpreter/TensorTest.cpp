// SPDX-License-Identifier: Apache-2.0
//
// Tensors: rounding, moves of elements, sharding there and back.
#include "InterpretText.h"
#include "weft/Interpreter/Sharding.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace weft;
using namespace weft::interpreter;

TEST(RoundTo, RoundsToTheNearestNumberOfTheKind) {
  struct {
    ElementKind kind;
    double value, expected;
  } const table[] = {
      {ElementKind::F64, 0.1, 0.1},
      {ElementKind::F32, 0.1, static_cast<double>(0.1f)},
      {ElementKind::BF16, 1.00390625, 1.0},      // a tie, to even
      {ElementKind::BF16, 1.01171875, 1.015625}, // a tie, to even
      {ElementKind::BF16, -3.14159265, -3.140625},
      {ElementKind::F16, 2049, 2048},
      {ElementKind::F16, 70000, INFINITY},
      {ElementKind::F16, 65519, 65504},
      {ElementKind::F16, 0x1p-25, 0.0},       // a tie, to even
      {ElementKind::F16, 0x1.8p-24, 0x1p-23}, // subnormal
  };
  for (const auto &row : table)
    EXPECT_EQ(roundTo(row.kind, row.value), row.expected) << row.value;
}

TEST(Tensor, CopiesShareElementsUntilWritten) {
  Tensor a = real({2}, {1, 2});
  Tensor b = a;
  EXPECT_TRUE(a.sharesElementsWith(b));
  b.set(0, 5);
  EXPECT_FALSE(a.sharesElementsWith(b));
  EXPECT_EQ(a.at(0), 1);
}

TEST(Tensor, PermutesAndCuts) {
  Tensor x = real({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(valuesOf(x.permuted({1, 0})),
            (std::vector<double>{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(valuesOf(x.block(1, 2, 2)), (std::vector<double>{3, 0, 6, 0}));
  EXPECT_EQ(valuesOf(x.block(1, 4, 1)), (std::vector<double>{0, 0}));
}

TEST(Tensor, ConvertsTowardsZero) {
  Tensor x = real({3}, {-1.5, 1.5, 0});
  EXPECT_EQ(valuesOf(x.converted(ElementKind::I64)),
            (std::vector<double>{-1, 1, 0}));
  EXPECT_EQ(valuesOf(x.converted(ElementKind::I1)),
            (std::vector<double>{1, 1, 0}));
}

/// Layouts of a [5, 3] tensor on <dp = 2, tp = 3>; padding is NaN, so what
/// reads it is seen.
TEST(Sharding, GoesThereAndBack) {
  Mesh mesh({{"dp", {2}}, {"tp", {3}}});
  Tensor global(ElementKind::F64, {5, 3});
  for (int64_t i = 0; i < 15; ++i)
    global.set(i, 1.0 + i);
  for (const char *text :
       {"", "dp = shard(0)", "tp = shard(0)", "dp = shard(0), tp = shard(0)",
        "tp = shard(0), dp = shard(0)", "dp = shard(0), tp = shard(1)",
        "dp = shard(1), tp = partial(sum)", "dp = partial(sum)",
        "tp = partial(max)"}) {
    Layout layout(mesh, parsePlacements(mesh, text).placements);
    RankTensors locals = shard(mesh, layout, global, NAN);
    EXPECT_TRUE(unshard(mesh, layout, {5, 3}, locals) == global) << text;
    EXPECT_EQ(replicaDeviation(mesh, layout, {5, 3}, locals), 0.0) << text;
  }
}

TEST(Sharding, SeesReplicasThatDiffer) {
  Mesh mesh({{"dp", {2}}});
  RankTensors locals = {real({2}, {1, 2}), real({2}, {1, 2.5})};
  EXPECT_EQ(replicaDeviation(mesh, Layout(), {2}, locals), 0.5);
}
