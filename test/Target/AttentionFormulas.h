// SPDX-License-Identifier: Apache-2.0
//
// Attention and its gradient by formulas in double, for the tests of their
// kernels: random operands, positions in order, packed documents.

#ifndef WEFT_TEST_TARGET_ATTENTIONFORMULAS_H
#define WEFT_TEST_TARGET_ATTENTIONFORMULAS_H

#include "KernelHarness.h"

namespace weft {

using Doubles = std::vector<double>;

struct Data {
  Floats q, k, v, dout, out, lse, dq, dk, dv;
  Ints queryPositions, keyPositions, queryDocuments, keyDocuments;
};

/// Documents of lengths 1, 2, 3, ... packed one after another; each sample
/// begins with another length.
inline Ints packedDocuments(int64_t batch, int64_t size) {
  Ints ids;
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t length = b + 1, left = length, i = 0; i < size; ++i, --left) {
      if (left == 0)
        left = ++length;
      ids.push_back(100 * b + length);
    }
  return ids;
}

inline Data makeData(const AttentionSpec &s) {
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

inline void run(Harness &harness, const AttentionSpec &s, Data &d) {
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

inline bool counts(const AttentionSpec &s, const Data &d, int64_t batch,
                   int64_t query, int64_t key) {
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
inline void expectRow(const AttentionSpec &s, const Data &d, int64_t row,
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

inline void compare(const AttentionSpec &s, const Data &d,
                    const std::string &what) {
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

/// Every spec equals its formulas, with equal bits on every vector width.
inline void compareEverywhere(llvm::ArrayRef<AttentionSpec> specs) {
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

} // namespace weft

#endif // WEFT_TEST_TARGET_ATTENTIONFORMULAS_H
