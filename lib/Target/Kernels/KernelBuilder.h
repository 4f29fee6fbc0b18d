// SPDX-License-Identifier: Apache-2.0
//
// The vocabulary kernels are written in.
//
// A kernel is a `func.func` over static memrefs. The builder hands each
// argument out as a flat 1-D view, so that all addressing is a linear index
// made of `at(base, iv, stride)`. Arithmetic helpers take scalars and vectors
// of any element type alike; none sets a fast-math flag, and `fma` is
// math.fma (vector.fma would become an fmuladd).
//
// Reductions follow one order: 64 partials, element d goes to partial d mod
// 64, combined by halving. `Partials` holds them as 64 / width registers.

#ifndef WEFT_LIB_TARGET_KERNELS_KERNELBUILDER_H
#define WEFT_LIB_TARGET_KERNELS_KERNELBUILDER_H

#include "weft/Target/Kernels.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace weft {

using llvm::ArrayRef;
using llvm::SmallVector;
using mlir::Type;
using mlir::Value;
using mlir::ValueRange;
using Values = SmallVector<Value>;

/// The combiner of a reduction. FastMax is Max by compare and select: cheaper,
/// and a NaN may be lost.
enum class Combine { Sum, Max, Min, Product, FastMax };

/// What memory is fetched for: to be read soon, to be read some time later, or
/// to be written.
enum class Fetch { Near, Far, Write };

/// Number of partials of a reduction over the last dim.
inline constexpr int64_t kPartials = 64;

class KernelBuilder : public mlir::ImplicitLocOpBuilder {
public:
  explicit KernelBuilder(const KernelSite &site)
      : ImplicitLocOpBuilder(site.loc, site.loc.getContext()),
        target(site.target), site(site) {}

  const TargetInfo &target;

  /// From here on `load` yields f32 from bf16 memory and `store` rounds f32 to
  /// it: for kernels that compute in f32, whatever memory holds.
  void computeInF32() { widensLoads = true; }

  /// Opens the kernel at the end of its module; `finish` closes it.
  mlir::func::FuncOp begin(ArrayRef<Type> arguments);
  mlir::func::FuncOp finish();

  /// Argument `i` as a 1-D memref.
  Value arg(unsigned i);
  /// `count` elements of `type` at `byteOffset` of the i8 argument `i`.
  Value scratch(unsigned i, int64_t byteOffset, int64_t count, Type type);

  Value index(int64_t value);
  Value constant(Type type, double value);
  /// `value` in the type of `like`, scalar or vector.
  Value constantLike(Value like, double value);
  Value integerLike(Value like, int64_t value);
  Value splat(Value scalar, int64_t lanes);

  Value add(Value a, Value b);
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value div(Value a, Value b);
  Value fma(Value a, Value b, Value c);
  Value neg(Value a);
  /// Ordered float or signed integer comparison.
  Value less(Value a, Value b);
  Value select(Value condition, Value a, Value b);
  Value combine(Combine kind, Value a, Value b);
  /// The neutral element of `kind`.
  Value neutral(Combine kind, Type type);
  /// base + iv * stride, folded where it can be.
  Value at(Value base, Value iv, int64_t stride = 1);
  Value min(Value a, Value b);
  /// Quotient and remainder of an index.
  std::pair<Value, Value> divide(Value index, int64_t divisor);

  /// for (iv = lo; iv < hi; iv += step) body(iv)
  void loop(Value lo, Value hi, int64_t step,
            llvm::function_ref<void(Value)> body);
  void loop(int64_t count, int64_t step, llvm::function_ref<void(Value)> body);
  /// The same with carried values: body returns the next ones.
  Values loop(Value lo, Value hi, int64_t step, ValueRange carried,
              llvm::function_ref<Values(Value, ValueRange)> body);
  void when(Value condition, llvm::function_ref<void()> then);
  Values choose(Value condition, mlir::TypeRange types,
                llvm::function_ref<Values()> then,
                llvm::function_ref<Values()> otherwise);

