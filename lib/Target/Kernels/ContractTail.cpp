// SPDX-License-Identifier: Apache-2.0
//
// A register of sums lies in one row of C, so what the region reads there is
// one run, one element, or a run of C's shape; see weft/Target/Kernels.h.

#include "ContractTail.h"

#include "ScalarOps.h"

using namespace mlir;

namespace weft {

/// A and B are the region's first inputs, which it does not read.
static constexpr unsigned kOperands = 2;

SmallVector<Type> contractArguments(const ContractSpec &spec) {
  if (!spec.region)
    return {MemRefType::get(spec.a, spec.aType),
            MemRefType::get(spec.b, spec.bType),
            MemRefType::get(contractShape(spec), spec.cType)};
  SmallVector<Type> types = inputTypes(*spec.region);
  for (unsigned output : spec.region->outputs)
    types.push_back(MemRefType::get(
        spec.region->shape, storedType(spec.region->nodes[output].type)));
  return types;
}

ContractTail::ContractTail(KernelBuilder &b, const ContractSpec &spec)
    : b(b), spec(spec) {}

unsigned ContractTail::numArguments() const {
  return contractArguments(spec).size();
}

Values ContractTail::outputs() const {
  unsigned first = spec.region ? spec.region->inputs.size() : kOperands;
  Values memory;
  for (unsigned i = first; i < numArguments(); ++i)
    memory.push_back(b.arg(i));
  return memory;
}

Values ContractTail::inputs() const {
  Values memory;
  if (!spec.region)
    return memory;
  Shape strides = rowMajorStrides(spec.region->shape);
  for (auto [i, input] : llvm::enumerate(spec.region->inputs))
    if (i >= kOperands && input.strides == strides)
      memory.push_back(b.arg(i));
  return memory;
}

/// Where each input has the element of C at `position`.
Values ContractTail::basesAt(const ElementwiseSpec &region, Value position) {
  Shape whole = rowMajorStrides(region.shape);
  Values bases(region.inputs.size(), b.index(0));
  for (unsigned i = kOperands; i < region.inputs.size(); ++i) {
    const ElementwiseInput &input = region.inputs[i];
    if (input.strides == whole) {
      bases[i] = b.add(position, b.index(input.offset));
      continue;
    }
    bases[i] = b.index(input.offset);
    Value rest = position;
    for (int64_t dim = region.shape.size() - 1; dim >= 0; --dim) {
      auto [outer, at] = b.divide(rest, region.shape[dim]);
      bases[i] = b.at(bases[i], at, input.strides[dim]);
      rest = outer;
    }
  }
  return bases;
}

decltype(GemmTile::store) ContractTail::store() {
  if (!spec.region)
    return {};
  const ElementwiseSpec &region = *spec.region;
  return [&, this](Value sum, Value position, Value mask) {
    Shape strides(region.inputs.size(), 0);
    for (unsigned i = kOperands; i < strides.size(); ++i)
      strides[i] = region.inputs[i].strides.back();
    RegionNodes nodes(b, region);
    Values values =
        nodes.evaluate({strides, b.target.lanes, std::nullopt, false},
                       basesAt(region, position), b.index(0), mask, sum);
    for (auto [memory, node] : llvm::zip(outputs(), region.outputs))
      b.store(toMemory(b, values[node]), memory, position, mask);
  };
}

} // namespace weft
