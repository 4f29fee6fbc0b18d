// SPDX-License-Identifier: Apache-2.0
//
// Elementwise regions: one loop nest, explicit vectors (RegionNodes.cpp).
//
// 1. Neighbouring dims collapse where all inputs step through them as one.
// 2. The innermost dim runs in vectors (masked tail).
// 3. The other dims are plain loops.

#include "weft/Target/Kernels.h"

#include "RegionNodes.h"

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
      : b(b), spec(spec), nodes(b, spec) {
    collapse();
    for (auto [i, output] : llvm::enumerate(spec.outputs))
      outputs.push_back(b.arg(spec.inputs.size() + i));
  }

  void emit() { nest(0, nodes.begins(), b.index(0)); }

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
        nodes.counters[*dim.iota] = iv;
      nest(level + 1, step(dim, bases, iv), b.at(out, iv, dim.outStride));
    });
  }

  Values step(const LoopDim &dim, ArrayRef<Value> bases, Value iv) {
    Values next;
    for (auto [base, stride] : llvm::zip(bases, dim.strides))
      next.push_back(b.at(base, iv, stride));
    return next;
  }

  /// Four registers hide the latency of long f32 chains; 64-bit nodes take
  /// fewer.
  int64_t lanesFor(const LoopDim &dim) {
    int64_t most = 4 * b.target.lanes;
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
    VectorDim along = {dim.strides, lanesFor(dim), dim.iota,
                       /*isFetched=*/true};
    Values values = nodes.evaluate(along, bases, position, mask);
    for (auto [memory, node] : llvm::zip(outputs, spec.outputs)) {
      Value at = b.at(out, position);
      if (!mask)
        b.fetchAhead(memory, at, along.lanes, Fetch::Write);
      b.store(toMemory(b, values[node]), memory, at, mask);
    }
  }

  KernelBuilder &b;
  const ElementwiseSpec &spec;
  RegionNodes nodes;
  SmallVector<LoopDim> dims;
  Values outputs;
};
} // namespace

func::FuncOp emitElementwise(const KernelSite &site,
                             const ElementwiseSpec &spec) {
  KernelBuilder b(site);
  SmallVector<Type> types = inputTypes(spec);
  for (unsigned output : spec.outputs)
    types.push_back(
        MemRefType::get(spec.shape, storedType(spec.nodes[output].type)));
  b.begin(types);
  RegionEmitter(b, spec).emit();
  return b.finish();
}

} // namespace weft
