// SPDX-License-Identifier: Apache-2.0
//
// Reductions over any dims, and copies that move elements.

#include "KernelHarness.h"

using namespace weft;

namespace {

struct Case {
  Shape shape, dims;
};
const Case reductions[] = {
    {{7, 17}, {1}},          {{7, 250}, {1}},      {{5, 683}, {0}},
    {{3, 7, 17}, {0, 2}},    {{3, 7, 17}, {1}},    {{4, 3, 5, 70}, {0, 2}},
    {{4, 3, 5, 70}, {1, 3}}, {{683}, {0}},         {{1, 5, 1}, {1}},
    {{3, 1, 7}, {1}},        {{2, 3, 64, 2}, {3}},
};

std::vector<double> reference(const Case &c, const Floats &x, ReduceKind kind) {
  Shape strides = rowMajorStrides(c.shape);
  Shape kept = c.shape;
  for (int64_t dim : c.dims)
    kept[dim] = 1;
  Shape outStrides = rowMajorStrides(kept);
  double start = kind == ReduceKind::Sum       ? 0
                 : kind == ReduceKind::Product ? 1
                 : kind == ReduceKind::Max     ? -INFINITY
                                               : INFINITY;
  std::vector<double> y(product(kept), start);
  for (int64_t i = 0; i < product(c.shape); ++i) {
    int64_t at = 0;
    for (size_t dim = 0; dim < c.shape.size(); ++dim)
      at += kept[dim] == 1 ? 0
                           : i / strides[dim] % c.shape[dim] * outStrides[dim];
    double v = x[i];
    y[at] = kind == ReduceKind::Sum       ? y[at] + v
            : kind == ReduceKind::Product ? y[at] * v
            : kind == ReduceKind::Max     ? std::max(y[at], v)
                                          : std::min(y[at], v);
  }
  return y;
}

TEST(Reduce, EqualsPlainLoops) {
  const ReduceKind kinds[] = {ReduceKind::Sum, ReduceKind::Max, ReduceKind::Min,
                              ReduceKind::Product};
  Harness harness;
  auto name = [](size_t i, size_t kind) { return numbered("r", i * 4 + kind); };
  for (auto [i, c] : llvm::enumerate(reductions))
    for (auto [k, kind] : llvm::enumerate(kinds))
      emitReduce(harness.site(name(i, k)),
                 {kind, harness.f32(), c.shape, c.dims});
  ASSERT_NO_FATAL_FAILURE(harness.build());
  for (auto [i, c] : llvm::enumerate(reductions))
    for (auto [k, kind] : llvm::enumerate(kinds)) {
      Floats x = randomFloats(product(c.shape));
      auto want = reference(c, x, kind);
      Floats y(want.size());
      harness.run(name(i, k), x, y);
      EXPECT_LT(relativeError(y, want), 3e-6) << "case " << i << " kind " << k;
    }
}

TEST(Reduce, SumsTheLastDimIn64Partials) {
  Harness harness;
  emitReduce(harness.site("k"),
             {ReduceKind::Sum, harness.f32(), {3, 683}, {1}});
  emitReduce(harness.site("column"),
             {ReduceKind::Sum, harness.f32(), {683, 3}, {0}});
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Floats x = randomFloats(3 * 683), y(3), want(3), chain(3), columns(3);
  harness.run("k", x, y);
  for (int row = 0; row < 3; ++row) {
    float partials[64] = {};
    for (int i = 0; i < 683; ++i)
      partials[i % 64] += x[row * 683 + i];
    for (int half = 32; half >= 1; half /= 2)
      for (int i = 0; i < half; ++i)
        partials[i] += partials[i + half];
    want[row] = partials[0];
  }
  EXPECT_TRUE(sameBits(y, want));
  harness.run("column", x, columns);
  for (int i = 0; i < 3 * 683; ++i)
    chain[i % 3] += x[i];
  EXPECT_TRUE(sameBits(columns, chain));
}

TEST(Reduce, KeepsNanAndCountsIntegers) {
  Harness harness;
  emitReduce(harness.site("max"), {ReduceKind::Max, harness.f32(), {70}, {0}});
  emitReduce(harness.site("sum"), {ReduceKind::Sum, harness.i64(), {70}, {0}});
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Floats x = randomFloats(70), y(1);
  x[3] = NAN;
  harness.run("max", x, y);
  EXPECT_TRUE(std::isnan(y[0]));
  Ints n(70, 3), sum(1);
  harness.run("sum", n, sum);
  EXPECT_EQ(sum[0], 210);
}

TEST(Copy, TransposesInEveryOrder) {
  Harness harness;
  Shape shape = {5, 17, 35};
  Shape strides = rowMajorStrides(shape);
  std::vector<Shape> orders = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                               {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
  auto specOf = [&](const Shape &order) {
    CopySpec spec = {harness.f32(), {}, shape, {}, {}, {}, 0, 0, {}};
    for (int64_t dim : order) {
      spec.shape.push_back(shape[dim]);
      spec.inStrides.push_back(strides[dim]);
    }
    spec.outMemory = spec.shape;
    spec.outStrides = rowMajorStrides(spec.shape);
    return spec;
  };
  for (auto [i, order] : llvm::enumerate(orders))
    emitCopy(harness.site(numbered("t", i)), specOf(order));
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Floats x = randomFloats(product(shape));
  for (auto [i, order] : llvm::enumerate(orders)) {
    CopySpec spec = specOf(order);
    Floats y(x.size() + 1, 9.0f);
    harness.run(numbered("t", i), x, y);
    int64_t at = 0;
    for (int64_t a = 0; a < spec.shape[0]; ++a)
      for (int64_t b = 0; b < spec.shape[1]; ++b)
        for (int64_t c = 0; c < spec.shape[2]; ++c)
          ASSERT_EQ(y[at++], x[a * spec.inStrides[0] + b * spec.inStrides[1] +
                               c * spec.inStrides[2]])
              << i;
    EXPECT_EQ(y.back(), 9.0f);
  }
}

TEST(Copy, PadsSlicesAndJoins) {
  Harness harness;
  // A strided slice of [6, 9]: rows 1, 3, 5; columns 2 to 8.
  CopySpec slice = {harness.i64(), {3, 7}, {6, 9}, {3, 7}, {18, 1},
                    {7, 1},        11,     0,      {}};
  // [3, 7] into [5, 10] from row 1, column 2 on, zeros around.
  CopySpec pad = {harness.i64(), {3, 7}, {3, 7}, {5, 10}, {7, 1},
                  {10, 1},       0,      12,     0.0};
  emitCopy(harness.site("slice"), slice);
  emitCopy(harness.site("pad"), pad);
  emitConcat(harness.site("concat"), harness.i64(), {{2, 3}, {2, 4}}, 1);
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Ints x = randomInts(54, 1, 100), part(21), padded(50, -1);
  harness.run("slice", x, part);
  harness.run("pad", part, padded);
  for (int r = 0; r < 5; ++r)
    for (int c = 0; c < 10; ++c) {
      bool inside = r >= 1 && r < 4 && c >= 2 && c < 9;
      int64_t want = inside ? x[(1 + 2 * (r - 1)) * 9 + c] : 0;
      EXPECT_EQ(padded[r * 10 + c], want);
    }
  Ints a = {1, 2, 3, 4, 5, 6}, b = {11, 12, 13, 14, 15, 16, 17, 18}, c(14);
  harness.run("concat", a, b, c);
  EXPECT_EQ(c, (Ints{1, 2, 3, 11, 12, 13, 14, 4, 5, 6, 15, 16, 17, 18}));
}

// Rotary embeddings of a whole head join it with an empty rest.
TEST(Copy, TakesWhatIsEmpty) {
  Harness harness;
  emitConcat(harness.site("concat"), harness.i64(), {{2, 3}, {2, 0}}, 1);
  CopySpec slice = {harness.i64(), {2, 0}, {2, 3}, {2, 0}, {3, 1},
                    {0, 1},        2,      0,      {}};
  emitCopy(harness.site("slice"), slice);
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Ints a = {1, 2, 3, 4, 5, 6}, none(1, 9), c(6);
  harness.run("concat", a, none, c);
  EXPECT_EQ(c, a);
  harness.run("slice", a, none);
  EXPECT_EQ(none.front(), 9);
}

} // namespace
