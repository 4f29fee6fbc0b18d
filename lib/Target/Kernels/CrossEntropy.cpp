// SPDX-License-Identifier: Apache-2.0
//
// Cross-entropy. A row of logits stays in cache, so the exact form (maximum,
// then 64 partials of the exponentials) beats an online one. Logits and their
// cotangent may be bf16 in memory.

#include "weft/Target/Kernels.h"

#include "KernelBuilder.h"
#include "MathExpansion.h"

using namespace mlir;

namespace weft {

/// The label of rows that do not count.
static constexpr int64_t kIgnored = -100;

/// log of the sum of exponentials of `size` logits from `base` on.
static Value logSumExp(KernelBuilder &b, Value logits, Value base,
                       int64_t size) {
  int64_t lanes = b.target.lanes;
  Value top = b.reduce(
      Combine::FastMax, size, lanes, b.f32(), [&](Value at, Value mask) {
        b.fetchAhead(logits, b.add(base, at), lanes, Fetch::Near);
        return b.load(logits, b.add(base, at), lanes, mask);
      });
  Value shift = b.splat(top, kPartials);
  Value sum = b.reduce(
      Combine::Sum, size, kPartials, b.f32(), [&](Value at, Value mask) {
        Value x = b.load(logits, b.add(base, at), kPartials, mask);
        return expandExp(b, b.sub(x, shift));
      });
  return b.add(top, expandLog(b, sum));
}

func::FuncOp emitCrossEntropy(const KernelSite &site, Type type,
                              ArrayRef<int64_t> shape) {
  KernelBuilder b(site);
  b.computeInF32();
  int64_t classes = shape.back();
  ArrayRef<int64_t> outer = shape.drop_back();
  Type f32 = b.f32(), i64 = b.getI64Type();
  b.begin({MemRefType::get(shape, type), MemRefType::get(outer, i64),
           MemRefType::get({}, f32), MemRefType::get(outer, f32)});
  Value logits = b.arg(0), labels = b.arg(1), total = b.arg(2), lses = b.arg(3);
  Values sum =
      b.loop(b.index(0), b.index(rowsOf(shape)), 1, {b.constant(f32, 0.0)},
             [&](Value row, ValueRange loss) {
               Value base = b.at(b.index(0), row, classes);
               Value lse = logSumExp(b, logits, base, classes);
               b.store(lse, lses, row);
               Value label = b.load(labels, row);
               Value counts =
                   arith::CmpIOp::create(b, arith::CmpIPredicate::ult, label,
                                         b.constant(i64, classes));
               return b.choose(
                   counts, {f32},
                   [&]() -> Values {
                     Value column =
                         arith::IndexCastOp::create(b, b.getIndexType(), label);
                     Value logit = b.load(logits, b.add(base, column));
                     return {b.add(loss[0], b.sub(lse, logit))};
                   },
                   [&]() -> Values { return {loss[0]}; });
             });
  b.store(sum[0], total, b.index(0));
  return b.finish();
}

func::FuncOp emitCrossEntropyGrad(const KernelSite &site, Type type,
                                  ArrayRef<int64_t> shape, bool offset) {
  KernelBuilder b(site);
  b.computeInF32();
  int64_t classes = shape.back();
  ArrayRef<int64_t> outer = shape.drop_back();
  Type f32 = b.f32(), i64 = b.getI64Type();
  SmallVector<Type> types = {
      MemRefType::get(shape, type), MemRefType::get(outer, i64),
      MemRefType::get(outer, f32), MemRefType::get({}, f32)};
  if (offset)
    types.push_back(MemRefType::get({}, i64));
  types.push_back(MemRefType::get(shape, type));
  b.begin(types);
  Value logits = b.arg(0), labels = b.arg(1), lses = b.arg(2),
        dlogits = b.arg(types.size() - 1);
  Value seed = b.load(b.arg(3), b.index(0));
  Value first = offset ? b.load(b.arg(4), b.index(0)) : b.constant(i64, 0);
  b.loop(rowsOf(shape), 1, [&](Value row) {
    Value base = b.at(b.index(0), row, classes);
    Value label = b.load(labels, row);
    Value counts = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, label,
                                         b.constant(i64, kIgnored));
    Value scale = b.splat(seed, kPartials);
    Value shift = b.splat(b.load(lses, row), kPartials);
    Value zero = b.constant(scale.getType(), 0.0);
    auto pass = [&](llvm::function_ref<Value(Value, Value)> element) {
      b.vectorLoop(classes, kPartials, [&](Value at, Value mask) {
        b.fetchAhead(dlogits, b.add(base, at), kPartials, Fetch::Write);
        b.store(element(at, mask), dlogits, b.add(base, at), mask);
      });
      return Values{};
    };
    // The label's own element, exact as (p - 1) * seed.
    auto counted = [&] {
      Value column = b.sub(label, first);
      Value inRange = arith::CmpIOp::create(b, arith::CmpIPredicate::ult,
                                            column, b.constant(i64, classes));
      Value position = b.select(
          inRange, arith::IndexCastOp::create(b, b.getIndexType(), column),
          b.index(0));
      Value own = b.load(logits, b.add(base, position));
      pass([&](Value at, Value mask) {
        b.fetchAhead(logits, b.add(base, at), kPartials, Fetch::Near);
        Value x = b.load(logits, b.add(base, at), kPartials, mask);
        return b.mul(expandExp(b, b.sub(x, shift)), scale);
      });
      b.when(inRange, [&] {
        Value p = expandExp(b, b.sub(own, b.load(lses, row)));
        b.store(b.mul(b.sub(p, b.constant(f32, 1.0)), seed), dlogits,
                b.add(base, position));
      });
      return Values{};
    };
    auto ignored = [&] { return pass([&](Value, Value) { return zero; }); };
    b.choose(counts, {}, counted, ignored);
  });
  return b.finish();
}

} // namespace weft