  /// Loads `lanes` elements (1: a scalar); lanes where `mask` is off are 0.
  Value load(Value memory, Value position, int64_t lanes = 1, Value mask = {});
  /// The same in the memory's type, whatever the kernel computes in.
  Value loadStored(Value memory, Value position, int64_t lanes = 1,
                   Value mask = {});
  void store(Value value, Value memory, Value position, Value mask = {});
  /// Asks for the cache line at `position`, which has to lie in `memory`.
  void prefetch(Value memory, Value position, Fetch purpose);
  /// For a loop that goes through `memory` in order and is at the `lanes`
  /// elements from `position` on: asks for as many further on. Nothing where
  /// the memory is small.
  void fetchAhead(Value memory, Value position, int64_t lanes, Fetch purpose);
  Value mask(Value count, int64_t lanes);
  /// Splits [0, count) into full vectors and one masked tail.
  void vectorLoop(int64_t count, int64_t lanes,
                  llvm::function_ref<void(Value position, Value mask)> body);

  /// Combines the lanes of `vector` by halving, down to a scalar.
  Value halve(Combine kind, Value vector);
  /// Reduces element(position, mask) over [0, count), 64 partials held in
  /// registers of `width` lanes.
  Value reduce(Combine kind, int64_t count, int64_t width, Type type,
               llvm::function_ref<Value(Value position, Value mask)> element);
  /// The 64 partials over a count known at run time, a multiple of `step` that
  /// divides 64 and is a multiple of `width`; combined down to `width` lanes.
  Value partialsOf(Combine kind, Value count, int64_t step, int64_t width,
                   Type type,
                   llvm::function_ref<Value(Value position)> element);
  /// sum of a(i) * b(i), each product fused into its partial.
  using PairFn =
      llvm::function_ref<std::pair<Value, Value>(Value position, Value mask)>;
  Value dot(int64_t count, int64_t width, Type type, PairFn pair);
  /// Its partials, combined down to `width` lanes.
  Value partialsOfDot(int64_t count, int64_t width, Type type, PairFn pair);

  mlir::Type f32() { return getF32Type(); }
  mlir::VectorType vec(int64_t lanes, Type type) {
    return mlir::VectorType::get({lanes}, type);
  }

private:
  const KernelSite &site;
  bool widensLoads = false;
  using AccumulateFn =
      llvm::function_ref<Value(Value partial, Value position, Value mask)>;
  Value combinePartials(Combine kind, Values partials);
  Value accumulate(Combine kind, int64_t count, int64_t width, Type type,
                   AccumulateFn next);
  mlir::func::FuncOp function;
};

/// The product of all dims but the last.
inline int64_t rowsOf(ArrayRef<int64_t> shape) {
  int64_t rows = 1;
  for (int64_t size : shape.drop_back())
    rows *= size;
  return rows;
}
/// `type` or, if it is a vector, its element type.
inline Type elementOf(Value value) {
  return mlir::getElementTypeOrSelf(value.getType());
}
/// Lanes of a vector, 1 of a scalar.
inline int64_t lanesOf(Value value) {
  auto vector = llvm::dyn_cast<mlir::VectorType>(value.getType());
  return vector ? vector.getNumElements() : 1;
}
/// The element type in memory: i1 is stored as i8.
inline Type storedType(Type type) {
  return type.isInteger(1) ? Type(mlir::IntegerType::get(type.getContext(), 8))
                           : type;
}
/// `type` with the lanes of `like`.
inline Type typeLike(Value like, Type type) {
  auto vector = llvm::dyn_cast<mlir::VectorType>(like.getType());
  return vector ? Type(vector.clone(type)) : type;
}

} // namespace weft

#endif // WEFT_LIB_TARGET_KERNELS_KERNELBUILDER_H
