// SPDX-License-Identifier: Apache-2.0
//
// Elementwise regions: the functions' errors in ulp, shapes, types, and bit
// equality of fused and separate kernels and of vector widths.

#include "KernelHarness.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include <functional>

using namespace weft;

namespace {

struct Function {
  const char *name;
  Scalar op;
  double (*exact)(double);
  double maxUlp, lo, hi;
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double gelu(double x) { return x / 2 * (1 + std::erf(x * M_SQRT1_2)); }
double geluTanh(double x) {
  return x / 2 *
         (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
}

const Function functions[] = {
    {"exp", Scalar::Exp, std::exp, 1.1, -104, 89},
    {"log", Scalar::Log, std::log, 0.95, 0, 10},
    {"log_large", Scalar::Log, std::log, 0.95, 0, 3e38},
    {"expm1", Scalar::Expm1, std::expm1, 3, -100, 88},
    {"expm1_small", Scalar::Expm1, std::expm1, 3, -1, 1},
    {"log1p", Scalar::Log1p, std::log1p, 3, -1, 10},
    {"log1p_small", Scalar::Log1p, std::log1p, 3, -1e-3, 1e-3},
    {"log1p_large", Scalar::Log1p, std::log1p, 3, 0, 3e38},
    {"tanh", Scalar::Tanh, std::tanh, 1.5, -10, 10},
    {"erf", Scalar::Erf, std::erf, 1.15, -5, 5},
    {"sin", Scalar::Sin, std::sin, 1.6, -1000, 1000},
    {"sin_large", Scalar::Sin, std::sin, 1.6, 1e4, 131072},
    {"sin_huge", Scalar::Sin, std::sin, 1.6, -3.4e38, 3.4e38},
    {"sin_middle", Scalar::Sin, std::sin, 1.6, 131072, 1e9},
    {"cos", Scalar::Cos, std::cos, 1.6, -1000, 1000},
    {"cos_huge", Scalar::Cos, std::cos, 1.6, -3.4e38, 3.4e38},
    {"cos_middle", Scalar::Cos, std::cos, 1.6, 131072, 1e9},
    {"sqrt", Scalar::Sqrt, std::sqrt, 0.51, 0, 100},
    {"sigmoid", Scalar::Sigmoid, sigmoid, 3, -80, 80},
};

/// Distance in units of the last place of the exact result's float.
double ulps(float got, double exact) {
  if (std::isnan(exact))
    return std::isnan(got) ? 0 : INFINITY;
  float rounded = static_cast<float>(exact);
  if (std::isinf(rounded) || rounded == got)
    return rounded == got ? std::min(0.5, 0.5) : INFINITY;
  int exponent = std::max(std::ilogb(rounded), -126);
  return std::abs(got - exact) / std::ldexp(1.0, exponent - 23);
}

ElementwiseInput plain(mlir::Type type, const Shape &shape) {
  return {type, shape, rowMajorStrides(shape), 0};
}

ElementwiseSpec unary(Scalar op, mlir::Type type, int64_t count) {
  ElementwiseSpec spec;
  spec.shape = {count};
  spec.inputs = {plain(type, spec.shape)};
  spec.nodes = {{Scalar::Input, type, {}, 0}, {op, type, {0}}};
  spec.outputs = {1};
  return spec;
}

Floats sample(const Function &f, int64_t count) {
  Floats x = randomFloats(count, 3);
  for (float &value : x)
    value = f.lo + (f.hi - f.lo) * (value + 1) / 2;
  return x;
}

TEST(Math, StaysWithinItsUlps) {
  constexpr int64_t count = 200000;
  for (const char *cpu : {"native", "x86-64-v3"}) {
    Harness harness(cpu);
    for (const Function &f : functions)
      emitElementwise(harness.site(f.name), unary(f.op, harness.f32(), count));
    ASSERT_NO_FATAL_FAILURE(harness.build());
    for (const Function &f : functions) {
      Floats x = sample(f, count), y(count);
      harness.run(f.name, x, y);
      double worst = 0;
      for (int64_t i = 0; i < count; ++i)
        worst = std::max(worst, ulps(y[i], f.exact(x[i])));
      EXPECT_LT(worst, f.maxUlp) << f.name << " on " << cpu;
    }
  }
}

TEST(Math, GeluIsCloseToItsFormulas) {
  constexpr int64_t count = 1000;
  Harness harness;
  emitElementwise(harness.site("gelu"),
                  unary(Scalar::Gelu, harness.f32(), count));
  emitElementwise(harness.site("gelu_tanh"),
                  unary(Scalar::GeluTanh, harness.f32(), count));
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Floats x = randomFloats(count), y(count), z(count);
  for (float &value : x)
    value *= 6;
  harness.run("gelu", x, y);
  harness.run("gelu_tanh", x, z);
  for (int64_t i = 0; i < count; ++i) {
    EXPECT_NEAR(y[i], gelu(x[i]), 1e-6);
    EXPECT_NEAR(z[i], geluTanh(x[i]), 1e-6);
  }
}

TEST(Math, HandlesSpecialValues) {
  constexpr int64_t count = 13; // a masked tail only
  const float inf = INFINITY;
  Floats x = {0.0f,  -0.0f, inf,    -inf,   NAN,    1.0f, -1.0f,
              88.7f, 89.5f, -103.f, -200.f, 1e-40f, 3e38f};
  Harness harness;
  std::vector<std::pair<Scalar, double (*)(double)>> list = {
      {Scalar::Exp, std::exp},    {Scalar::Log, std::log},
      {Scalar::Tanh, std::tanh},  {Scalar::Erf, std::erf},
      {Scalar::Sigmoid, sigmoid}, {Scalar::Expm1, std::expm1},
      {Scalar::Log1p, std::log1p}};
  for (auto [i, entry] : llvm::enumerate(list))
    emitElementwise(harness.site(numbered("f", i)),
                    unary(entry.first, harness.f32(), count));
  ASSERT_NO_FATAL_FAILURE(harness.build());
  for (size_t i = 0; i < list.size(); ++i) {
    Floats y(count);
    harness.run(numbered("f", i), x, y);
    for (int64_t k = 0; k < count; ++k) {
      EXPECT_LT(ulps(y[k], list[i].second(x[k])), 1.6) << i << " " << x[k];
      if (x[k] == 0 && i > 1 && i < 4) {
        EXPECT_EQ(std::signbit(y[k]), std::signbit(x[k]));
      }
    }
  }
}

TEST(Math, PowIsAlmostCorrectlyRounded) {
  constexpr int64_t count = 20000;
  Harness harness;
  ElementwiseSpec spec;
  spec.shape = {count};
  mlir::Type f32 = harness.f32();
  spec.inputs = {plain(f32, spec.shape), plain(f32, spec.shape)};
  spec.nodes = {{Scalar::Input, f32, {}, 0},
                {Scalar::Input, f32, {}, 1},
                {Scalar::Pow, f32, {0, 1}}};
  spec.outputs = {2};
  emitElementwise(harness.site("pow"), spec);
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Floats x = randomFloats(count, 1), y = randomFloats(count, 2), z(count);
  const float edges[] = {0.0f, -0.0f, 1.0f,     -1.0f, 2.0f, -2.0f,
                         3.0f, 0.5f,  INFINITY, NAN,   0.9f, 0.999f};
  int64_t at = 0;
  for (float a : edges)
    for (float b : edges)
      x[at] = a, y[at++] = b;
  for (int64_t i = at; i < count; ++i)
    x[i] = std::abs(x[i]) * 10, y[i] *= 20;
  harness.run("pow", x, y, z);
  for (int64_t i = 0; i < count; ++i) {
    bool minusOneToInfinity = x[i] == -1 && std::isinf(y[i]);
    if (!minusOneToInfinity) {
      EXPECT_LT(ulps(z[i], std::pow(double(x[i]), double(y[i]))), 0.6)
          << x[i] << " ^ " << y[i];
    }
  }
}

TEST(Math, PowOfDoublesIsOurs) {
  constexpr int64_t count = 4000;
  Harness harness;
  mlir::Type f64 = harness.f64();
  ElementwiseSpec spec;
  spec.shape = {count};
  spec.inputs = {plain(f64, spec.shape), plain(f64, spec.shape)};
  spec.nodes = {{Scalar::Input, f64, {}, 0},
                {Scalar::Input, f64, {}, 1},
                {Scalar::Pow, f64, {0, 1}}};
  spec.outputs = {2};
  emitElementwise(harness.site("pow"), spec);
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Floats x = randomFloats(count, 1), y = randomFloats(count, 2);
  std::vector<double> base(count), exponent(count), z(count);
  for (int64_t i = 0; i < count; ++i) {
    // Decay rates to the power of steps; then anything.
    bool isRate = i % 2;
    base[i] = isRate ? 1 - std::abs(x[i]) / 10 : std::abs(x[i]) * 1e3;
    exponent[i] = isRate ? i : y[i] * 90;
  }
  base[0] = 0, exponent[0] = 2;
  base[2] = -2, exponent[2] = 3;
  base[4] = 10, exponent[4] = 400;
  base[6] = 10, exponent[6] = -400;
  base[8] = -2, exponent[8] = 0.5;
  harness.run("pow", base, exponent, z);
  for (int64_t i = 0; i < count; ++i) {
    double want = std::pow(base[i], exponent[i]);
    if (std::isnan(want))
      EXPECT_TRUE(std::isnan(z[i]));
    else if (std::isinf(want) || want == 0)
      EXPECT_EQ(z[i], want) << base[i] << " ^ " << exponent[i];
    else
      EXPECT_NEAR(z[i] / want, 1, 1e-13) << base[i] << " ^ " << exponent[i];
  }
}

TEST(Math, SinAndCosOfNoNumberAreNone) {
  Harness harness;
  emitElementwise(harness.site("sin"), unary(Scalar::Sin, harness.f32(), 5));
  emitElementwise(harness.site("cos"), unary(Scalar::Cos, harness.f32(), 5));
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Floats x = {INFINITY, -INFINITY, NAN, -0.0f, 0.5f}, s(5), c(5);
  harness.run("sin", x, s);
  harness.run("cos", x, c);
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(std::isnan(s[i]) && std::isnan(c[i])) << x[i];
  EXPECT_TRUE(s[3] == 0 && std::signbit(s[3]) && c[3] == 1);
}

/// silu(g) * u + c, all inputs broadcast differently.
TEST(Elementwise, BroadcastsAndCountsAlongDims) {
  Harness harness;
  mlir::Type f32 = harness.f32(), i64 = harness.i64(), i1 = harness.i1();
  ElementwiseSpec spec;
  spec.shape = {3, 7, 17};
  spec.inputs = {plain(f32, spec.shape),
                 {f32, {17}, broadcastStrides({17}, {2}, 3), 0},
                 {f32, {3, 7}, broadcastStrides({3, 7}, {0, 1}, 3), 0},
                 {i64, {}, broadcastStrides({}, {}, 3), 0}};
  spec.nodes = {
      {Scalar::Input, f32, {}, 0},      {Scalar::Input, f32, {}, 1},
      {Scalar::Input, f32, {}, 2},      {Scalar::Input, i64, {}, 3},
      {Scalar::Iota, i64, {}, 2},       {Scalar::Iota, f32, {}, 1},
      {Scalar::Add, i64, {3, 4}},       {Scalar::Constant, i64, {}, 0, 9},
      {Scalar::Less, i1, {6, 7}},       {Scalar::Mul, f32, {0, 1}},
      {Scalar::Add, f32, {9, 2}},       {Scalar::Add, f32, {10, 5}},
      {Scalar::Select, f32, {8, 11, 0}}};
  spec.outputs = {12, 8};
  emitElementwise(harness.site("k"), spec);
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Floats x = randomFloats(357, 1), w = randomFloats(17, 2),
         r = randomFloats(21, 3), y(357 + 1, 5.0f);
  Ints offset = {2};
  std::vector<uint8_t> mask(357);
  harness.run("k", x, w, r, offset, y, mask);
  for (int i = 0; i < 357; ++i) {
    bool less = 2 + i % 17 < 9;
    float want = x[i] * w[i % 17];
    want += r[i / 17];
    want += static_cast<float>(i / 17 % 7);
    EXPECT_EQ(y[i], less ? want : x[i]) << i;
    EXPECT_EQ(mask[i], less);
  }
  EXPECT_EQ(y[357], 5.0f);
}

TEST(Elementwise, KeepsItsBitsFusedOrNot) {
  constexpr int64_t count = 5 * 683;
  auto region = [&](mlir::Type f32, std::vector<ScalarNode> tail,
                    unsigned output) {
    ElementwiseSpec spec;
    spec.shape = {5, 683};
    spec.inputs = {plain(f32, spec.shape), plain(f32, spec.shape)};
    spec.nodes = {{Scalar::Input, f32, {}, 0}, {Scalar::Input, f32, {}, 1}};
    spec.nodes.insert(spec.nodes.end(), tail.begin(), tail.end());
    spec.outputs = {output};
    return spec;
  };
  Floats fused[2];
  for (int wide = 0; wide < 2; ++wide) {
    Harness harness(wide ? "native" : "x86-64-v3");
    mlir::Type f32 = harness.f32();
    emitElementwise(harness.site("silu"),
                    region(f32, {{Scalar::Silu, f32, {0}}}, 2));
    emitElementwise(harness.site("mul"),
                    region(f32, {{Scalar::Mul, f32, {0, 1}}}, 2));
    emitElementwise(harness.site("add"),
                    region(f32, {{Scalar::Add, f32, {0, 1}}}, 2));
    emitElementwise(harness.site("all"), region(f32,
                                                {{Scalar::Silu, f32, {0}},
                                                 {Scalar::Mul, f32, {2, 1}},
                                                 {Scalar::Add, f32, {3, 0}}},
                                                4));
    ASSERT_NO_FATAL_FAILURE(harness.build());
    Floats g = randomFloats(count, 1), u = randomFloats(count, 2), t(count);
    fused[wide].resize(count);
    harness.run("silu", g, g, t);
    harness.run("mul", t, u, t); // in place
    harness.run("add", t, g, t);
    harness.run("all", g, u, fused[wide]);
    EXPECT_TRUE(sameBits(t, fused[wide]));
  }
  EXPECT_TRUE(sameBits(fused[0], fused[1]));
}

TEST(Elementwise, CastsBetweenTypes) {
  Harness harness;
  mlir::Type f32 = harness.f32(), i64 = harness.i64(), f64 = harness.f64(),
             bf16 = harness.bf16(), i1 = harness.i1();
  ElementwiseSpec spec;
  spec.shape = {70};
  spec.inputs = {plain(f32, spec.shape)};
  spec.nodes = {{Scalar::Input, f32, {}, 0}, {Scalar::Cast, i64, {0}},
                {Scalar::Cast, f64, {0}},    {Scalar::Cast, bf16, {0}},
                {Scalar::Cast, f32, {3}},    {Scalar::Cast, i1, {0}},
                {Scalar::Cast, f32, {5}},    {Scalar::Exp, f64, {2}}};
  spec.outputs = {1, 2, 4, 6, 7};
  emitElementwise(harness.site("k"), spec);
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Floats x = randomFloats(70), rounded(70), flags(70);
  for (float &value : x)
    value *= 9;
  x[3] = 0;
  x[4] = 1.00390625f; // halfway between two bf16: to even
  Ints integers(70);
  std::vector<double> wide(70), exponential(70);
  harness.run("k", x, integers, wide, rounded, flags, exponential);
  for (int i = 0; i < 70; ++i) {
    EXPECT_EQ(integers[i], static_cast<int64_t>(x[i]));
    EXPECT_EQ(wide[i], x[i]);
    EXPECT_LE(std::abs(rounded[i] - x[i]), std::abs(x[i]) / 256);
    EXPECT_EQ(flags[i], x[i] != 0);
    EXPECT_DOUBLE_EQ(exponential[i], std::exp(double(x[i])));
  }
  EXPECT_EQ(rounded[4], 1.0f);
}

/// The hardware reads ahead within a page; of long memory the kernel asks for
/// each line itself, and for none behind the end.
TEST(Elementwise, FetchesLongMemoryAhead) {
  Harness harness;
  auto numFetches = [&](int64_t count) {
    ElementwiseSpec spec;
    spec.shape = {count};
    mlir::Type f32 = harness.f32();
    spec.inputs = {plain(f32, {count}), plain(f32, {count}), {f32, {}, {0}}};
    spec.nodes = {{Scalar::Input, f32, {}, 0},
                  {Scalar::Input, f32, {}, 1},
                  {Scalar::Input, f32, {}, 2},
                  {Scalar::Add, f32, {0, 1}},
                  {Scalar::Mul, f32, {3, 2}}};
    spec.outputs = {4};
    int64_t fetches = 0;
    emitElementwise(harness.site(numbered("k", count)), spec)
        .walk([&](mlir::memref::PrefetchOp) { ++fetches; });
    return fetches;
  };
  EXPECT_EQ(numFetches(8000), 0); // less than 32 KiB
  // Of two inputs and a result, the lines of four registers.
  EXPECT_EQ(numFetches(8200), 3 * 4 * harness.target.lanes / 16);
  ASSERT_NO_FATAL_FAILURE(harness.build());
  Floats x = randomFloats(8200, 1), y = randomFloats(8200, 2), z(8200);
  Floats two = {2.0f}, want(8200);
  for (size_t i = 0; i < want.size(); ++i)
    want[i] = (x[i] + y[i]) * 2;
  harness.run("k8200", x, y, two, z);
  EXPECT_TRUE(sameBits(z, want));
}

} // namespace
