// SPDX-License-Identifier: Apache-2.0
//
// Attention and its gradient against formulas in double: grouped heads, odd
// sizes, positions in any order, rows without keys.

#include "KernelHarness.h"

using namespace weft;

namespace {

using Doubles = std::vector<double>;

struct Data {
  Floats q, k, v, dout, out, lse, dq, dk, dv;
  Ints queryPositions, keyPositions, queryDocuments, keyDocuments;
};

/// Documents of lengths 1, 2, 3, ... packed one after another; each sample
/// begins with another length.
Ints packedDocuments(int64_t batch, int64_t size) {
  Ints ids;
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t length = b + 1, left = length, i = 0; i < size; ++i, --left) {
      if (left == 0)
        left = ++length;
      ids.push_back(100 * b + length);
    }
  return ids;
}

Data makeData(const AttentionSpec &s) {
  int64_t rows = s.batch * s.heads * s.queries;
  int64_t keys = s.batch * s.kvHeads * s.keys;
  Data d;
  d.q = randomFloats(rows * s.width, 1);
  d.k = randomFloats(keys * s.width, 2);
  d.v = randomFloats(keys * s.width, 3);
  d.dout = randomFloats(rows * s.width, 4);
  for (float &value : d.q)
    value *= 4;
  d.out.assign(rows * s.width, 9.0f);
  d.lse.assign(rows, 9.0f);
  d.dq = d.out;
  d.dk.assign(keys * s.width, 9.0f);
  d.dv = d.dk;
  for (int64_t i = 0; i < s.queries; ++i)
    d.queryPositions.push_back(i);
  for (int64_t i = 0; i < s.keys; ++i)
    d.keyPositions.push_back(i);
  if (s.documents) {
    d.queryDocuments = packedDocuments(s.batch, s.queries);
    d.keyDocuments = packedDocuments(s.batch, s.keys);
  }
  return d;
}

void run(Harness &harness, const AttentionSpec &s, Data &d) {
  std::vector<char> scratch(attentionScratchBytes(s, harness.target),
                            char(0xff)),
      gradScratch(attentionGradScratchBytes(s, harness.target), char(0xff));
  if (s.documents) {
    harness.run("forward", d.q, d.k, d.v, d.queryPositions, d.keyPositions,
                d.queryDocuments, d.keyDocuments, d.out, d.lse, scratch);
    harness.run("backward", d.dout, d.q, d.k, d.v, d.out, d.lse,
                d.queryPositions, d.keyPositions, d.queryDocuments,
                d.keyDocuments, d.dq, d.dk, d.dv, gradScratch);
    return;
  }
  harness.run("forward", d.q, d.k, d.v, d.queryPositions, d.keyPositions, d.out,
              d.lse, scratch);
  harness.run("backward", d.dout, d.q, d.k, d.v, d.out, d.lse, d.queryPositions,
              d.keyPositions, d.dq, d.dk, d.dv, gradScratch);
}

bool counts(const AttentionSpec &s, const Data &d, int64_t batch, int64_t query,
            int64_t key) {
  int64_t back = d.queryPositions[query] - d.keyPositions[key];
  if (s.causal && (back < 0 || (s.window && back >= *s.window)))
    return false;
  return !s.documents || d.queryDocuments[batch * s.queries + query] ==
                             d.keyDocuments[batch * s.keys + key];
}

struct Expected {
  Doubles out, lse, dq, dk, dv;
};

