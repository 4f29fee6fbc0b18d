// SPDX-License-Identifier: Apache-2.0
//
// Contractions that go on with their sums: the same bits as a contraction that
// stores them and a region that loads them.

#include "KernelHarness.h"

using namespace weft;

namespace {

/// silu(sum) * x + y, and the sum itself; y has the dims `dims` of the result.
struct Case {
  const char *equation;
  Shape a, b, dims;
};
const Case cases[] = {
    {"td,od->to", {13, 40}, {48, 40}, {0, 1}},
    {"td,od->to", {13, 40}, {48, 40}, {1}},
    {"td,od->to", {13, 40}, {48, 40}, {0}},
    {"td,od->to", {13, 40}, {48, 40}, {}},
    // Shapes that divide nothing; k beyond a block.
    {"td,od->to", {25, 37}, {53, 37}, {0, 1}},
    {"td,do->to", {7, 17}, {17, 250}, {0, 1}},
    {"td,od->to", {30, 1500}, {35, 1500}, {}},
    // A is packed; swapped; several letters; a batch.
    {"bto,btd->od", {2, 33, 70}, {2, 33, 83}, {0, 1}},
    {"od,td->to", {70, 40}, {90, 40}, {0, 1}},
    {"btd,hcd->bthc", {2, 9, 40}, {3, 32, 40}, {0, 2, 3}},
    {"btd,hcd->bhtc", {2, 9, 40}, {3, 32, 40}, {1}},
    {"bik,bjk->bij", {3, 14, 20}, {3, 33, 20}, {0, 1, 2}},
};

ElementwiseSpec regionOf(const Case &c, const Shape &shape, mlir::Type type,
                         bool isFused) {
  Shape memory;
  for (int64_t dim : c.dims)
    memory.push_back(shape[dim]);
  ElementwiseSpec spec;
  spec.shape = shape;
  if (isFused)
    spec.inputs = {{type, c.a, {}}, {type, c.b, {}}};
  else
    spec.inputs = {{type, shape, rowMajorStrides(shape)}};
  unsigned first = spec.inputs.size();
  spec.inputs.push_back({type, shape, rowMajorStrides(shape)});
  spec.inputs.push_back(
      {type, memory, broadcastStrides(memory, c.dims, shape.size())});
  spec.nodes = {{isFused ? Scalar::Given : Scalar::Input, type, {}, 0},
                {Scalar::Input, type, {}, first},
                {Scalar::Input, type, {}, first + 1},
                {Scalar::Silu, type, {0}},
                {Scalar::Mul, type, {3, 1}},
                {Scalar::Add, type, {4, 2}}};
  spec.outputs = {5, 0};
  return spec;
}

/// The results of every case, after comparing them with those of two kernels.
std::vector<Floats> run(const std::string &cpu) {
  Harness harness(cpu);
  mlir::Type f32 = harness.f32();
  std::vector<Shape> shapes;
  for (auto [i, c] : llvm::enumerate(cases)) {
    ContractSpec spec{c.equation, c.a, c.b, f32, f32, f32};
    shapes.push_back(contractShape(spec));
    emitContract(harness.site(numbered("contract", i)), spec);
    emitElementwise(harness.site(numbered("region", i)),
                    regionOf(c, shapes[i], f32, false));
    spec.region = regionOf(c, shapes[i], f32, true);
    emitContract(harness.site(numbered("both", i)), spec);
  }
  harness.build();
  std::vector<Floats> results;
  for (auto [i, c] : llvm::enumerate(cases)) {
    ContractSpec spec{c.equation, c.a, c.b, f32, f32, f32};
    Floats a = randomFloats(product(c.a), 1), b = randomFloats(product(c.b), 2);
    Floats x = randomFloats(product(shapes[i]), 3), y = randomFloats(8192, 4);
    Floats sum(x.size()), apart(x.size()), copy(x.size());
    spec.region = regionOf(c, shapes[i], f32, true);
    std::vector<char> scratch(contractScratchBytes(spec, harness.target) + 64);
    harness.run(numbered("contract", i), a, b, sum, scratch);
    harness.run(numbered("region", i), sum, x, y, apart, copy);
    // In place on x, and not a byte further.
    Floats together = x, kept(x.size() + 16, 7.0f);
    together.resize(x.size() + 16, 7.0f);
    harness.run(numbered("both", i), a, b, together, y, together, kept,
                scratch);
    for (Floats *result : {&together, &kept})
      for (int n = 0; n < 16; ++n, result->pop_back())
        EXPECT_EQ(result->back(), 7.0f) << "case " << i << " on " << cpu;
    EXPECT_TRUE(sameBits(apart, together)) << "case " << i << " on " << cpu;
    EXPECT_TRUE(sameBits(sum, kept)) << "case " << i << " on " << cpu;
    results.push_back(std::move(together));
  }
  return results;
}

TEST(FusedContract, HasTheBitsOfTwoKernels) {
  std::vector<Floats> native = run("native"), narrow = run("x86-64-v3");
  for (size_t i = 0; i < native.size(); ++i)
    EXPECT_TRUE(sameBits(native[i], narrow[i])) << "case " << i;
}

} // namespace
