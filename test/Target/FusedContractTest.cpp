// SPDX-License-Identifier: Apache-2.0
//
// Contractions that go on with their sums: the same bits as a contraction that
// stores them and a region that loads them.

#include "KernelHarness.h"

using namespace weft;

namespace {

/// op(sum) * x^2 + y, and the sum itself; y has the dims `dims` of the result.
struct Case {
  const char *equation;
  Shape a, b, dims;
  Scalar op = Scalar::Silu;
};
const std::vector<Case> cases = {
    {"td,od->to", {13, 40}, {48, 40}, {0, 1}},
    {"td,od->to", {13, 40}, {48, 40}, {1}},
    {"td,od->to", {13, 40}, {48, 40}, {0}},
    {"td,od->to", {13, 40}, {48, 40}, {}},
    // Shapes that divide nothing; k beyond a block.
    {"td,od->to", {25, 37}, {53, 37}, {0, 1}},
    {"td,do->to", {7, 17}, {17, 250}, {0, 1}},
    {"td,od->to", {30, 1500}, {35, 1500}, {}},
    // A is packed, also for turned tiles; swapped; several letters; a batch.
    {"bto,btd->od", {2, 33, 70}, {2, 33, 83}, {0, 1}},
    {"bto,btd->od", {2, 33, 90}, {2, 33, 83}, {0, 1}},
    {"bto,btd->od", {2, 33, 170}, {2, 33, 70}, {0}},
    {"od,td->to", {70, 40}, {90, 40}, {0, 1}},
    {"btd,hcd->bthc", {2, 9, 40}, {3, 32, 40}, {0, 2, 3}},
    {"btd,hcd->bhtc", {2, 9, 40}, {3, 32, 40}, {1}},
    {"bik,bjk->bij", {3, 14, 20}, {3, 33, 20}, {0, 1, 2}},
};
const std::vector<Case> casesOfBf16 = {
    // Whole tiles and parts of them; one or two panels of columns.
    {"td,od->to", {64, 64}, {128, 64}, {0, 1}},
    {"td,od->to", {45, 50}, {83, 50}, {0, 1}},
    {"td,do->to", {33, 37}, {37, 96}, {1}},
    {"bto,btd->od", {2, 33, 70}, {2, 33, 20}, {0}},
    {"bik,bjk->bij", {3, 14, 20}, {3, 33, 20}, {0, 1, 2}},
    // A cheap region behind a long sum.
    {"td,od->to", {35, 530}, {83, 530}, {0}, Scalar::Relu},
    // Rows of the result end within one of the tile's.
    {"btd,hcd->bthc", {2, 9, 40}, {3, 48, 40}, {3}},
    {"btd,hcd->bthc", {2, 9, 40}, {3, 35, 40}, {}},
    // Too few rows for pairs.
    {"td,od->to", {3, 64}, {48, 64}, {1}},
};

/// Operands and sums; x has the type of sums.
struct Types {
  mlir::Type operand, sum, f32;
};

ElementwiseSpec regionOf(const Case &c, const Shape &shape, const Types &types,
                         bool isFused) {
  Shape memory;
  for (int64_t dim : c.dims)
    memory.push_back(shape[dim]);
  auto [operand, sum, f32] = types;
  ElementwiseSpec spec;
  spec.shape = shape;
  if (isFused)
    spec.inputs = {{operand, c.a, {}}, {operand, c.b, {}}};
  else
    spec.inputs = {{sum, shape, rowMajorStrides(shape)}};
  unsigned first = spec.inputs.size();
  spec.inputs.push_back({sum, shape, rowMajorStrides(shape)});
  spec.inputs.push_back(
      {f32, memory, broadcastStrides(memory, c.dims, shape.size())});
  spec.nodes = {{isFused ? Scalar::Given : Scalar::Input, sum, {}, 0},
                {Scalar::Input, sum, {}, first},
                {Scalar::Input, f32, {}, first + 1},
                {Scalar::Cast, f32, {0}},
                {c.op, f32, {3}},
                {Scalar::Mul, sum, {1, 1}},
                {Scalar::Cast, f32, {5}},
                {Scalar::Mul, f32, {4, 6}},
                {Scalar::Add, f32, {7, 2}},
                {Scalar::Cast, sum, {8}}};
  spec.outputs = {9, 0};
  return spec;
}

ContractSpec specOf(const Case &c, const Types &types) {
  return {c.equation, c.a, c.b, types.operand, types.operand, types.sum};
}

/// Random floats, or bf16.
template <typename T> std::vector<T> valuesOf(int64_t count, unsigned seed) {
  std::vector<T> values;
  for (float value : randomFloats(count, seed)) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    values.emplace_back();
    bits >>= 32 - 8 * sizeof(T);
    std::memcpy(&values.back(), &bits, sizeof(T));
  }
  return values;
}

