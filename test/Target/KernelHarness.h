// SPDX-License-Identifier: Apache-2.0
//
// Emits kernels into one module, compiles and loads them, and compares their
// results with plain loops.
//
//   Harness harness;                       // or Harness("x86-64-v3")
//   emitContract(harness.site("k"), spec);
//   harness.build();
//   harness.run("k", a, b, c);             // vectors of any element type

#ifndef WEFT_TEST_TARGET_KERNELHARNESS_H
#define WEFT_TEST_TARGET_KERNELHARNESS_H

#include "weft/Target/Kernels.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"

#include "llvm/ADT/Twine.h"

#include "gtest/gtest.h"

#include <cmath>
#include <cstring>
#include <dlfcn.h>
#include <random>
#include <string>
#include <unistd.h>
#include <vector>

namespace weft {

using Floats = std::vector<float>;
using Ints = std::vector<int64_t>;

/// Set by `TargetTest` and `TargetSlowTests`: how far to optimise kernels that
/// are one of many and compared with optimised ones or with each other.
extern const unsigned sweepLevel;

class Harness {
public:
  /// Optimises native kernels as programs are, those of other CPUs for a sweep.
  explicit Harness(const std::string &cpu = "native")
      : Harness(cpu, cpu == "native" ? TargetConfig().optLevel : sweepLevel) {}
  Harness(const std::string &cpu, unsigned level)
      : context(makeContext()), loc(mlir::UnknownLoc::get(context.get())),
        module(mlir::ModuleOp::create(loc)), builder(context.get()) {
    target = *resolveTarget({.cpu = cpu, .optLevel = level}, loc);
  }
  ~Harness() {
    if (library)
      dlclose(library);
    module->erase();
  }

  KernelSite site(const std::string &name) {
    return {module, name, target, loc};
  }

  void build() {
    ASSERT_TRUE(mlir::succeeded(mlir::verify(module)));
    static int count = 0;
    std::string stem = (llvm::Twine("/tmp/weft-kernel-test-") +
                        llvm::Twine(getpid()) + "-" + llvm::Twine(count++))
                           .str();
    std::string object = stem + ".o", shared = stem + ".so";
    ASSERT_TRUE(mlir::succeeded(emitObject(module, object, target)));
    ASSERT_TRUE(mlir::succeeded(linkSharedLibrary({object}, shared, loc)));
    library = dlopen(shared.c_str(), RTLD_NOW | RTLD_LOCAL);
    unlink(object.c_str());
    unlink(shared.c_str());
    ASSERT_NE(library, nullptr) << dlerror();
  }

  template <typename... Buffers>
  void run(const std::string &name, Buffers &...buffers) {
    auto *kernel = reinterpret_cast<void (*)(decltype(buffers.data())...)>(
        dlsym(library, name.c_str()));
    ASSERT_NE(kernel, nullptr) << name;
    kernel(buffers.data()...);
  }

  mlir::Type f32() { return builder.getF32Type(); }
  mlir::Type f64() { return builder.getF64Type(); }
  mlir::Type bf16() { return builder.getBF16Type(); }
  mlir::Type i64() { return builder.getI64Type(); }
  mlir::Type i1() { return builder.getI1Type(); }

  TargetInfo target;

private:
  static std::unique_ptr<mlir::MLIRContext> makeContext() {
    mlir::DialectRegistry registry;
    registerKernelDialects(registry);
    auto context = std::make_unique<mlir::MLIRContext>(
        registry, mlir::MLIRContext::Threading::DISABLED);
    context->loadAllAvailableDialects();
    return context;
  }

  std::unique_ptr<mlir::MLIRContext> context;
  mlir::Location loc;
  mlir::ModuleOp module;
  mlir::Builder builder;
  void *library = nullptr;
};

/// "k", 3 -> "k3"
inline std::string numbered(const char *stem, size_t number) {
  return (llvm::Twine(stem) + llvm::Twine(number)).str();
}

/// The number of elements.
inline int64_t product(const Shape &shape) {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return count;
}

/// Values in [-1, 1), the same for the same seed.
inline Floats randomFloats(int64_t count, unsigned seed = 1) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  Floats values(count);
  for (float &value : values)
    value = uniform(engine);
  return values;
}

inline Ints randomInts(int64_t count, int64_t lo, int64_t hi,
                       unsigned seed = 1) {
  std::mt19937 engine(seed);
  std::uniform_int_distribution<int64_t> uniform(lo, hi - 1);
  Ints values(count);
  for (int64_t &value : values)
    value = uniform(engine);
  return values;
}

/// The largest |got - want| over the largest |want|.
template <typename Got, typename Want>
double relativeError(const std::vector<Got> &got,
                     const std::vector<Want> &want) {
  EXPECT_EQ(got.size(), want.size());
  double error = 0, scale = 1e-30;
  for (size_t i = 0; i < want.size(); ++i) {
    double difference = std::abs(double(got[i]) - double(want[i]));
    error = std::isnan(difference) ? INFINITY : std::max(error, difference);
    scale = std::max(scale, std::abs(double(want[i])));
  }
  return error / scale;
}

template <typename T>
bool sameBits(const std::vector<T> &a, const std::vector<T> &b) {
  return a.size() == b.size() &&
         std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

} // namespace weft

#endif // WEFT_TEST_TARGET_KERNELHARNESS_H
