// SPDX-License-Identifier: Apache-2.0
//
// Memory plans: the tables of MemoryPlan.h, plans of random lifetimes, and
// what verify() must find.
#include "weft/Memory/MemoryPlan.h"
#include "gtest/gtest.h"
#include <map>
#include <numeric>
#include <random>

using namespace weft;

namespace {

using Lifetimes = std::vector<Lifetime>;

TEST(MemoryPlan, TimesMeetWithBothEnds) {
  EXPECT_TRUE(overlapInTime({"a", 1, 0, 2}, {"b", 1, 2, 5}));
  EXPECT_FALSE(overlapInTime({"a", 1, 0, 2}, {"b", 1, 3, 5}));
  EXPECT_TRUE(overlapInTime({"a", 1, 0, 9}, {"b", 1, 3, 5}));
}

TEST(MemoryPlan, PlacesTheExamplesOfTheHeader) {
  Lifetimes chain = {{"a", 128, 0, 1}, {"b", 64, 1, 2}, {"c", 128, 2, 3}};
  EXPECT_EQ(planMemory(chain), (MemoryPlan{{0, 128, 0}, 192}));
  Lifetimes apart = {{"a", 64, 0, 0}, {"b", 64, 1, 1}, {"c", 64, 2, 2}};
  EXPECT_EQ(planMemory(apart), (MemoryPlan{{0, 0, 0}, 64}));
}

TEST(MemoryPlan, TakesTheSmallestGapThatFits) {
  // All but c and e live on: behind them are gaps of 256 and 128 bytes.
  Lifetimes values = {{"a", 512, 0, 9}, {"c", 256, 0, 1}, {"b", 192, 0, 9},
                      {"e", 128, 0, 1}, {"d", 112, 0, 9}, {"f", 100, 2, 9}};
  MemoryPlan plan = planMemory(values);
  EXPECT_EQ(plan.offsets[5], plan.offsets[3]);
  EXPECT_EQ(plan.bytes, 512 + 256 + 192 + 128 + 112);
}

TEST(MemoryPlan, RoundsOffsetsUpAndNotTheRegion) {
  MemoryPlan plan = planMemory(Lifetimes{{"a", 4, 0, 1}, {"b", 4, 0, 1}});
  EXPECT_EQ(plan, (MemoryPlan{{0, 64}, 68}));
  EXPECT_EQ(planMemory({}), MemoryPlan());
}

TEST(MemoryPlan, FindsThePeak) {
  Peak peak =
      peakOf(Lifetimes{{"a", 64, 0, 3}, {"b", 128, 2, 4}, {"c", 64, 4, 5}});
  EXPECT_EQ(peak.bytes, 192);
  EXPECT_EQ(peak.step, 2);
  EXPECT_EQ(peakOf({}).bytes, 0);
  // Either of them lies last, and has no padding behind it then.
  EXPECT_EQ(peakOf(Lifetimes{{"a", 4, 0, 0}, {"b", 60, 0, 0}}).bytes, 68);
}

/// The rule of the header by looking at all placed values: quadratic.
MemoryPlan planSlowly(const Lifetimes &values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    auto key = [&](size_t i) {
      return std::pair(-values[i].bytes, values[i].first - values[i].last);
    };
    return key(a) < key(b);
  });
  MemoryPlan plan;
  plan.offsets.assign(values.size(), -1);
  for (size_t index : order) {
    std::map<int64_t, int64_t> taken{{0, 0}}; // ends by begins
    for (size_t i = 0; i < values.size(); ++i)
      if (plan.offsets[i] >= 0 && overlapInTime(values[i], values[index])) {
        int64_t &end = taken[plan.offsets[i]];
        end = std::max(end, plan.offsets[i] + alignMemory(values[i].bytes));
      }
    int64_t cursor = 0, best = -1, smallest = INT64_MAX;
    for (auto [begin, end] : taken) {
      int64_t gap = begin - cursor;
      if (gap >= alignMemory(values[index].bytes) && gap < smallest) {
        best = cursor;
        smallest = gap;
      }
      cursor = std::max(cursor, end);
    }
    int64_t offset = plan.offsets[index] = best < 0 ? cursor : best;
    plan.bytes = std::max(plan.bytes, offset + values[index].bytes);
  }
  return plan;
}

Lifetimes randomLifetimes(std::mt19937 &engine) {
  Lifetimes values(1 + engine() % 60);
  for (auto &value : values) {
    value.name = "value " + std::to_string(engine() % 1000);
    value.bytes = engine() % 1000;
    value.first = engine() % 40;
    value.last = value.first + engine() % 12;
  }
  return values;
}

