// SPDX-License-Identifier: Apache-2.0
//
// The nodes of an elementwise region at some elements, for whoever runs the
// loops around them: elementwise regions and reductions.

#ifndef WEFT_LIB_TARGET_KERNELS_REGIONNODES_H
#define WEFT_LIB_TARGET_KERNELS_REGIONNODES_H

#include "KernelBuilder.h"

namespace weft {

/// The loop that vectors lie along: the stride of each input, elements of a
/// vector, the dim that it counts, if a node asks for it, and whether the next
/// vectors are what is read next.
struct VectorDim {
  ArrayRef<int64_t> strides;
  int64_t lanes;
  std::optional<unsigned> iota;
  bool isFetched;
};

class RegionNodes {
public:
  /// The inputs are the first arguments of the kernel.
  RegionNodes(KernelBuilder &b, const ElementwiseSpec &spec)
      : counters(spec.shape.size()), b(b), spec(spec) {}

  /// Where each input begins.
  Values begins();
  /// The values of all nodes at `position` along `dim`, where `bases` are the
  /// positions of its beginning in the inputs. Lanes where `mask` is off hold
  /// anything. Inputs and nodes have the spec's types, also in a kernel that
  /// widens what it loads.
  Values evaluate(const VectorDim &dim, ArrayRef<Value> bases, Value position,
                  Value mask, Value given = {});
  /// Where the loops around stand, for dims that a node counts.
  Values counters;

private:
  Value loadInput(unsigned index, const VectorDim &dim, ArrayRef<Value> bases,
                  Value position, Value mask);
  Value gather(Value memory, Value at, int64_t stride, int64_t lanes,
               Value mask);
  Value iota(const ScalarNode &node, const VectorDim &dim, Value position);

  KernelBuilder &b;
  const ElementwiseSpec &spec;
};

/// A value as it is stored: booleans are bytes.
Value toMemory(KernelBuilder &b, Value value);

/// The memory of a region's inputs.
SmallVector<Type> inputTypes(const ElementwiseSpec &spec);

} // namespace weft

#endif // WEFT_LIB_TARGET_KERNELS_REGIONNODES_H
