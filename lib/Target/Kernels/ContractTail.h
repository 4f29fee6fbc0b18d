// SPDX-License-Identifier: Apache-2.0
//
// What becomes of a contraction's sums: they are stored, or go through an
// elementwise region first.

#ifndef WEFT_LIB_TARGET_KERNELS_CONTRACTTAIL_H
#define WEFT_LIB_TARGET_KERNELS_CONTRACTTAIL_H

#include "RegionNodes.h"

namespace weft {

class ContractTail {
public:
  ContractTail(KernelBuilder &b, const ContractSpec &spec);

  /// Arguments of the kernel in front of its scratch.
  unsigned numArguments() const;
  /// True if there is no region: a tile may store its sums to C itself.
  bool isPlain() const { return !spec.region; }
  /// C, or the first of what takes its place.
  Value result() const { return outputs().front(); }
  /// Takes a register of f32 sums, its position in C, and a mask unless all of
  /// it counts. The region gets them as C would hold them.
  void store(Value sum, Value position, Value mask);
  /// Asks for what `store` reads and writes in the `count` elements from
  /// `position` on.
  void fetch(Value position, int64_t count, Fetch read, Fetch write);
  /// The most lanes, up to `most`, that `store` takes at a multiple of them in
  /// a run of `run` elements: what it reads there must not change rows.
  int64_t lanesWithin(int64_t run, int64_t most) const;

private:
  Values outputs() const;
  Values inputs() const;
  void fetch(Value memory, Value position, int64_t count, Fetch purpose);
  Values basesAt(const ElementwiseSpec &region, Value position);

  KernelBuilder &b;
  const ContractSpec &spec;
};

/// Types of the kernel's arguments in front of its scratch.
SmallVector<Type> contractArguments(const ContractSpec &spec);

} // namespace weft

#endif // WEFT_LIB_TARGET_KERNELS_CONTRACTTAIL_H
