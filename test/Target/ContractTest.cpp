// SPDX-License-Identifier: Apache-2.0
//
// Contractions against plain loops in double, and bit equality of variants.

#include "KernelHarness.h"

#include "weft/IR/NN/NN.h"

#include <map>

using namespace weft;

namespace {

/// Counts through the indices of one letter.
struct Counter {
  int64_t size = 0, index = 0;
  int64_t strides[3] = {0, 0, 0}; // in a, b and c

  /// Moves the places in a, b and c to the next index, or back to the first;
  /// false if there is no next.
  bool step(int64_t (&at)[3]) {
    bool isLast = ++index == size;
    for (int tensor : {0, 1, 2})
      at[tensor] += (isLast ? 1 - size : 1) * strides[tensor];
    index = isLast ? 0 : index;
    return !isLast;
  }
};

/// Runs the equation by counting through all letters.
std::vector<double> reference(const ContractSpec &spec, const Floats &a,
                              const Floats &b) {
  std::string text = spec.equation;
  size_t comma = text.find(','), arrow = text.find("->");
  std::string letters[3] = {text.substr(0, comma),
                            text.substr(comma + 1, arrow - comma - 1),
                            text.substr(arrow + 2)};
  std::map<char, Counter> counters;
  for (size_t i = 0; i < letters[0].size(); ++i)
    counters[letters[0][i]].size = spec.a[i];
  for (size_t i = 0; i < letters[1].size(); ++i)
    counters[letters[1][i]].size = spec.b[i];
  for (int tensor : {0, 1, 2})
    for (int64_t i = letters[tensor].size() - 1, stride = 1; i >= 0; --i) {
      Counter &counter = counters[letters[tensor][i]];
      counter.strides[tensor] = stride;
      stride *= counter.size;
    }
  std::vector<double> c(product(contractShape(spec)), 0.0);
  int64_t at[3] = {0, 0, 0};
  do
    c[at[2]] += double(a[at[0]]) * b[at[1]];
  while (llvm::any_of(llvm::make_second_range(counters),
                      [&](Counter &counter) { return counter.step(at); }));
  return c;
}

struct Case {
  std::string equation;
  Shape a, b;
};

const std::vector<Case> &cases() {
  static const std::vector<Case> list = {
      {"btd,od->bto", {2, 17, 32}, {48, 32}},
      {"btd,od->bto", {2, 250, 64}, {683, 64}},
      {"btd,od->bto", {3, 7, 250}, {7, 250}},
      {"bto,od->btd", {2, 17, 48}, {48, 32}},
      {"bto,od->btd", {1, 129, 683}, {683, 17}},
      {"bto,btd->od", {2, 17, 48}, {2, 17, 32}},
      {"bto,btd->od", {4, 250, 33}, {4, 250, 65}},
      {"bto,btd->od", {2, 600, 40}, {2, 600, 70}},
      {"bto,btd->od", {2, 300, 83}, {2, 300, 70}},
      {"to,td->od", {300, 1100}, {300, 64}},
      {"to,td->od", {37, 203}, {37, 85}},
      {"btd,bto->od", {2, 33, 141}, {2, 33, 64}},
      {"bhsd,bhtd->bhst", {2, 3, 17, 32}, {2, 3, 40, 32}},
      {"bhst,bhtd->bhsd", {2, 3, 17, 40}, {2, 3, 40, 32}},
      {"bshd,bthd->bhst", {2, 17, 3, 32}, {2, 40, 3, 32}},
      {"ab,bc->ca", {17, 7}, {7, 33}},
      {"ab,ab->a", {17, 250}, {17, 250}},
      {"ab,ab->ab", {5, 7}, {5, 7}},
      {"a,b->ab", {17}, {33}},
      {"bts,bt->bs", {3, 70, 5}, {3, 70}},
      {"ab,b->a", {33, 683}, {683}},
      {"btd,hd->bth", {2, 9, 250}, {1, 250}},
      {"bhd,hdo->bo", {9, 3, 16}, {3, 16, 35}},
      {"dbh,hdo->bo", {16, 9, 3}, {3, 16, 35}},
      {"bth,bth->", {2, 9, 100}, {2, 9, 100}},
      {"ij,kj->ik", {1, 40}, {37, 40}},
      {"tba,tc->abc", {65, 4, 9}, {65, 33}},
  };
  return list;
}

ContractSpec specOf(Harness &harness, const Case &c) {
  bool isDot = nn::isDotProduct(*nn::parseEquation(c.equation), c.a, c.b);
  return {c.equation,
          c.a,
          c.b,
          harness.f32(),
          harness.f32(),
          harness.f32(),
          isDot ? ContractOrder::Partials : ContractOrder::Chain};
}

Floats runCase(Harness &harness, const std::string &name,
               const ContractSpec &spec, Floats &a, Floats &b) {
  Floats c(product(contractShape(spec)) + 16, 7.0f);
  std::vector<char> scratch(contractScratchBytes(spec, harness.target) + 64,
                            char(0xff));
  harness.run(name, a, b, c, scratch);
  for (int i = 0; i < 16; ++i)
    EXPECT_EQ(c[c.size() - 16 + i], 7.0f) << "wrote past the end: " << name;
  c.resize(c.size() - 16);
  return c;
}

/// The results of all cases; native ones are compared with plain loops.
void runCases(const std::string &cpu, std::vector<Floats> &results) {
  Harness harness(cpu);
  for (size_t i = 0; i < cases().size(); ++i)
    emitContract(harness.site(numbered("k", i)), specOf(harness, cases()[i]));
  ASSERT_NO_FATAL_FAILURE(harness.build());
  for (size_t i = 0; i < cases().size(); ++i) {
    ContractSpec spec = specOf(harness, cases()[i]);
    Floats a = randomFloats(product(spec.a), 1);
    Floats b = randomFloats(product(spec.b), 2);
    results.push_back(runCase(harness, numbered("k", i), spec, a, b));
    if (cpu == "native")
      EXPECT_LT(relativeError(results.back(), reference(spec, a, b)), 2e-6)
          << spec.equation << " case " << i;
  }
}

TEST(Contract, EqualsPlainLoopsOnEveryVectorWidth) {
  std::vector<Floats> native, v3, v2;
  ASSERT_NO_FATAL_FAILURE(runCases("native", native));
  ASSERT_NO_FATAL_FAILURE(runCases("x86-64-v3", v3));
  ASSERT_NO_FATAL_FAILURE(runCases("x86-64-v2", v2));
  for (size_t i = 0; i < cases().size(); ++i) {
    EXPECT_TRUE(sameBits(native[i], v3[i])) << "v3, case " << i;
    EXPECT_TRUE(sameBits(native[i], v2[i])) << "v2, case " << i;
  }
}

TEST(Contract, IsOneAscendingChain) {
  Harness harness;
  ContractSpec spec = specOf(harness, {"ik,jk->ij", {19, 1100}, {37, 1100}});
  emitContract(harness.site("k"), spec);
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Floats a = randomFloats(19 * 1100, 1), b = randomFloats(37 * 1100, 2);
  Floats c = runCase(harness, "k", spec, a, b), want(19 * 37), other(19 * 37);
  for (int i = 0; i < 19; ++i)
    for (int j = 0; j < 37; ++j) {
      float up = 0, down = 0;
      for (int k = 0; k < 1100; ++k) {
        up = std::fma(a[i * 1100 + k], b[j * 1100 + k], up);
        down = std::fma(a[i * 1100 + 1099 - k], b[j * 1100 + 1099 - k], down);
      }
      want[i * 37 + j] = up;
      other[i * 37 + j] = down;
    }
  EXPECT_TRUE(sameBits(c, want));
  EXPECT_FALSE(sameBits(c, other)) << "the test can't see the order";
}

/// A shard with one row adds as the graph does.
TEST(Contract, KeepsTheGraphsOrderInAShardOfOneRow) {
  Harness harness;
  ContractSpec whole = specOf(harness, {"ik,jk->ij", {4, 683}, {9, 683}});
  ContractSpec shard = specOf(harness, {"ik,jk->ij", {1, 683}, {9, 683}});
  EXPECT_EQ(whole.order, ContractOrder::Chain);
  EXPECT_EQ(shard.order, ContractOrder::Partials) << "as a graph of its own";
  emitContract(harness.site("whole"), whole);
  emitContract(harness.site("alone"), shard);
  shard.order = whole.order;
  emitContract(harness.site("shard"), shard);
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Floats a = randomFloats(4 * 683, 1), b = randomFloats(9 * 683, 2);
  Floats all = runCase(harness, "whole", whole, a, b);
  all.resize(9);
  Floats row(a.begin(), a.begin() + 683);
  EXPECT_TRUE(sameBits(all, runCase(harness, "shard", shard, row, b)));
  shard.order = ContractOrder::Partials;
  EXPECT_FALSE(sameBits(all, runCase(harness, "alone", shard, row, b)));
}

TEST(Contract, KnowsADotProduct) {
  struct {
    const char *equation;
    Shape a, b;
    bool isDot;
  } table[] = {{"btd,od->bto", {4, 8, 64}, {1, 64}, true},
               {"btd,od->bto", {4, 8, 63}, {1, 63}, false},
               {"bto,od->btd", {4, 8, 64}, {64, 1}, true},
               {"bto,od->btd", {4, 8, 64}, {64, 2}, false},
               {"bto,od->btd", {1, 1, 64}, {64, 2}, false},
               {"btd,od->bto", {1, 1, 64}, {9, 64}, true},
               {"bhd,ohd->bo", {1, 4, 16}, {9, 4, 16}, true},
               {"bhd,odh->bo", {1, 4, 16}, {9, 16, 4}, false},
               {"ab,ab->a", {17, 250}, {17, 250}, true},
               {"a,b->ab", {17}, {1}, false}};
  for (auto &entry : table)
    EXPECT_EQ(
        nn::isDotProduct(*nn::parseEquation(entry.equation), entry.a, entry.b),
        entry.isDot)
        << entry.equation;
}

TEST(Contract, AcceptsOtherElementTypes) {
  Harness harness;
  ContractSpec wide = {"ik,jk->ij",   {5, 40},       {7, 40},
                       harness.f64(), harness.f64(), harness.f64()};
  ContractSpec narrow = wide;
  narrow.aType = narrow.bType = harness.bf16();
  narrow.cType = harness.f32();
  emitContract(harness.site("wide"), wide);
  emitContract(harness.site("narrow"), narrow);
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Floats a = randomFloats(200, 1), b = randomFloats(280, 2);
  std::vector<double> aWide(a.begin(), a.end()), bWide(b.begin(), b.end());
  std::vector<double> c(35);
  harness.run("wide", aWide, bWide, c);
  EXPECT_LT(relativeError(c, reference(wide, a, b)), 1e-14);

  auto truncate = [](Floats &values) {
    std::vector<uint16_t> narrowed;
    for (float &value : values) {
      uint32_t bits;
      std::memcpy(&bits, &value, 4);
      narrowed.push_back(bits >> 16);
      bits &= 0xffff0000u;
      std::memcpy(&value, &bits, 4);
    }
    return narrowed;
  };
  auto aNarrow = truncate(a), bNarrow = truncate(b);
  Floats cNarrow(35);
  std::vector<char> scratch(contractScratchBytes(narrow, harness.target) + 64);
  harness.run("narrow", aNarrow, bNarrow, cNarrow, scratch);
  EXPECT_LT(relativeError(cNarrow, reference(narrow, a, b)), 1e-6);
}

} // namespace
