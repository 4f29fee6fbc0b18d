// SPDX-License-Identifier: Apache-2.0
//
// The collectives that carry out planned moves on one rank's values.
#ifndef WEFT_LIB_TRANSFORMS_PARTITIONMOVES_H
#define WEFT_LIB_TRANSFORMS_PARTITIONMOVES_H

#include "weft/IR/NN/NN.h"
#include "weft/Layout/Redistribution.h"

namespace weft {

/// Builds the moves from `from` to `to` for the local `value` of a tensor of
/// global type `type`; returns the local value in the new layout.
mlir::Value buildRedistribution(mlir::OpBuilder &builder, mlir::Location loc,
                                mlir::Value value, mlir::RankedTensorType type,
                                dist::LayoutAttr from, dist::LayoutAttr to,
                                mlir::Attribute unit);

} // namespace weft

#endif // WEFT_LIB_TRANSFORMS_PARTITIONMOVES_H