TEST(MemoryPlan, RandomPlansAreLegalAndNearThePeak) {
  std::mt19937 engine(7);
  double worst = 1;
  for (int round = 0; round < 300; ++round) {
    Lifetimes values = randomLifetimes(engine);
    MemoryPlan plan = planMemory(values);
    ASSERT_EQ(verify(plan, values), std::nullopt);
    ASSERT_EQ(planSlowly(values), plan);
    int64_t peak = peakOf(values).bytes;
    ASSERT_GE(plan.bytes, peak);
    if (peak)
      worst = std::max(worst, double(plan.bytes) / peak);
  }
  EXPECT_LT(worst, 1.35);
}

/// Values as a model of `numLayers` layers has them: some of each layer are
/// kept for backward, others are not.
Lifetimes layeredLifetimes(int64_t numLayers) {
  const int64_t opsPerLayer = 40, end = 2 * numLayers * opsPerLayer;
  Lifetimes values;
  for (int64_t step = 0; step < numLayers * opsPerLayer; ++step) {
    int64_t bytes = (step * 37 % 11 + 1) * 4096;
    bool isKept = step % 3 == 0;
    values.push_back({"a", bytes, step, isKept ? end - step : step + step % 5});
    values.push_back({"d", bytes, end - step, end - step + step % 7});
  }
  return values;
}

TEST(MemoryPlan, LayersLeaveNoGaps) {
  Lifetimes values = layeredLifetimes(12);
  MemoryPlan plan = planMemory(values);
  ASSERT_EQ(verify(plan, values), std::nullopt);
  EXPECT_LT(double(plan.bytes) / peakOf(values).bytes, 1.02);
}

TEST(MemoryPlan, TimeGrowsWithTheNumberOfValues) {
  auto numExtents = [](int64_t numLayers) {
    Lifetimes values = layeredLifetimes(numLayers);
    CountedPlan counted = planAndCount(values);
    EXPECT_EQ(verify(counted.plan, values), std::nullopt);
    return counted.numExtents;
  };
  // Counted, not timed. Eight times the values: a quadratic planner looks at 64
  // times as much.
  EXPECT_LT(numExtents(400), 16 * numExtents(50));
}

TEST(MemoryPlan, TextReadsBack) {
  std::mt19937 engine(3);
  Lifetimes values = randomLifetimes(engine);
  values[0].name = "layers.0: 3 bytes at 4, steps 1 to 2";
  MemoryPlan plan = planMemory(values);
  ParsedMemoryPlan parsed = parseMemoryPlan(toString(plan, values));
  EXPECT_EQ(parsed.message, "");
  EXPECT_EQ(parsed.plan, plan);
  EXPECT_EQ(parsed.values, values);
}

TEST(MemoryPlan, TextIsAsDocumented) {
  Lifetimes values = {{"a", 128, 0, 1}};
  EXPECT_EQ(toString(planMemory(values), values),
            "bytes 128\na: 128 bytes at 0, steps 0 to 1\n");
}

TEST(MemoryPlan, RefusesTextThatIsNotWellFormed) {
  EXPECT_EQ(parseMemoryPlan("bytes 64\na: 64 bytes at x, steps 0 to 1").message,
            "memory plan is not well formed in line 2: got "
            "\"a: 64 bytes at x, steps 0 to 1\"");
  EXPECT_EQ(parseMemoryPlan("64").message,
            "memory plan is not well formed in line 1: got \"64\"");
  EXPECT_EQ(parseMemoryPlan("").message,
            "memory plan is empty: expected \"bytes\" and a number");
  EXPECT_NE(parseMemoryPlan("bytes 64\na: 64 bytes at 0, steps 2 to 1").message,
            "");
}

TEST(MemoryPlan, VerifyFindsEachFault) {
  Lifetimes values = {{"a", 100, 0, 2}, {"b", 64, 2, 3}};
  auto message = [&](MemoryPlan plan) {
    return verify(plan, values).value_or("");
  };
  EXPECT_EQ(message({{0, 128}, 192}), "");
  EXPECT_EQ(message({{0}, 192}),
            "plan has another number of values: got 1, expected 2");
  EXPECT_EQ(message({{0, 104}, 192}), "value \"b\" is not aligned: got offset "
                                      "104, expected a multiple of 64");
  EXPECT_EQ(message({{0, -64}, 192}), "value \"b\" is not aligned: got offset "
                                      "-64, expected a multiple of 64");
  EXPECT_EQ(message({{0, 128}, 128}),
            "value \"b\" ends behind the region: got byte 192, expected at "
            "most 128");
  EXPECT_EQ(message({{0, 64}, 192}),
            "values \"a\" and \"b\" overlap at byte 64 in step 2");
  values[1].first = 3;
  EXPECT_EQ(message({{0, 64}, 192}), "");
}

} // namespace
