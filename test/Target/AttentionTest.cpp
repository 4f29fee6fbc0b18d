// SPDX-License-Identifier: Apache-2.0
//
// Attention and its gradient against formulas in double: grouped heads, odd
// sizes, positions in any order, rows without keys.

#include "AttentionFormulas.h"

using namespace weft;

namespace {

const AttentionSpec specs[] = {
    {2, 4, 2, 17, 17, 32, 0.2, true}, {1, 2, 2, 100, 100, 64, 0.125, true},
    {1, 2, 1, 33, 70, 7, 0.4, false}, {1, 3, 1, 5, 130, 80, 0.1, true},
    {1, 1, 1, 70, 5, 16, 0.25, true}, {1, 2, 1, 64, 64, 48, 0.15, false},
    {1, 1, 1, 1, 1, 4, 0.5, true},
};

TEST(Attention, EqualsItsFormulasOnEveryVectorWidth) {
  compareEverywhere(specs);
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

/// [B, H, S, D] as [B, S, H, D].
Floats swapHeads(const Floats &values, int64_t heads, int64_t rows,
                 int64_t width) {
  Floats swapped(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    int64_t d = i % width, row = i / width % rows, head = i / width / rows;
    int64_t batch = head / heads;
    swapped[((batch * rows + row) * heads + head % heads) * width + d] =
        values[i];
  }
  return swapped;
}

/// The same attention with its tensors where `rowsFirst` says, its results put
/// back as [B, H, S, D].
Data runOrdered(AttentionSpec spec, AttentionSpec::RowsFirst rowsFirst) {
  spec.rowsFirst = rowsFirst;
  Harness harness;
  emitAttention(harness.site("forward"), spec);
  emitAttentionGrad(harness.site("backward"), spec);
  Data d = makeData(spec);
  EXPECT_NO_FATAL_FAILURE(harness.build());
  auto queries = [&](bool swaps, Floats &x, int64_t heads, int64_t rows) {
    if (swaps)
      x = swapHeads(x, heads, rows, spec.width);
  };
  queries(rowsFirst.q, d.q, spec.heads, spec.queries);
  queries(rowsFirst.k, d.k, spec.kvHeads, spec.keys);
  queries(rowsFirst.v, d.v, spec.kvHeads, spec.keys);
  queries(rowsFirst.dout, d.dout, spec.heads, spec.queries);
  run(harness, spec, d);
  // Swapping [B, S, H, D] back is swapping it with rows for heads.
  queries(rowsFirst.out, d.out, spec.queries, spec.heads);
  queries(rowsFirst.dq, d.dq, spec.queries, spec.heads);
  queries(rowsFirst.dk, d.dk, spec.keys, spec.kvHeads);
  queries(rowsFirst.dv, d.dv, spec.keys, spec.kvHeads);
  return d;
}

TEST(Attention, FindsRowsInEitherOrder) {
  const AttentionSpec::RowsFirst orders[] = {
      {true, true, true, true, true, true, true, true},
      {false, false, true, true, true, false, false, true},
      {true, false, false, true, false, true, false, true},
      {false, true, false, false, true, false, true, false}};
  for (int64_t i : {0, 2, 3, 4}) {
    Data want = runOrdered(specs[i], {});
    for (const AttentionSpec::RowsFirst &order : orders) {
      Data got = runOrdered(specs[i], order);
      EXPECT_TRUE(sameBits(got.out, want.out)) << i;
      EXPECT_TRUE(sameBits(got.lse, want.lse)) << i;
      EXPECT_TRUE(sameBits(got.dq, want.dq)) << i;
      EXPECT_TRUE(sameBits(got.dk, want.dk)) << i;
      EXPECT_TRUE(sameBits(got.dv, want.dv)) << i;
    }
  }
}

TEST(Attention, NoticesAWrongMask) {
  AttentionSpec spec = specs[1];
  Harness harness("native", sweepLevel);
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
