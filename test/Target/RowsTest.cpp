// SPDX-License-Identifier: Apache-2.0
//
// Row kernels, lookups and cross-entropy against formulas in double.

#include "KernelHarness.h"

using namespace weft;

namespace {

using Doubles = std::vector<double>;

TEST(Rows, RmsNormAndItsGradient) {
  for (int64_t size : {7, 17, 250, 683}) {
    constexpr int64_t rows = 6;
    const double eps = 1e-5;
    Harness harness;
    emitRmsNorm(harness.site("forward"), harness.f32(), {2, 3, size}, eps);
    emitRmsNormGrad(harness.site("backward"), harness.f32(), {2, 3, size});
    ASSERT_NO_FATAL_FAILURE(harness.build());
    int64_t count = rows * size;
    Floats x = randomFloats(count, 1), w = randomFloats(size, 2),
           dy = randomFloats(count, 3), y(count), rstd(rows), dx(count),
           dw(size);
    harness.run("forward", x, w, y, rstd);
    harness.run("backward", dy, x, w, rstd, dx, dw);
    Doubles wantY(count), wantR(rows), wantX(count), wantW(size);
    for (int64_t r = 0; r < rows; ++r) {
      double squares = 0, dots = 0;
      for (int64_t i = r * size; i < (r + 1) * size; ++i) {
        squares += double(x[i]) * x[i];
        dots += double(dy[i]) * w[i % size] * x[i];
      }
      wantR[r] = 1 / std::sqrt(squares / size + eps);
      for (int64_t i = r * size; i < (r + 1) * size; ++i) {
        wantY[i] = x[i] * wantR[r] * w[i % size];
        wantX[i] = wantR[r] * (double(dy[i]) * w[i % size] -
                               x[i] * wantR[r] * wantR[r] * dots / size);
        wantW[i % size] += dy[i] * x[i] * wantR[r];
      }
    }
    EXPECT_LT(relativeError(y, wantY), 1e-6) << size;
    EXPECT_LT(relativeError(rstd, wantR), 1e-6) << size;
    EXPECT_LT(relativeError(dx, wantX), 2e-6) << size;
    EXPECT_LT(relativeError(dw, wantW), 2e-6) << size;
  }
}

TEST(Rows, SoftmaxSumsToOne) {
  for (int64_t size : {1, 7, 64, 250}) {
    Harness harness;
    emitSoftmax(harness.site("k"), {5, size});
    ASSERT_NO_FATAL_FAILURE(harness.build());
    Floats x = randomFloats(5 * size), y(5 * size);
    for (float &value : x)
      value *= 20;
    if (size > 1)
      x[0] = -INFINITY;
    harness.run("k", x, y);
    Doubles want(5 * size);
    for (int64_t r = 0; r < 5; ++r) {
      double sum = 0;
      for (int64_t i = r * size; i < (r + 1) * size; ++i)
        sum += want[i] = std::exp(double(x[i]));
      for (int64_t i = r * size; i < (r + 1) * size; ++i)
        want[i] /= sum;
    }
    EXPECT_LT(relativeError(y, want), 1e-6) << size;
  }
}

TEST(Rows, RotaryTurnsPairsAndItsAdjointTurnsBack) {
  constexpr int64_t b = 2, h = 3, s = 7, d = 34, count = b * h * s * d;
  Harness harness;
  emitRotary(harness.site("forward"), {harness.f32(), {b, h, s, d}});
  emitRotary(harness.site("adjoint"), {harness.f32(), {b, h, s, d}, true});
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Floats x = randomFloats(count, 1), cosines = randomFloats(s * d, 2),
         sines = randomFloats(s * d, 3), y(count), g = randomFloats(count, 4),
         dx(count);
  harness.run("forward", x, cosines, sines, y);
  harness.run("adjoint", g, cosines, sines, dx);
  Doubles want(count);
  double left = 0, right = 0;
  for (int64_t i = 0; i < count; ++i) {
    int64_t at = i % (s * d), column = i % d;
    double turned = column < d / 2 ? -x[i + d / 2] : x[i - d / 2];
    want[i] = double(x[i]) * cosines[at] + turned * sines[at];
    left += want[i] * g[i];
    right += double(x[i]) * dx[i];
  }
  EXPECT_LT(relativeError(y, want), 1e-6);
  EXPECT_NEAR(left, right, 1e-4);
}

TEST(Rows, RotaryFindsRowsInEitherOrder) {
  constexpr int64_t b = 2, h = 3, s = 7, d = 34, count = b * h * s * d;
  Harness harness;
  RotarySpec spec = {harness.f32(), {b, h, s, d}};
  emitRotary(harness.site("plain"), spec);
  spec.xRowsFirst = true;
  emitRotary(harness.site("reads"), spec);
  spec.yRowsFirst = true;
  emitRotary(harness.site("both"), spec);
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Floats x = randomFloats(count, 1), cosines = randomFloats(s * d, 2),
         sines = randomFloats(s * d, 3), swapped(count), y(count), z(count),
         w(count), back(count);
  auto swappedIndex = [&](int64_t i) {
    int64_t row = i / d % s, head = i / d / s;
    return ((head / h * s + row) * h + head % h) * d + i % d;
  };
  for (int64_t i = 0; i < count; ++i)
    swapped[swappedIndex(i)] = x[i];
  harness.run("plain", x, cosines, sines, y);
  harness.run("reads", swapped, cosines, sines, z);
  harness.run("both", swapped, cosines, sines, w);
  for (int64_t i = 0; i < count; ++i)
    back[i] = w[swappedIndex(i)];
  EXPECT_TRUE(sameBits(z, y));
  EXPECT_TRUE(sameBits(back, y));
}

TEST(Lookup, EmbeddingReadsZeroRowsOutOfRange) {
  constexpr int64_t rows = 10, width = 35, count = 50;
  Harness harness;
  LookupSpec spec = {{5, 10}, rows, width, true};
  emitEmbedding(harness.site("forward"), spec);
  emitEmbeddingGrad(harness.site("backward"), spec);
  spec.offset = false;
  emitEmbedding(harness.site("plain"), spec);
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Ints ids = randomInts(count, -5, 40), offset = {12}, none = {0};
  ids[0] = INT64_MIN;
  ids[1] = INT64_MAX;
  Floats table = randomFloats(rows * width), y(count * width, 5.0f),
         dy = randomFloats(count * width, 2), dtable(rows * width, 5.0f),
         wantTable(rows * width, 0.0f);
  harness.run("forward", ids, table, offset, y);
  harness.run("backward", dy, ids, offset, dtable);
  for (int64_t i = 0; i < count; ++i)
    for (int64_t c = 0; c < width; ++c) {
      bool inside = ids[i] >= 12 && ids[i] < 12 + rows;
      int64_t row = inside ? ids[i] - 12 : 0;
      EXPECT_EQ(y[i * width + c], inside ? table[row * width + c] : 0.0f);
      if (inside)
        wantTable[row * width + c] += dy[i * width + c];
    }
  EXPECT_TRUE(sameBits(dtable, wantTable));
  harness.run("plain", ids, table, y);
  harness.run("forward", ids, table, none, wantTable = y);
  EXPECT_TRUE(sameBits(y, wantTable));
}

TEST(Lookup, PickAndPlaceAreAdjoint) {
  constexpr int64_t classes = 17, count = 12;
  Harness harness;
  LookupSpec spec = {{3, 4}, classes, 1, true};
  emitPick(harness.site("pick"), spec);
  emitPlace(harness.site("place"), spec);
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Ints indices = randomInts(count, -100, 60), offset = {20};
  indices[0] = 20;
  indices[1] = 36;
  indices[2] = 37;
  Floats x = randomFloats(count * classes), y(count), z(count * classes, 3.0f);
  harness.run("pick", x, indices, offset, y);
  harness.run("place", y, indices, offset, z);
  for (int64_t i = 0; i < count; ++i)
    for (int64_t c = 0; c < classes; ++c) {
      bool hit = indices[i] - 20 == c;
      EXPECT_EQ(z[i * classes + c], hit ? x[i * classes + c] : 0.0f);
    }
}

/// loss sum, lse and gradient of rows of logits.
void crossEntropy(const Floats &logits, const Ints &labels, int64_t classes,
                  double seed, double &loss, Doubles &lse, Doubles &gradient) {
  loss = 0;
  for (size_t r = 0; r < labels.size(); ++r) {
    double sum = 0;
    for (int64_t c = 0; c < classes; ++c)
      sum += std::exp(double(logits[r * classes + c]));
    lse.push_back(std::log(sum));
    bool counts = labels[r] != -100;
    if (counts)
      loss += lse[r] - logits[r * classes + labels[r]];
    for (int64_t c = 0; c < classes; ++c) {
      double p = std::exp(logits[r * classes + c] - lse[r]);
      gradient.push_back(counts ? (p - (c == labels[r])) * seed : 0);
    }
  }
}

TEST(CrossEntropy, EqualsItsFormulas) {
  for (int64_t classes : {7, 250, 256}) {
    constexpr int64_t rows = 15;
    Harness harness;
    emitCrossEntropy(harness.site("forward"), harness.f32(), {3, 5, classes});
    emitCrossEntropyGrad(harness.site("backward"), harness.f32(),
                         {3, 5, classes}, false);
    ASSERT_NO_FATAL_FAILURE(harness.build());
    Floats logits = randomFloats(rows * classes), loss(1), lse(rows),
           gradient(rows * classes), seed = {0.25f};
    for (float &value : logits)
      value *= 8;
    Ints labels = randomInts(rows, 0, classes);
    labels[2] = labels[14] = -100;
    harness.run("forward", logits, labels, loss, lse);
    harness.run("backward", logits, labels, lse, seed, gradient);
    double wantLoss;
    Doubles wantLse, wantGradient;
    crossEntropy(logits, labels, classes, 0.25, wantLoss, wantLse,
                 wantGradient);
    EXPECT_NEAR(loss[0], wantLoss, 1e-5 * wantLoss);
    EXPECT_LT(relativeError(lse, wantLse), 1e-6);
    EXPECT_LT(relativeError(gradient, wantGradient), 1e-6);

    std::fill(labels.begin(), labels.end(), -100);
    harness.run("forward", logits, labels, loss, lse);
    harness.run("backward", logits, labels, lse, seed, gradient);
    EXPECT_EQ(loss[0], 0);
    EXPECT_TRUE(sameBits(gradient, Floats(rows * classes, 0.0f)));
  }
}

TEST(CrossEntropy, GradientOfAShardNeedsNoOtherClass) {
  constexpr int64_t rows = 6, classes = 40, half = 20;
  Harness harness;
  emitCrossEntropyGrad(harness.site("whole"), harness.f32(), {rows, classes},
                       false);
  emitCrossEntropyGrad(harness.site("shard"), harness.f32(), {rows, half},
                       true);
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Floats logits = randomFloats(rows * classes), whole(rows * classes),
         lse = randomFloats(rows, 2), seed = {0.5f};
  Ints labels = {0, 19, 20, 39, -100, 25};
  harness.run("whole", logits, labels, lse, seed, whole);
  for (int64_t shard = 0; shard < 2; ++shard) {
    Floats part(rows * half), got(rows * half);
    auto at = [&](int64_t i) {
      return i / half * classes + shard * half + i % half;
    };
    for (int64_t i = 0; i < rows * half; ++i)
      part[i] = logits[at(i)];
    Ints offset = {shard * half};
    harness.run("shard", part, labels, lse, seed, offset, got);
    for (int64_t i = 0; i < rows * half; ++i)
      EXPECT_EQ(got[i], whole[at(i)]);
  }
}

} // namespace
