// SPDX-License-Identifier: Apache-2.0
//
// Propagation over one rule: what the tensors of an op wish for each axis,
// what the op therefore does with the axis, and which tensors follow it.
//
// This is the inner step of the fixed point over a function; it knows no IR.
// Only shardings are propagated: partial follows from the op's assignment.
//
// Wishes only ever grow: an axis is added to a tensor that has none, or
// replaced by one of strictly higher priority. So any order of visits ends.
#ifndef WEFT_LAYOUT_PROPAGATION_H
#define WEFT_LAYOUT_PROPAGATION_H

#include "weft/Layout/ShardingRule.h"

namespace weft {

/// What one tensor wishes for one axis.
///
///   dim   closed   meaning
///    -1   false    open: takes whatever comes
///    -1   true     not on this tensor, whatever comes
///     1   false    dim 1, until a higher priority asks for another dim
///     1   true     dim 1, whatever comes
///
/// `priority` (higher wins) is that of the source the axis came from; it
/// means nothing while dim is -1.
struct Wish {
  int dim = -1;
  int priority = 0;
  bool closed = false;

  bool operator==(const Wish &other) const = default;
};

/// The wishes of one tensor, indexed by atomic axis.
using TensorWishes = llvm::SmallVector<Wish, 4>;

/// One wish per atomic axis, all open.
TensorWishes openWishes(const Mesh &mesh);

/// The layout that `wishes` ask for, axes of one dim in default nesting.
Layout layoutOf(const Mesh &mesh, const TensorWishes &wishes);

/// The factor each axis goes to in an op whose tensors (operands, then
/// results) wish `tensors`; -1 where nobody wishes a factor that may have it.
/// `bytes` holds the size of each tensor. Linear sets stay unused.
///
/// Among the factors some tensor wishes the axis on:
///   1. the higher priority wins;
///   2. then fewer bytes of tensors that would have to communicate: operands
///      that wish the axis on another dim, results that do or are closed to
///      it, results that come out partial (slicing is free, open tensors too);
///   3. then the lower dim on a wishing tensor, then the lower factor.
///
/// An axis never goes to a Whole factor, to a factor of size 1, or, where the
/// factor is part of a merged dim, across factor bounds or unevenly.
///
///   "bd,od->bo", bytes x 4, w 16, y 8   (wish: dim @ priority)
///   x        w        y         ->
///   0 @ 1    open     open          b
///   0 @ 1    0 @ 2    open          o   priority
///   0 @ 1    0 @ 1    open          o   moves x (4), not w (16)
///   1 @ 1    open     open          d   y comes out partial
Assignment chooseAssignment(const Mesh &mesh, const ShardingRule &rule,
                            llvm::ArrayRef<int64_t> bytes,
                            llvm::ArrayRef<TensorWishes> tensors);

/// Chooses the op's assignment and moves each axis, with its priority, to the
/// tensors that have the factor and are open or of lower priority there.
/// Leaves a tensor as it is if the axis would cut one of its merged dims
/// across factor bounds. Returns true if a wish changed.
///
///   "bd,od->bo"
///   x        w             y           ->  x       w       y
///   0 @ 1    open          open            0 @ 1   open    0 @ 1
///   open     0 @ 2         1 @ 1           open    0 @ 2   1 @ 2
///   0 @ 1    0 @ 2         open            0 @ 1   0 @ 2   1 @ 2
///   open     closed        1 @ 1           open    closed  1 @ 1
bool propagateThroughRule(const Mesh &mesh, const ShardingRule &rule,
                          llvm::ArrayRef<int64_t> bytes,
                          llvm::MutableArrayRef<TensorWishes> tensors);

} // namespace weft

#endif // WEFT_LAYOUT_PROPAGATION_H