/// One query row: its probabilities, output, and share of all gradients.
void expectRow(const AttentionSpec &s, const Data &d, int64_t row,
               Expected &want) {
  int64_t query = row % s.queries, head = row / s.queries % s.heads,
          batch = row / s.queries / s.heads, w = s.width;
  int64_t kv = (batch * s.kvHeads + head / (s.heads / s.kvHeads)) * s.keys;
  Doubles p(s.keys, 0.0), dp(s.keys, 0.0), slope(s.keys, s.scale);
  double sum = 0, delta = 0;
  for (int64_t t = 0; t < s.keys; ++t) {
    if (!counts(s, d, batch, query, t))
      continue;
    double score = 0;
    for (int64_t i = 0; i < w; ++i)
      score += double(d.q[row * w + i]) * d.k[(kv + t) * w + i];
    score *= s.scale;
    if (s.softcap) {
      double turned = std::tanh(score / *s.softcap);
      score = *s.softcap * turned;
      slope[t] *= 1 - turned * turned;
    }
    sum += p[t] = std::exp(score);
  }
  want.lse[row] = std::log(sum);
  for (int64_t t = 0; t < s.keys; ++t) {
    p[t] = sum == 0 ? 0 : p[t] / sum;
    for (int64_t i = 0; i < w; ++i) {
      want.out[row * w + i] += p[t] * d.v[(kv + t) * w + i];
      dp[t] += double(d.dout[row * w + i]) * d.v[(kv + t) * w + i];
      want.dv[(kv + t) * w + i] += p[t] * d.dout[row * w + i];
    }
    delta += p[t] * dp[t];
  }
  for (int64_t t = 0; t < s.keys; ++t)
    for (int64_t i = 0; i < w; ++i) {
      double ds = p[t] * (dp[t] - delta) * slope[t];
      want.dq[row * w + i] += ds * d.k[(kv + t) * w + i];
      want.dk[(kv + t) * w + i] += ds * d.q[row * w + i];
    }
}

void compare(const AttentionSpec &s, const Data &d, const std::string &what) {
  Expected want;
  int64_t rows = s.batch * s.heads * s.queries;
  want.out.resize(d.q.size());
  want.dq.resize(d.q.size());
  want.lse.resize(rows);
  want.dk.resize(d.k.size());
  want.dv.resize(d.k.size());
  for (int64_t row = 0; row < rows; ++row)
    expectRow(s, d, row, want);
  Floats lse = d.lse;
  for (int64_t row = 0; row < rows; ++row)
    if (std::isinf(want.lse[row])) {
      EXPECT_EQ(lse[row], -INFINITY) << what;
      lse[row] = want.lse[row] = 0;
    }
  EXPECT_LT(relativeError(d.out, want.out), 2e-6) << what;
  EXPECT_LT(relativeError(lse, want.lse), 2e-6) << what;
  EXPECT_LT(relativeError(d.dq, want.dq), 5e-6) << what;
  EXPECT_LT(relativeError(d.dk, want.dk), 5e-6) << what;
  EXPECT_LT(relativeError(d.dv, want.dv), 5e-6) << what;
}

const AttentionSpec specs[] = {
    {2, 4, 2, 17, 17, 32, 0.2, true},
    {1, 2, 2, 100, 100, 64, 0.125, true},
    {1, 2, 1, 33, 70, 7, 0.4, false},
    {1, 3, 1, 5, 130, 80, 0.1, true},
    {1, 1, 1, 70, 5, 16, 0.25, true},
    {1, 2, 1, 64, 64, 48, 0.15, false},
    {1, 1, 1, 1, 1, 4, 0.5, true},
    {1, 2, 1, 150, 150, 20, 0.2, true, {}, 16},
    {2, 2, 2, 250, 250, 17, 0.2, true, {}, 70, 1.5},
    {1, 1, 1, 17, 17, 8, 0.3, true, {}, 2},
    {1, 3, 1, 40, 70, 24, 0.3, false, {}, {}, 0.7},
    {2, 4, 2, 150, 150, 16, 0.2, true, {}, {}, {}, true},
    {2, 2, 1, 83, 140, 12, 0.3, false, {}, {}, {}, true},
    {2, 2, 1, 250, 250, 32, 0.2, true, {}, 9, 2.0, true},
};

TEST(Attention, EqualsItsFormulasOnEveryVectorWidth) {
  for (auto [i, spec] : llvm::enumerate(specs)) {
    std::vector<Data> results;
    for (const char *cpu : {"native", "x86-64-v3"}) {
      Harness harness(cpu);
      emitAttention(harness.site("forward"), spec);
      emitAttentionGrad(harness.site("backward"), spec);
      ASSERT_NO_FATAL_FAILURE(harness.build());
      Data d = makeData(spec);
      run(harness, spec, d);
      compare(spec, d, numbered(cpu, i));
      results.push_back(d);
    }
    EXPECT_TRUE(sameBits(results[0].out, results[1].out)) << i;
    EXPECT_TRUE(sameBits(results[0].lse, results[1].lse)) << i;
    EXPECT_TRUE(sameBits(results[0].dq, results[1].dq)) << i;
    EXPECT_TRUE(sameBits(results[0].dk, results[1].dk)) << i;
    EXPECT_TRUE(sameBits(results[0].dv, results[1].dv)) << i;
  }
}

