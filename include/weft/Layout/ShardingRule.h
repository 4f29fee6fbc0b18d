// SPDX-License-Identifier: Apache-2.0
//
// ShardingRule: which dims of an op's operands and results move together.
//
// Every dim of every operand and result is a list of factors, outermost
// first (most dims are one factor; a merged dim, or query heads over kv
// heads, are two). Propagation, partition, cost and the generated tests all
// read this one table.
//
// Example, "btd,od->bto":   factors b, t, o parallel; d reduced(sum)
//   operand 0 [b][t][d]   operand 1 [o][d]   result 0 [b][t][o]
//   linear in {0} and in {1}
#ifndef WEFT_LAYOUT_SHARDINGRULE_H
#define WEFT_LAYOUT_SHARDINGRULE_H

#include "weft/Layout/Layout.h"

namespace weft {

enum class FactorKind : int32_t {
  /// Elements along the factor are independent; every result has it.
  Parallel,
  /// Results that lack the factor combine it with `reduce`: when it is
  /// sharded they are partial; results that have it are sharded.
  Reduced,
  /// As Reduced(sum), and the dim is addressed by another operand: a shard
  /// is given its global offset and takes part only for indices in range.
  Indexed,
  /// As Parallel, and a shard is given its global offset.
  Positional,
  /// Must be replicated here.
  Whole,
};

struct Factor {
  int64_t size = 1;
  FactorKind kind = FactorKind::Parallel;
  ReduceKind reduce = ReduceKind::Sum;

  bool operator==(const Factor &other) const = default;
};

using DimFactors = llvm::SmallVector<int, 2>;
using TensorFactors = llvm::SmallVector<DimFactors, 4>;

struct ShardingRule {
  llvm::SmallVector<Factor> factors;
  llvm::SmallVector<TensorFactors, 4> operands;
  llvm::SmallVector<TensorFactors, 2> results;
  /// Operand sets in which the op is (jointly) linear: add has {{0, 1}},
  /// mul has {{0}, {1}}. If all operands of a set are partial(sum) over an
  /// axis and the others replicated, all results are partial over it.
  llvm::SmallVector<llvm::SmallVector<int, 2>, 2> linear;

  /// Adds a factor and returns its number.
  int add(int64_t size, FactorKind kind = FactorKind::Parallel,
          ReduceKind reduce = ReduceKind::Sum);
  /// Returns a message if a factor number is out of range, a factor occurs
  /// twice in one tensor, or a parallel factor is missing in a result.
  std::optional<std::string> verify() const;
};

/// What an op does with each axis: the factor the axis is on, or none.
/// `factorOf[axis] = -1` leaves the axis replicated for this op, and
/// `partialSet[axis] >= 0` says that the operands of that linear set are
/// partial over the axis.
struct Assignment {
  llvm::SmallVector<int, 4> factorOf;
  llvm::SmallVector<int, 4> partialSet;

  explicit Assignment(int numAtoms)
      : factorOf(numAtoms, -1), partialSet(numAtoms, -1) {}
  bool operator==(const Assignment &other) const = default;
};

/// The order in which several axes on one dim nest when nobody says
/// otherwise, outermost first: dp_replicate, cp, tp, then the others in mesh
/// order, dp_shard last. Returns the position of `atom` in that order.
int nestingPosition(const Mesh &mesh, int atom);

/// Where `factor` is in a tensor; nothing if the tensor does not have it.
struct FactorPlace {
  int dim;
  int position; // in the dim's factor list
  auto operator<=>(const FactorPlace &other) const = default;
};
std::optional<FactorPlace> findFactor(const TensorFactors &tensor, int factor);

/// The kind in which a result that lacks `factor` is partial when the factor
/// is sharded; nothing for kinds every result has.
std::optional<ReduceKind> partialKind(const Factor &factor);

/// True if at most one factor of the dim has more than one element: such a
/// dim may be cut unevenly, a merged one only evenly.
bool isPlainDim(const ShardingRule &rule, const DimFactors &dimFactors);

/// The layouts that `assignment` asks of operand `index`.
Layout operandLayout(const Mesh &mesh, const ShardingRule &rule,
                     const Assignment &assignment, int index);
/// The layout in which result `index` comes out, partial axes included.
Layout resultLayout(const Mesh &mesh, const ShardingRule &rule,
                    const Assignment &assignment, int index);

/// Reads the assignment back from layouts of all operands and results;
/// a message if no assignment gives exactly these layouts. The nesting order
/// on a dim need not be the default one, but all tensors must agree on it.
///
///   "btd,od->bto", tp = 4
///   x replicate,        w tp = shard(0)  ->  y tp = shard(2)      o
///   x tp = shard(2),    w tp = shard(1)  ->  y tp = partial(sum)  d
///   x tp = partial(sum), w replicate     ->  y tp = partial(sum)  linear {0}
///   x tp = shard(2),    w replicate      ->  message
struct AssignmentOrError {
  std::optional<Assignment> assignment;
  std::string message;
};
AssignmentOrError matchLayouts(const Mesh &mesh, const ShardingRule &rule,
                               llvm::ArrayRef<Layout> operands,
                               llvm::ArrayRef<Layout> results);

/// The factor of `tensor`'s dim `dim` that `axis`, nested inside the axes
/// `outer` of the same dim, falls on; nothing if the dim is merged and the
/// split is not along factor boundaries, or if the dim has no factor. It may
/// be a Whole factor: the caller knows what to do then (gather or decompose).
///
///   dim [kv = 2, g = 4], outer [],       axis size 2 -> kv
///   dim [kv = 2, g = 4], outer [size 2], axis size 2 -> g
///   dim [kv = 2, g = 4], outer [],       axis size 4 -> nothing
///   dim [b = 5],         outer [],       axis size 2 -> b (uneven)
std::optional<int> factorForAxis(const Mesh &mesh, const ShardingRule &rule,
                                 const TensorFactors &tensor, int dim,
                                 llvm::ArrayRef<int> outer, int axis);

} // namespace weft

#endif // WEFT_LAYOUT_SHARDINGRULE_H
