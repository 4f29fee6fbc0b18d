// SPDX-License-Identifier: Apache-2.0
//
// What a fused region is, for those who lower it.
#ifndef WEFT_TRANSFORMS_FUSEDREGION_H
#define WEFT_TRANSFORMS_FUSEDREGION_H

#include "weft/IR/NN/NN.h"
#include "weft/IR/Prog/Prog.h"

namespace weft {

/// The reduction that the region ends in; null if it is elementwise to the end.
nn::ReduceOp reductionOf(prog::FusedOp op);

/// The contraction that the region begins with, on its first two arguments;
/// null if it is elementwise from the start.
nn::ContractOp contractionOf(prog::FusedOp op);

} // namespace weft

#endif // WEFT_TRANSFORMS_FUSEDREGION_H