TEST(Attention, FollowsPositionsInAnyOrder) {
  AttentionSpec spec = {1, 2, 1, 80, 150, 32, 0.2, true};
  Harness harness;
  emitAttention(harness.site("forward"), spec);
  emitAttentionGrad(harness.site("backward"), spec);
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Data d = makeData(spec);
  d.queryPositions = randomInts(80, 0, 1000, 5);
  d.keyPositions = randomInts(150, 0, 1000, 6);
  run(harness, spec, d);
  compare(spec, d, "random positions");

  // A shard of the sequence that sees few keys, and a row that sees none.
  d = makeData(spec);
  for (int64_t i = 0; i < 80; ++i)
    d.queryPositions[i] = 40 + i;
  d.queryPositions[7] = -1;
  d.queryPositions[79] = -5;
  run(harness, spec, d);
  compare(spec, d, "shard");
  for (int64_t i = 0; i < 32; ++i) {
    EXPECT_EQ(d.out[7 * 32 + i], 0);
    EXPECT_EQ(d.dq[7 * 32 + i], 0);
  }
}

TEST(Attention, FollowsPositionsAndDocumentsInAnyOrder) {
  AttentionSpec spec = {2, 2, 1, 80, 150, 32, 0.2, true, {}, 300, 1.0, true};
  Harness harness;
  emitAttention(harness.site("forward"), spec);
  emitAttentionGrad(harness.site("backward"), spec);
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Data d = makeData(spec);
  d.queryPositions = randomInts(80, 0, 1000, 5);
  d.keyPositions = randomInts(150, 0, 1000, 6);
  d.queryDocuments = randomInts(160, -2, 3, 7);
  d.keyDocuments = randomInts(300, -2, 3, 8);
  run(harness, spec, d);
  compare(spec, d, "random");

  // Only two runs of keys, far apart, are seen: what lies between is skipped.
  d = makeData(spec);
  d.queryPositions.assign(80, 200);
  d.queryDocuments.assign(160, 1);
  d.keyDocuments.assign(300, 2);
  for (int64_t key : {3, 140, 150 + 70})
    d.keyDocuments[key] = 1;
  run(harness, spec, d);
  compare(spec, d, "holes");

  // A sample whose queries see no key at all.
  d.keyDocuments[150 + 70] = 2;
  run(harness, spec, d);
  compare(spec, d, "nothing");
}

/// What is skipped adds exact zeros: a window and documents that hide nothing
/// don't change a bit.
TEST(Attention, KeepsItsBitsWhereNothingIsHidden) {
  AttentionSpec kinds[2];
  kinds[0] = kinds[1] = {1, 2, 1, 150, 150, 32, 0.2, true};
  kinds[1].window = 150;
  kinds[1].documents = true;
  Data results[2];
  for (auto [i, spec] : llvm::enumerate(kinds)) {
    Harness harness;
    emitAttention(harness.site("forward"), spec);
    emitAttentionGrad(harness.site("backward"), spec);
    ASSERT_NO_FATAL_FAILURE(harness.build());
    results[i] = makeData(spec);
    results[i].queryDocuments.assign(150, 7);
    results[i].keyDocuments.assign(150, 7);
    run(harness, spec, results[i]);
  }
  EXPECT_TRUE(sameBits(results[0].out, results[1].out));
  EXPECT_TRUE(sameBits(results[0].lse, results[1].lse));
  EXPECT_TRUE(sameBits(results[0].dq, results[1].dq));
  EXPECT_TRUE(sameBits(results[0].dk, results[1].dk));
  EXPECT_TRUE(sameBits(results[0].dv, results[1].dv));
}

TEST(Attention, NoticesAWrongMask) {
  AttentionSpec spec = specs[1];
  Harness harness;
  emitAttention(harness.site("forward"), spec);
  emitAttentionGrad(harness.site("backward"), spec);
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Data right = makeData(spec), wrong = right;
  wrong.queryPositions[50] -= 1;
  run(harness, spec, right);
  run(harness, spec, wrong);
  EXPECT_FALSE(sameBits(right.out, wrong.out));
}

} // namespace
