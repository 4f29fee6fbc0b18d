// SPDX-License-Identifier: Apache-2.0
//
// Kernels on bf16 memory. They compute in f32, so their results are those of
// the f32 kernel on widened operands, rounded once: to the bit, but for
// contractions by AMX, which add in another order.

#include "KernelHarness.h"

using namespace weft;

namespace {

using Narrow = std::vector<uint16_t>;

uint16_t rounded(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

Narrow rounded(const Floats &values) {
  Narrow result;
  for (float value : values)
    result.push_back(rounded(value));
  return result;
}

Floats widened(const Narrow &values) {
  Floats result;
  for (uint16_t value : values) {
    uint32_t bits = uint32_t(value) << 16;
    result.emplace_back();
    std::memcpy(&result.back(), &bits, 4);
  }
  return result;
}

/// The same numbers for the narrow and the wide kernel.
struct Both {
  explicit Both(int64_t count, unsigned seed = 1)
      : narrow(rounded(randomFloats(count, seed))), wide(widened(narrow)) {}
  Narrow narrow;
  Floats wide;
};

/// Kernels for this CPU, and for one that has fewer instructions.
struct Bf16On : testing::TestWithParam<const char *> {
  Harness harness{GetParam(), sweepLevel};
};

std::string nameOf(const testing::TestParamInfo<const char *> &info) {
  std::string name = info.param;
  llvm::erase_if(name, [](char c) { return c == '-'; });
  return name;
}

INSTANTIATE_TEST_SUITE_P(Cpus, Bf16On, testing::Values("native", "x86-64-v3"),
                         nameOf);

//===----------------------------------------------------------------------===//
// Contractions
//===----------------------------------------------------------------------===//

struct Case {
  std::string equation;
  Shape a, b;
};

// Both operands in both orders, batches, sizes that divide nothing.
const std::vector<Case> &cases() {
  static const std::vector<Case> list = {
      {"btd,od->bto", {2, 32, 64}, {64, 64}},
      {"btd,od->bto", {2, 33, 70}, {75, 70}},
      {"btd,od->bto", {1, 9, 16}, {8, 16}},
      {"bto,od->btd", {2, 17, 50}, {50, 45}},
      {"bto,btd->od", {2, 40, 33}, {2, 40, 70}},
      {"bto,btd->od", {1, 129, 65}, {1, 129, 31}},
      {"md,dn->mn", {40, 37}, {37, 100}},
      {"bmk,bnk->bmn", {3, 20, 33}, {3, 40, 33}},
      {"btd,od->bto", {1, 3, 64}, {20, 64}}, // too few rows for a tile
      {"bshd,bthd->bhst", {2, 9, 3, 16}, {2, 11, 3, 16}},
  };
  return list;
}

ContractSpec specOf(const Case &c, mlir::Type operands, mlir::Type result) {
  return {c.equation,          c.a, c.b, operands, operands, result,
          ContractOrder::Chain};
}

template <typename In, typename Out>
void contract(Harness &harness, const std::string &name,
              const ContractSpec &spec, In &a, In &b, Out &c) {
  std::vector<char> scratch(contractScratchBytes(spec, harness.target),
                            char(0xff));
  if (scratch.empty())
    harness.run(name, a, b, c);
  else
    harness.run(name, a, b, c, scratch);
}

/// Every case in bf16 with f32 and bf16 results, against f32.
void compareWithF32(Harness &harness, bool amx, bool vectors, bool exact) {
  harness.target.hasAmx &= amx;
  harness.target.hasAvx512Bf16 &= vectors;
  if ((amx && !harness.target.hasAmx) ||
      (vectors && !harness.target.hasAvx512Bf16))
    GTEST_SKIP() << "this CPU has no such instructions";
  for (auto [i, c] : llvm::enumerate(cases())) {
    emitContract(harness.site(numbered("narrow", i)),
                 specOf(c, harness.bf16(), harness.bf16()));
    emitContract(harness.site(numbered("sums", i)),
                 specOf(c, harness.bf16(), harness.f32()));
    emitContract(harness.site(numbered("wide", i)),
                 specOf(c, harness.f32(), harness.f32()));
  }
  ASSERT_NO_FATAL_FAILURE(harness.build());
  for (auto [i, c] : llvm::enumerate(cases())) {
    SCOPED_TRACE(c.equation + " " + std::to_string(i));
    Both a(product(c.a), 1), b(product(c.b), 2);
    ContractSpec wide = specOf(c, harness.f32(), harness.f32());
    int64_t size = product(contractShape(wide));
    Floats want(size, 9.0f), sums(size, 9.0f);
    Narrow narrow(size, 9);
    contract(harness, numbered("wide", i), wide, a.wide, b.wide, want);
    contract(harness, numbered("sums", i),
             specOf(c, harness.bf16(), harness.f32()), a.narrow, b.narrow,
             sums);
    contract(harness, numbered("narrow", i),
             specOf(c, harness.bf16(), harness.bf16()), a.narrow, b.narrow,
             narrow);
    EXPECT_LT(relativeError(sums, want), 1e-6);
    EXPECT_TRUE(sameBits(narrow, rounded(sums)));
    if (exact)
      EXPECT_TRUE(sameBits(sums, want));
  }
}

TEST(Bf16, ContractsByTiles) {
  Harness harness("native", sweepLevel);
  compareWithF32(harness, true, false, false);
}
TEST(Bf16, ContractsByVectorsInTheOrderOfF32) {
  Harness harness("native", sweepLevel);
  compareWithF32(harness, false, true, true);
}
TEST_P(Bf16On, ContractsWithoutInstructionsOfItsOwn) {
  compareWithF32(harness, false, false, true);
}

TEST_P(Bf16On, ContractsLongSumsInSeveralBlocksOfRows) {
  Case c = {"md,nd->mn", {700, 1100}, {40, 1100}};
  ContractSpec spec = specOf(c, harness.bf16(), harness.f32());
  ContractSpec wide = specOf(c, harness.f32(), harness.f32());
  emitContract(harness.site("narrow"), spec);
  emitContract(harness.site("wide"), wide);
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Both a(product(c.a), 1), b(product(c.b), 2);
  Floats got(700 * 40), want(700 * 40);
  contract(harness, "narrow", spec, a.narrow, b.narrow, got);
  contract(harness, "wide", wide, a.wide, b.wide, want);
  EXPECT_LT(relativeError(got, want), 1e-6);
}

//===----------------------------------------------------------------------===//
// Composite kernels
//===----------------------------------------------------------------------===//

TEST_P(Bf16On, RmsNormRoundsOnce) {
  constexpr int64_t rows = 6, size = 75;
  for (auto [name, type] : {std::pair("narrow", harness.bf16()),
                            std::pair("wide", harness.f32())}) {
    emitRmsNorm(harness.site(std::string(name) + "F"), type, {rows, size},
                1e-5);
    emitRmsNormGrad(harness.site(std::string(name) + "B"), type, {rows, size});
  }
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Both x(rows * size, 1), weight(size, 2), dy(rows * size, 3);
  Floats y(rows * size), rstd(rows), dx = y, dweight(size);
  Narrow yN(rows * size), dxN = yN;
  Floats rstdN = rstd, dweightN = dweight;
  harness.run("wideF", x.wide, weight.wide, y, rstd);
  harness.run("wideB", dy.wide, x.wide, weight.wide, rstd, dx, dweight);
  harness.run("narrowF", x.narrow, weight.narrow, yN, rstdN);
  harness.run("narrowB", dy.narrow, x.narrow, weight.narrow, rstdN, dxN,
              dweightN);
  EXPECT_TRUE(sameBits(yN, rounded(y)));
  EXPECT_TRUE(sameBits(rstdN, rstd));
  EXPECT_TRUE(sameBits(dxN, rounded(dx)));
  EXPECT_TRUE(sameBits(dweightN, dweight));
}

TEST_P(Bf16On, RotaryRoundsOnce) {
  Shape shape = {2, 3, 5, 14};
  emitRotary(harness.site("narrow"), {harness.bf16(), shape});
  emitRotary(harness.site("wide"), {harness.f32(), shape});
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Both x(420, 1), cos(70, 2), sin(70, 3);
  Floats y(420);
  Narrow yN(420);
  harness.run("wide", x.wide, cos.wide, sin.wide, y);
  harness.run("narrow", x.narrow, cos.narrow, sin.narrow, yN);
  EXPECT_TRUE(sameBits(yN, rounded(y)));
}

TEST_P(Bf16On, CrossEntropyKeepsItsSumsInF32) {
  constexpr int64_t rows = 7, classes = 100;
  for (auto [name, type] : {std::pair("narrow", harness.bf16()),
                            std::pair("wide", harness.f32())}) {
    std::string stem = name;
    emitCrossEntropy(harness.site(stem + "F"), type, {rows, classes});
    emitCrossEntropyGrad(harness.site(stem + "B"), type, {rows, classes},
                         false);
  }
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Both logits(rows * classes);
  Ints labels = randomInts(rows, 0, classes);
  labels[2] = -100;
  Floats sum(1), lse(rows), seed = {0.3f}, grad(rows * classes);
  Floats sumN(1), lseN(rows);
  Narrow gradN(rows * classes);
  harness.run("wideF", logits.wide, labels, sum, lse);
  harness.run("wideB", logits.wide, labels, lse, seed, grad);
  harness.run("narrowF", logits.narrow, labels, sumN, lseN);
  harness.run("narrowB", logits.narrow, labels, lseN, seed, gradN);
  EXPECT_TRUE(sameBits(sumN, sum));
  EXPECT_TRUE(sameBits(lseN, lse));
  EXPECT_TRUE(sameBits(gradN, rounded(grad)));
}

TEST_P(Bf16On, EmbeddingGradSumsInF32) {
  constexpr int64_t count = 40, rows = 5, width = 35;
  LookupSpec spec = {{count}, rows, width, false, harness.bf16()};
  emitEmbedding(harness.site("rows"), spec);
  emitEmbeddingGrad(harness.site("narrow"), spec);
  spec.type = harness.f32();
  emitEmbeddingGrad(harness.site("wide"), spec);
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Ints ids = randomInts(count, 0, rows);
  Both dy(count * width), table(rows * width, 2);
  Floats want(rows * width), got = want;
  harness.run("wide", dy.wide, ids, want);
  harness.run("narrow", dy.narrow, ids, got);
  EXPECT_TRUE(sameBits(got, want));
  Narrow taken(count * width);
  harness.run("rows", ids, table.narrow, taken);
  for (int64_t i = 0; i < count * width; ++i)
    EXPECT_EQ(taken[i], table.narrow[ids[i / width] * width + i % width]);
}

TEST_P(Bf16On, ReductionsSumInF32) {
  ReduceSpec spec = {
      ReduceKind::Sum, harness.bf16(), {9, 70}, {0}, harness.f32()};
  emitReduce(harness.site("narrow"), spec);
  spec.type = harness.f32();
  emitReduce(harness.site("wide"), spec);
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Both x(630);
  Floats want(70), got(70);
  harness.run("wide", x.wide, want);
  harness.run("narrow", x.narrow, got);
  EXPECT_TRUE(sameBits(got, want));
}

/// A gradient and its output in bf16 are those of f32, rounded.
void compareAttention(Harness &harness, AttentionSpec spec) {
  AttentionSpec narrow = spec;
  narrow.type = harness.bf16();
  emitAttention(harness.site("wideF"), spec);
  emitAttentionGrad(harness.site("wideB"), spec);
  emitAttention(harness.site("narrowF"), narrow);
  emitAttentionGrad(harness.site("narrowB"), narrow);
  ASSERT_NO_FATAL_FAILURE(harness.build());
  int64_t rows = 2 * 4 * 70, keys = 2 * 2 * 70, width = 20;
  Both q(rows * width, 1), k(keys * width, 2), v(keys * width, 3),
      dout(rows * width, 4);
  Ints positions;
  for (int64_t i = 0; i < 70; ++i)
    positions.push_back(i);
  Floats out(rows * width), lse(rows), dq = out, dk(keys * width), dv = dk;
  Narrow outN(rows * width), dqN = outN, dkN(keys * width), dvN = dkN;
  Floats lseN(rows);
  std::vector<char> scratch(attentionGradScratchBytes(narrow, harness.target) +
                            attentionScratchBytes(narrow, harness.target));
  harness.run("wideF", q.wide, k.wide, v.wide, positions, positions, out, lse,
              scratch);
  harness.run("narrowF", q.narrow, k.narrow, v.narrow, positions, positions,
              outN, lseN, scratch);
  EXPECT_TRUE(sameBits(outN, rounded(out)));
  EXPECT_TRUE(sameBits(lseN, lse));
  // The gradient takes the rounded output.
  out = widened(outN);
  harness.run("wideB", dout.wide, q.wide, k.wide, v.wide, out, lse, positions,
              positions, dq, dk, dv, scratch);
  harness.run("narrowB", dout.narrow, q.narrow, k.narrow, v.narrow, outN, lse,
              positions, positions, dqN, dkN, dvN, scratch);
  EXPECT_TRUE(sameBits(dqN, rounded(dq)));
  EXPECT_TRUE(sameBits(dkN, rounded(dk)));
  EXPECT_TRUE(sameBits(dvN, rounded(dv)));
}

TEST_P(Bf16On, AttentionRoundsOnce) {
  compareAttention(harness, {2, 4, 2, 70, 70, 20, 0.3, true, harness.f32()});
}

TEST_P(Bf16On, AttentionOfAWindowRoundsOnce) {
  compareAttention(harness,
                   {2, 4, 2, 70, 70, 20, 0.3, true, harness.f32(), 9, 1.5});
}

} // namespace
