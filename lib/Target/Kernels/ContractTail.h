// SPDX-License-Identifier: Apache-2.0
//
// What becomes of a contraction's sums: they are stored, or go through an
// elementwise region first.

#ifndef WEFT_LIB_TARGET_KERNELS_CONTRACTTAIL_H
#define WEFT_LIB_TARGET_KERNELS_CONTRACTTAIL_H

#include "GemmTile.h"
#include "RegionNodes.h"

namespace weft {

class ContractTail {
public:
  ContractTail(KernelBuilder &b, const ContractSpec &spec);

  /// Arguments of the kernel in front of its scratch.
  unsigned numArguments() const;
  /// C, or what takes its place.
  Values outputs() const;
  /// What is read where sums are stored, as a tile does C.
  Values inputs() const;
  /// What a tile calls instead of storing; null if it may store.
  decltype(GemmTile::store) store();

private:
  Values basesAt(const ElementwiseSpec &region, Value position);

  KernelBuilder &b;
  const ContractSpec &spec;
};

/// Types of the kernel's arguments in front of its scratch.
SmallVector<Type> contractArguments(const ContractSpec &spec);

} // namespace weft

#endif // WEFT_LIB_TARGET_KERNELS_CONTRACTTAIL_H
