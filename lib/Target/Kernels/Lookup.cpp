// SPDX-License-Identifier: Apache-2.0
//
// Kernels that address memory by an index operand: embedding and its gradient,
// pick and place. An index outside [offset, offset + size) reads as zero and
// writes nothing, so no index can leave its buffer.

#include "weft/Target/Kernels.h"

#include "KernelBuilder.h"

using namespace mlir;

namespace weft {

namespace {
class LookupEmitter {
public:
  LookupEmitter(const KernelSite &site, const LookupSpec &spec)
      : b(site), spec(spec), type(spec.type ? spec.type : b.f32()) {
    for (int64_t size : spec.indices)
      count *= size;
  }

  /// Opens a kernel with the given inputs, the offset if any, and `output`.
  void begin(SmallVector<Type> inputs, Type output) {
    Type i64 = b.getI64Type();
    numInputs = inputs.size();
    if (spec.offset)
      inputs.push_back(MemRefType::get({}, i64));
    inputs.push_back(output);
    b.begin(inputs);
    out = b.arg(inputs.size() - 1);
    offset =
        spec.offset ? b.load(b.arg(numInputs), b.index(0)) : b.constant(i64, 0);
  }

  Type indexType() { return MemRefType::get(spec.indices, b.getI64Type()); }
  /// The indices' shape with `last` appended.
  Type dataType(std::optional<int64_t> last) {
    Shape shape = spec.indices;
    if (last)
      shape.push_back(*last);
    return MemRefType::get(shape, type);
  }
  Type tableType(Type element) {
    return MemRefType::get({spec.size, spec.width}, element);
  }

  /// body(number, local index, whether it is in range) for every index.
  void forIndices(Value indices,
                  llvm::function_ref<void(Value, Value, Value)> body) {
    b.loop(count, 1, [&](Value i) {
      Value local = b.sub(b.load(indices, i), offset);
      // Unsigned: a negative index is a large one.
      Value inRange =
          arith::CmpIOp::create(b, arith::CmpIPredicate::ult, local,
                                b.constant(local.getType(), spec.size));
      body(i, arith::IndexCastOp::create(b, b.getIndexType(), local), inRange);
    });
  }

  int64_t lanes() {
    int64_t lanes = 1;
    while (lanes < kPartials && lanes < spec.width)
      lanes *= 2;
    return lanes;
  }
  void zero(Value base, int64_t size) {
    int64_t width = size >= kPartials ? kPartials : 1;
    Type stored = cast<MemRefType>(out.getType()).getElementType();
    Value zero = b.splat(b.constant(stored, 0.0), width);
    b.vectorLoop(size, width, [&](Value at, Value mask) {
      b.store(zero, out, b.add(base, at), mask);
    });
  }

  KernelBuilder b;
  const LookupSpec &spec;
  Type type;
  int64_t count = 1;
  size_t numInputs = 0;
  Value out, offset;
};
} // namespace

func::FuncOp emitEmbedding(const KernelSite &site, const LookupSpec &spec) {
  LookupEmitter e(site, spec);
  KernelBuilder &b = e.b;
  e.begin({e.indexType(), e.tableType(e.type)}, e.dataType(spec.width));
  Value table = b.arg(1);
  e.forIndices(b.arg(0), [&](Value i, Value row, Value inRange) {
    Value to = b.at(b.index(0), i, spec.width);
    Value from = b.at(b.index(0), row, spec.width);
    auto copy = [&] {
      b.vectorLoop(spec.width, e.lanes(), [&](Value at, Value mask) {
        b.store(b.load(table, b.add(from, at), e.lanes(), mask), e.out,
                b.add(to, at), mask);
      });
      return Values{};
    };
    auto clear = [&] {
      e.zero(to, spec.width);
      return Values{};
    };
    b.choose(inRange, {}, copy, clear);
  });
  return b.finish();
}

func::FuncOp emitEmbeddingGrad(const KernelSite &site, const LookupSpec &spec) {
  LookupEmitter e(site, spec);
  KernelBuilder &b = e.b;
  b.computeInF32();
  e.begin({e.dataType(spec.width), e.indexType()}, e.tableType(b.f32()));
  Value dy = b.arg(0);
  e.zero(b.index(0), spec.size * spec.width);
  e.forIndices(b.arg(1), [&](Value i, Value row, Value inRange) {
    Value from = b.at(b.index(0), i, spec.width);
    Value to = b.at(b.index(0), row, spec.width);
    b.when(inRange, [&] {
      b.vectorLoop(spec.width, e.lanes(), [&](Value at, Value mask) {
        Value term = b.load(dy, b.add(from, at), e.lanes(), mask);
        Value sum = b.load(e.out, b.add(to, at), e.lanes(), mask);
        b.store(b.add(sum, term), e.out, b.add(to, at), mask);
      });
    });
  });
  return b.finish();
}

func::FuncOp emitPick(const KernelSite &site, const LookupSpec &spec) {
  LookupEmitter e(site, spec);
  KernelBuilder &b = e.b;
  e.begin({e.dataType(spec.size), e.indexType()}, e.dataType(std::nullopt));
  Value x = b.arg(0);
  e.forIndices(b.arg(1), [&](Value i, Value column, Value inRange) {
    Value at = b.add(b.at(b.index(0), i, spec.size), column);
    Values picked = b.choose(
        inRange, {e.type}, [&] { return Values{b.load(x, at)}; },
        [&] { return Values{b.constant(e.type, 0.0)}; });
    b.store(picked[0], e.out, i);
  });
  return b.finish();
}

func::FuncOp emitPlace(const KernelSite &site, const LookupSpec &spec) {
  LookupEmitter e(site, spec);
  KernelBuilder &b = e.b;
  e.begin({e.dataType(std::nullopt), e.indexType()}, e.dataType(spec.size));
  Value x = b.arg(0);
  e.forIndices(b.arg(1), [&](Value i, Value column, Value inRange) {
    Value base = b.at(b.index(0), i, spec.size);
    e.zero(base, spec.size);
    b.when(inRange, [&] { b.store(b.load(x, i), e.out, b.add(base, column)); });
  });
  return b.finish();
}

} // namespace weft