/// The results of a case, after comparing them with those of two kernels.
template <typename Operand, typename Sum>
std::vector<Sum> compare(Harness &harness, size_t i, const Case &c,
                         const Types &types) {
  ContractSpec spec = specOf(c, types);
  Shape shape = contractShape(spec);
  auto a = valuesOf<Operand>(product(c.a), 1);
  auto b = valuesOf<Operand>(product(c.b), 2);
  auto x = valuesOf<Sum>(product(shape), 3);
  Floats y = randomFloats(8192, 4);
  std::vector<Sum> sum(x.size()), apart(x.size()), copy(x.size());
  spec.region = regionOf(c, shape, types, true);
  std::vector<char> scratch(contractScratchBytes(spec, harness.target) + 64);
  harness.run(numbered("contract", i), a, b, sum, scratch);
  harness.run(numbered("region", i), sum, x, y, apart, copy);
  // In place on x, and not a byte further.
  std::vector<Sum> together = x, kept(x.size() + 16, Sum(7));
  together.resize(x.size() + 16, Sum(7));
  harness.run(numbered("both", i), a, b, together, y, together, kept, scratch);
  for (std::vector<Sum> *result : {&together, &kept})
    for (int n = 0; n < 16; ++n, result->pop_back())
      EXPECT_EQ(result->back(), Sum(7));
  EXPECT_TRUE(sameBits(apart, together));
  EXPECT_TRUE(sameBits(sum, kept));
  return together;
}

template <typename Operand, typename Sum>
std::vector<std::vector<Sum>>
run(Harness &harness, const std::vector<Case> &cases, const Types &types) {
  for (auto [i, c] : llvm::enumerate(cases)) {
    ContractSpec spec = specOf(c, types);
    Shape shape = contractShape(spec);
    emitContract(harness.site(numbered("contract", i)), spec);
    emitElementwise(harness.site(numbered("region", i)),
                    regionOf(c, shape, types, false));
    spec.region = regionOf(c, shape, types, true);
    emitContract(harness.site(numbered("both", i)), spec);
  }
  harness.build();
  std::vector<std::vector<Sum>> results;
  for (auto [i, c] : llvm::enumerate(cases)) {
    SCOPED_TRACE("case " + std::to_string(i) + " on " + harness.target.cpu);
    results.push_back(compare<Operand, Sum>(harness, i, c, types));
  }
  return results;
}

TEST(FusedContract, HasTheBitsOfTwoKernels) {
  auto resultsOn = [](const std::string &cpu) {
    Harness harness(cpu);
    mlir::Type f32 = harness.f32();
    return run<float, float>(harness, cases, {f32, f32, f32});
  };
  std::vector<Floats> native = resultsOn("native");
  std::vector<Floats> narrow = resultsOn("x86-64-v3");
  for (size_t i = 0; i < native.size(); ++i)
    EXPECT_TRUE(sameBits(native[i], narrow[i])) << "case " << i;
}

/// Sums of bf16 products, rounded or not, by one of the three ways to make
/// them.
void compareBf16(bool amx, bool vectors) {
  for (bool isRounded : {true, false}) {
    Harness harness;
    if ((amx && !harness.target.hasAmx) ||
        (vectors && !harness.target.hasAvx512Bf16))
      GTEST_SKIP() << "this CPU has no such instructions";
    harness.target.hasAmx = amx;
    harness.target.hasAvx512Bf16 = vectors;
    mlir::Type bf16 = harness.bf16(), f32 = harness.f32();
    if (isRounded)
      run<uint16_t, uint16_t>(harness, casesOfBf16, {bf16, bf16, f32});
    else
      run<uint16_t, float>(harness, casesOfBf16, {bf16, f32, f32});
  }
}

TEST(FusedContract, TakesSumsOfTiles) { compareBf16(true, false); }
TEST(FusedContract, TakesSumsOfVectors) { compareBf16(false, true); }
TEST(FusedContract, TakesSumsOfWidenedOperands) { compareBf16(false, false); }

} // namespace
