// SPDX-License-Identifier: Apache-2.0
//
// Attention with windows, documents and capped scores against formulas in
// double; what they hide is neither read nor changes a bit.

#include "AttentionFormulas.h"

using namespace weft;

namespace {

const AttentionSpec specs[] = {
    {1, 2, 1, 150, 150, 20, 0.2, true, {}, 16},
    {2, 2, 2, 250, 250, 17, 0.2, true, {}, 70, 1.5},
    {1, 1, 1, 17, 17, 8, 0.3, true, {}, 2},
    {1, 3, 1, 40, 70, 24, 0.3, false, {}, {}, 0.7},
    {2, 2, 1, 83, 140, 12, 0.3, false, {}, {}, {}, true},
    {2, 2, 1, 250, 250, 32, 0.2, true, {}, 9, 2.0, true},
};

TEST(AttentionMask, EqualsItsFormulasOnEveryVectorWidth) {
  compareEverywhere(specs);
}

TEST(AttentionMask, FollowsPositionsAndDocumentsInAnyOrder) {
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
TEST(AttentionMask, KeepsItsBitsWhereNothingIsHidden) {
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

/// Keys and values that are not numbers spoil what reads them, even with weight
/// 0: those far before the window, or of other documents, are not read.
TEST(AttentionMask, SkipsWhatNoQueryOfABlockSees) {
  AttentionSpec kinds[2];
  kinds[0] = kinds[1] = {1, 1, 1, 10, 150, 16, 0.2, true};
  kinds[0].window = 9;
  kinds[1].documents = true;
  for (const AttentionSpec &spec : kinds) {
    Harness harness;
    emitAttention(harness.site("forward"), spec);
    emitAttentionGrad(harness.site("backward"), spec);
    ASSERT_NO_FATAL_FAILURE(harness.build());
    Data d = makeData(spec);
    for (int64_t i = 0; i < 10; ++i)
      d.queryPositions[i] = 140 + i;
    d.queryDocuments.assign(10, 2);
    d.keyDocuments.assign(150, 1);
    std::fill(d.keyDocuments.begin() + 130, d.keyDocuments.end(), 2);
    std::fill_n(d.k.begin(), 96 * 16, NAN);
    std::fill_n(d.v.begin(), 96 * 16, NAN);
    run(harness, spec, d);
    for (const Floats *result : {&d.out, &d.lse, &d.dq, &d.dk, &d.dv})
      for (float value : *result)
        ASSERT_TRUE(std::isfinite(value));
  }
}

} // namespace
