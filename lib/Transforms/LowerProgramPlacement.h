// SPDX-License-Identifier: Apache-2.0
//
// Which values of a function share memory: with a slot, or with an operand
// they are written over. The decision of prog-lower.
#ifndef WEFT_LIB_TRANSFORMS_LOWERPROGRAMPLACEMENT_H
#define WEFT_LIB_TRANSFORMS_LOWERPROGRAMPLACEMENT_H

#include "weft/IR/NN/NN.h"
#include "weft/IR/Pipe/Pipe.h"

namespace weft {

/// The value whose memory `value` is a view of.
mlir::Value rootOf(mlir::Value value);

/// Places of the roots of a function; one that is not named here is an
/// argument or a temporary of its own.
struct BufferPlacement {
  /// Computed directly in the memory of this slot.
  llvm::DenseMap<mlir::Value, mlir::StringAttr> slots;
  /// Written over another temporary, at the op that reads it last.
  llvm::DenseMap<mlir::Value, mlir::Value> overwrites;
  /// Numbers of the results that are copied to their slots at the end.
  llvm::SmallVector<unsigned> copies;
};

/// Decides for a function of the local phase, whose arguments and results name
/// their slots.
///
///   result bound to slot @s                     ->
///   the argument of @s itself                   nothing to do
///   the function does not take @s               in @s; an all-reduce that is
///                                               the value's op begins in @s
///   old @s is read up to its op only, and       in @s
///   there element by element
///   old @s is read later                        copied
///   also bound to a slot before                 copied
BufferPlacement placeBuffers(mlir::func::FuncOp function);

} // namespace weft

#endif // WEFT_LIB_TRANSFORMS_LOWERPROGRAMPLACEMENT_H
