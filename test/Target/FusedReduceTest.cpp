// SPDX-License-Identifier: Apache-2.0
//
// Reductions that compute their elements: the same bits as a region that
// stores them and a reduction that loads them.

#include "KernelHarness.h"

using namespace weft;

namespace {

using Narrow = std::vector<uint16_t>;

/// silu(x * y) * 0.3, where y has the dims `dims` of `shape`.
struct Case {
  Shape shape, dims, reduced;
};
const Case cases[] = {
    {{683}, {0}, {0}},
    {{7, 250}, {0, 1}, {1}},
    {{7, 250}, {0, 1}, {0}},
    {{7, 250}, {0, 1}, {0, 1}},
    // y repeats along rows, along columns, or altogether.
    {{17, 130}, {1}, {1}},
    {{17, 130}, {0}, {1}},
    {{17, 130}, {1}, {0}},
    {{17, 130}, {0}, {0}},
    {{17, 130}, {}, {0, 1}},
    {{5, 3, 2, 70}, {1, 3}, {0, 2}},
    {{5, 3, 2, 70}, {0, 1}, {0, 2, 3}},
    {{5, 3, 2, 70}, {1, 2, 3}, {1, 2, 3}},
};

ElementwiseSpec regionOf(const Case &c, mlir::Type type) {
  Shape memory;
  for (int64_t dim : c.dims)
    memory.push_back(c.shape[dim]);
  ElementwiseSpec spec;
  spec.shape = c.shape;
  spec.inputs = {
      {type, c.shape, rowMajorStrides(c.shape)},
      {type, memory, broadcastStrides(memory, c.dims, c.shape.size())}};
  spec.nodes = {
      {Scalar::Input, type, {}, 0},         {Scalar::Input, type, {}, 1},
      {Scalar::Mul, type, {0, 1}},          {Scalar::Silu, type, {2}},
      {Scalar::Constant, type, {}, 0, 0.3}, {Scalar::Mul, type, {3, 4}}};
  spec.outputs = {5};
  return spec;
}

ReduceSpec reductionOf(const Case &c, ReduceKind kind, mlir::Type type,
                       mlir::Type result) {
  return {kind, type, c.shape, c.reduced, result, {}};
}

int64_t numResults(const Case &c) {
  int64_t count = product(c.shape);
  for (int64_t dim : c.reduced)
    count /= c.shape[dim];
  return count;
}

/// Results of every case in one kernel, after comparing them with those of two.
template <typename Input, typename Result>
std::vector<std::vector<Result>> run(const std::string &cpu, bool isNarrow,
                                     ReduceKind kind, const Input &x,
                                     const Input &y) {
  Harness harness(cpu);
  mlir::Type type = isNarrow ? harness.bf16() : harness.f32();
  for (auto [i, c] : llvm::enumerate(cases)) {
    ReduceSpec reduction = reductionOf(c, kind, type, harness.f32());
    emitElementwise(harness.site(numbered("region", i)), regionOf(c, type));
    emitReduce(harness.site(numbered("reduce", i)), reduction);
    reduction.region = regionOf(c, type);
    emitReduce(harness.site(numbered("both", i)), reduction);
  }
  harness.build();
  std::vector<std::vector<Result>> results;
  for (auto [i, c] : llvm::enumerate(cases)) {
    Input left = x, right = y, between(product(c.shape));
    std::vector<Result> apart(numResults(c)), together(numResults(c));
    harness.run(numbered("region", i), left, right, between);
    harness.run(numbered("reduce", i), between, apart);
    harness.run(numbered("both", i), left, right, together);
    EXPECT_TRUE(sameBits(apart, together)) << "case " << i << " on " << cpu;
    results.push_back(std::move(together));
  }
  return results;
}

TEST(FusedReduce, HasTheBitsOfTwoKernels) {
  Floats x = randomFloats(2500, 1), y = randomFloats(2500, 2);
  for (ReduceKind kind : {ReduceKind::Sum, ReduceKind::Max})
    EXPECT_EQ((run<Floats, float>("native", false, kind, x, y)),
              (run<Floats, float>("x86-64-v3", false, kind, x, y)));
}

TEST(FusedReduce, RoundsElementsAsMemoryWould) {
  Narrow x(2500), y(2500);
  Ints bits = randomInts(5000, 0x3d00, 0x4000, 7); // 0.03 to 2
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = bits[i] | (i % 3 == 0 ? 0x8000 : 0), y[i] = bits[2500 + i];
  EXPECT_EQ((run<Narrow, float>("native", true, ReduceKind::Sum, x, y)),
            (run<Narrow, float>("x86-64-v3", true, ReduceKind::Sum, x, y)));
}

} // namespace
