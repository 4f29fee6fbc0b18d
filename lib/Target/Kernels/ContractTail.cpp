// SPDX-License-Identifier: Apache-2.0
//
// Sums that are stored together lie in one row of C, so what the region reads
// there is one run, one element, or a run of C's shape; see
// weft/Target/Kernels.h.

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

/// C, or what takes its place.
Values ContractTail::outputs() const {
  unsigned first = spec.region ? spec.region->inputs.size() : kOperands;
  Values memory;
  for (unsigned i = first; i < numArguments(); ++i)
    memory.push_back(b.arg(i));
  return memory;
}

/// What is read where sums are stored, as a tile does C.
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

void ContractTail::store(Value sum, Value position, Value mask) {
  Value element = emitScalar(b, Scalar::Cast, spec.cType, {sum});
  if (isPlain())
    return b.store(element, result(), position, mask);
  const ElementwiseSpec &region = *spec.region;
  Shape strides(region.inputs.size(), 0);
  for (unsigned i = kOperands; i < strides.size(); ++i)
    strides[i] = region.inputs[i].strides.back();
  RegionNodes nodes(b, region);
  Values values =
      nodes.evaluate({strides, lanesOf(sum), std::nullopt, false},
                     basesAt(region, position), b.index(0), mask, element);
  for (auto [memory, node] : llvm::zip(outputs(), region.outputs))
    b.store(toMemory(b, values[node]), memory, position, mask);
}

void ContractTail::fetch(Value memory, Value position, int64_t count,
                         Fetch purpose) {
  constexpr int64_t lineBits = 8 * 64;
  int64_t step =
      lineBits / cast<MemRefType>(memory.getType()).getElementTypeBitWidth();
  for (int64_t i = 0; i < count; i += step)
    b.prefetch(memory, b.add(position, b.index(i)), purpose);
}

void ContractTail::fetch(Value position, int64_t count, Fetch read,
                         Fetch write) {
  for (Value memory : outputs())
    fetch(memory, position, count, write);
  for (Value memory : inputs())
    fetch(memory, position, count, read);
}

static bool isZero(int64_t stride) { return stride == 0; }

int64_t ContractTail::lanesWithin(int64_t run, int64_t most) const {
  if (isPlain() || run == spec.region->shape.back())
    return most;
  Shape whole = rowMajorStrides(spec.region->shape);
  auto inputs = ArrayRef(spec.region->inputs).drop_front(kOperands);
  if (llvm::all_of(inputs, [&](const ElementwiseInput &input) {
        return input.strides == whole || llvm::all_of(input.strides, isZero);
      }))
    return most;
  while (spec.region->shape.back() % most != 0)
    most /= 2;
  return most;
}

} // namespace weft
