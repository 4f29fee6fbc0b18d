// SPDX-License-Identifier: Apache-2.0
//
// Elementwise regions: one loop nest, explicit vectors, every node evaluated
// once per vector.
//
// 1. Neighbouring dims collapse where all inputs step through them as one.
// 2. The innermost dim runs in vectors (masked tail); inputs that repeat along
//    it are loaded as scalars and splatted, strided ones lane by lane.
// 3. The other dims are plain loops.

#include "weft/Target/Kernels.h"

#include "ScalarOps.h"

using namespace mlir;

namespace weft {

Shape rowMajorStrides(ArrayRef<int64_t> shape) {
  Shape strides(shape.size(), 1);
  for (int i = static_cast<int>(shape.size()) - 2; i >= 0; --i)
    strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

Shape broadcastStrides(ArrayRef<int64_t> memory, ArrayRef<int64_t> dims,
                       int64_t numDims) {
  Shape strides(numDims, 0), inner = rowMajorStrides(memory);
  for (auto [dim, stride] : llvm::zip(dims, inner))
    strides[dim] = stride;
  return strides;
}

namespace {
/// A dim of the loop nest, with one stride per input. `iota` is set if a node
/// counts along it (then it does not collapse).
struct LoopDim {
  int64_t size, outStride;
  SmallVector<int64_t> strides;
  std::optional<unsigned> iota;
};

class RegionEmitter {
public:
  RegionEmitter(KernelBuilder &b, const ElementwiseSpec &spec)
      : b(b), spec(spec) {
    collapse();
    for (auto [i, input] : llvm::enumerate(spec.inputs))
      inputs.push_back(b.arg(i));
    for (auto [i, output] : llvm::enumerate(spec.outputs))
      outputs.push_back(b.arg(spec.inputs.size() + i));
    counters.resize(spec.shape.size());
  }

  void emit() {
    Values bases;
    for (const ElementwiseInput &input : spec.inputs)
      bases.push_back(b.index(input.offset));
    nest(0, bases, b.index(0));
  }

private:
  void collapse() {
    Shape outStrides = rowMajorStrides(spec.shape);
    SmallVector<bool> counted(spec.shape.size(), false);
    for (const ScalarNode &node : spec.nodes)
      if (node.op == Scalar::Iota)
        counted[node.index] = true;
    for (auto [i, size] : llvm::enumerate(spec.shape)) {
      LoopDim dim = {size, outStrides[i], {}, std::nullopt};
      for (const ElementwiseInput &input : spec.inputs)
        dim.strides.push_back(input.strides[i]);
      if (counted[i])
        dim.iota = i;
      else if (size == 1)
        continue;
      if (dims.empty() || !joins(dims.back(), dim)) {
        dims.push_back(dim);
        continue;
      }
      dim.size *= dims.back().size;
      dims.back() = dim;
    }
    if (dims.empty())
      dims.push_back(
          {1, 1, SmallVector<int64_t>(spec.inputs.size(), 0), std::nullopt});
  }

  static bool joins(const LoopDim &outer, const LoopDim &inner) {
    if (outer.iota || inner.iota)
      return false;
    for (auto [o, i] : llvm::zip(outer.strides, inner.strides))
      if (o != i * inner.size)
        return false;
    return true;
  }

  void nest(size_t level, Values bases, Value out) {
    const LoopDim &dim = dims[level];
    if (level + 1 == dims.size())
      return b.vectorLoop(dim.size, lanesFor(dim),
                          [&](Value position, Value mask) {
                            evaluate(dim, bases, out, position, mask);
                          });
    b.loop(dim.size, 1, [&](Value iv) {
      if (dim.iota)
        counters[*dim.iota] = iv;
      nest(level + 1, step(dim, bases, iv), b.at(out, iv, dim.outStride));
    });
  }

  Values step(const LoopDim &dim, ArrayRef<Value> bases, Value iv) {
    Values next;
    for (auto [base, stride] : llvm::zip(bases, dim.strides))
      next.push_back(b.at(base, iv, stride));
    return next;
  }

  /// 64 lanes hide the latency of long f32 chains; 64-bit nodes take fewer.
  int64_t lanesFor(const LoopDim &dim) {
    int64_t most = kPartials;
    for (const ScalarNode &node : spec.nodes)
      if (node.type.getIntOrFloatBitWidth() > 32)
        most = 16;
    for (int64_t stride : dim.strides)
      if (stride > 1)
        most = 16;
    int64_t lanes = 1;
    while (lanes < most && lanes < dim.size)
      lanes *= 2;
    return lanes;
  }

  void evaluate(const LoopDim &dim, ArrayRef<Value> bases, Value out,
                Value position, Value mask) {
    int64_t lanes = lanesFor(dim);
    Values values;
    for (const ScalarNode &node : spec.nodes) {
      if (node.op == Scalar::Input) {
        values.push_back(loadInput(node.index, dim, bases, position, mask));
        continue;
      }
      if (node.op == Scalar::Iota) {
        values.push_back(iota(node, dim, position, lanes));
        continue;
      }
      if (node.op == Scalar::Constant) {
        values.push_back(b.splat(b.constant(node.type, node.value), lanes));
        continue;
      }
      Values operands;
      for (unsigned operand : node.operands)
        operands.push_back(values[operand]);
      values.push_back(emitScalar(b, node.op, node.type, operands));
    }
    for (auto [memory, node] : llvm::zip(outputs, spec.outputs))
      b.store(toMemory(values[node]), memory, b.at(out, position), mask);
  }

  Value loadInput(unsigned index, const LoopDim &dim, ArrayRef<Value> bases,
                  Value position, Value mask) {
    int64_t lanes = lanesFor(dim), stride = dim.strides[index];
    Value at = b.at(bases[index], position, stride), memory = inputs[index];
    bool isBool = spec.inputs[index].type.isInteger(1);
    auto boolean = [&](Value value) -> Value {
      if (!isBool)
        return value;
      return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, value,
                                   b.integerLike(value, 0));
    };
    if (stride == 0)
      return b.splat(boolean(b.load(memory, at)), lanes);
    if (stride == 1 || lanes == 1)
      return boolean(b.load(memory, at, lanes, mask));
    return boolean(gather(memory, at, stride, lanes, mask));
  }

  Value gather(Value memory, Value at, int64_t stride, int64_t lanes,
               Value mask) {
    Type element = cast<MemRefType>(memory.getType()).getElementType();
    VectorType type = b.vec(lanes, element);
    Value offsets =
        b.mul(vector::StepOp::create(b, b.vec(lanes, b.getIndexType())),
              b.splat(b.index(stride), lanes));
    if (!mask)
      mask = b.constant(b.vec(lanes, b.getI1Type()), 1);
    return vector::GatherOp::create(b, type, memory, ValueRange{at}, offsets,
                                    mask, b.constant(type, 0));
  }

  Value iota(const ScalarNode &node, const LoopDim &dim, Value position,
             int64_t lanes) {
    bool inner = dim.iota == node.index;
    Value start = inner ? position : counters[node.index];
    Value count =
        b.splat(arith::IndexCastOp::create(b, b.getI64Type(), start), lanes);
    if (inner && lanes > 1) {
      auto steps = llvm::to_vector(llvm::seq<int64_t>(0, lanes));
      count =
          b.add(count, arith::ConstantOp::create(b, b.getI64VectorAttr(steps)));
    }
    return emitScalar(b, Scalar::Cast, node.type, {count});
  }

  Value toMemory(Value value) {
    if (!elementOf(value).isInteger(1))
      return value;
    return arith::ExtUIOp::create(b, typeLike(value, b.getI8Type()), value);
  }

  KernelBuilder &b;
  const ElementwiseSpec &spec;
  SmallVector<LoopDim> dims;
  Values inputs, outputs, counters;
};
} // namespace

func::FuncOp emitElementwise(const KernelSite &site,
                             const ElementwiseSpec &spec) {
  KernelBuilder b(site);
  SmallVector<Type> types;
  for (const ElementwiseInput &input : spec.inputs)
    types.push_back(MemRefType::get(input.memory, storedType(input.type)));
  for (unsigned output : spec.outputs)
    types.push_back(
        MemRefType::get(spec.shape, storedType(spec.nodes[output].type)));
  b.begin(types);
  RegionEmitter(b, spec).emit();
  return b.finish();
}

} // namespace weft
