// SPDX-License-Identifier: Apache-2.0
//
// Propagation over one rule.
//
// Axes are taken in default nesting order, so that the outer factor of a
// merged dim is cut before the inner one asks whether it may be:
//   1. list the factors that some tensor wishes the axis on;
//   2. order them by priority, bytes, dim, factor;
//   3. take the first that may have the axis.
// The fixed point over a function is the pass's.
#include "weft/Layout/Propagation.h"

#include "llvm/ADT/STLExtras.h"
#include <tuple>

namespace weft {

namespace {

/// A factor that some tensor wishes an axis on. Ordered best first.
struct Candidate {
  int factor;
  int priority;
  int64_t bytes;
  int dim;

  bool operator<(const Candidate &other) const {
    return std::tuple(-priority, bytes, dim, factor) <
           std::tuple(-other.priority, other.bytes, other.dim, other.factor);
  }
};

/// The tensors of one op: operands, then results.
struct Op {
  const Mesh &mesh;
  const ShardingRule &rule;
  llvm::ArrayRef<int64_t> bytes;
  llvm::ArrayRef<TensorWishes> wishes;

  bool isResult(size_t tensor) const { return tensor >= rule.operands.size(); }
  const TensorFactors &factorsOf(size_t tensor) const {
    return isResult(tensor) ? rule.results[tensor - rule.operands.size()]
                            : rule.operands[tensor];
  }
};

} // namespace

TensorWishes openWishes(const Mesh &mesh) {
  return TensorWishes(mesh.numAtoms());
}

/// All axes of the mesh in default nesting order.
static llvm::SmallVector<int, 4> nestingOrder(const Mesh &mesh) {
  llvm::SmallVector<int, 4> order(mesh.numAtoms());
  for (int axis = 0; axis < mesh.numAtoms(); ++axis)
    order[nestingPosition(mesh, axis)] = axis;
  return order;
}

Layout layoutOf(const Mesh &mesh, const TensorWishes &wishes) {
  llvm::SmallVector<Placement, 4> entries;
  for (int axis : nestingOrder(mesh))
    if (wishes[axis].dim >= 0)
      entries.push_back(Placement::shard(axis, wishes[axis].dim));
  return Layout(mesh, entries);
}

/// The factor that `layout` puts `axis` on, if it falls on one.
static std::optional<int> factorInLayout(const Op &op,
                                         const TensorFactors &tensor,
                                         const Layout &layout, int axis) {
  std::optional<Placement> placement = layout.placementOf(axis);
  if (!placement || placement->kind != PlacementKind::Shard)
    return std::nullopt;
  llvm::SmallVector<int, 4> axes = layout.axesOfDim(placement->dim);
  auto outer = llvm::ArrayRef<int>(axes).take_until(
      [&](int other) { return other == axis; });
  return factorForAxis(op.mesh, op.rule, tensor, placement->dim, outer, axis);
}

/// Returns true if each tensor can lie as `assignment` says: every axis cuts
/// the factor it was given, on every dim that has it.
static bool fitsAllTensors(const Op &op, const Assignment &assignment) {
  for (size_t tensor = 0; tensor < op.wishes.size(); ++tensor) {
    int index = static_cast<int>(tensor);
    int numOperands = static_cast<int>(op.rule.operands.size());
    Layout layout =
        op.isResult(tensor)
            ? resultLayout(op.mesh, op.rule, assignment, index - numOperands)
            : operandLayout(op.mesh, op.rule, assignment, index);
    for (const Placement &entry : layout.entries())
      if (entry.kind == PlacementKind::Shard &&
          factorInLayout(op, op.factorsOf(tensor), layout, entry.axis) !=
              assignment.factorOf[entry.axis])
        return false;
  }
  return true;
}

/// Returns true if giving `axis` to `factor` makes `tensor` communicate.
/// Slicing an operand, or a replicated result, is free.
static bool movesTensor(const Op &op, size_t tensor, int axis, int factor) {
  const Wish &wish = op.wishes[tensor][axis];
  std::optional<FactorPlace> place = findFactor(op.factorsOf(tensor), factor);
  if (!op.isResult(tensor))
    return wish.dim >= 0 && (!place || place->dim != wish.dim);
  if (!place)
    return partialKind(op.rule.factors[factor]).has_value();
  return wish.dim >= 0 ? wish.dim != place->dim : wish.closed;
}

/// The factors some tensor wishes `axis` on, best first.
static llvm::SmallVector<Candidate, 4> candidatesFor(const Op &op, int axis) {
  llvm::SmallVector<Candidate, 4> candidates;
  for (size_t tensor = 0; tensor < op.wishes.size(); ++tensor) {
    const Wish &wish = op.wishes[tensor][axis];
    Layout layout = layoutOf(op.mesh, op.wishes[tensor]);
    auto factor = factorInLayout(op, op.factorsOf(tensor), layout, axis);
    if (!factor)
      continue;
    auto *known = llvm::find_if(candidates, [&](const Candidate &candidate) {
      return candidate.factor == *factor;
    });
    if (known == candidates.end())
      known = candidates.insert(known, {*factor, wish.priority, 0, wish.dim});
    known->priority = std::max(known->priority, wish.priority);
    known->dim = std::min(known->dim, wish.dim);
  }
  for (Candidate &candidate : candidates)
    for (size_t tensor = 0; tensor < op.wishes.size(); ++tensor)
      if (movesTensor(op, tensor, axis, candidate.factor))
        candidate.bytes += op.bytes[tensor];
  llvm::sort(candidates);
  return candidates;
}

/// An assignment, and the priority each of its axes came with.
struct Choice {
  Assignment assignment;
  llvm::SmallVector<int, 4> priorities;
};

static Choice choose(const Op &op) {
  int numAtoms = op.mesh.numAtoms();
  Choice choice = {Assignment(numAtoms),
                   llvm::SmallVector<int, 4>(numAtoms, 0)};
  for (int axis : nestingOrder(op.mesh)) {
    int &factorOf = choice.assignment.factorOf[axis];
    for (const Candidate &candidate : candidatesFor(op, axis)) {
      const Factor &factor = op.rule.factors[candidate.factor];
      if (factor.kind == FactorKind::Whole || factor.size <= 1)
        continue;
      factorOf = candidate.factor;
      choice.priorities[axis] = candidate.priority;
      if (fitsAllTensors(op, choice.assignment))
        break;
      factorOf = -1;
    }
  }
  return choice;
}

Assignment chooseAssignment(const Mesh &mesh, const ShardingRule &rule,
                            llvm::ArrayRef<int64_t> bytes,
                            llvm::ArrayRef<TensorWishes> tensors) {
  return choose({mesh, rule, bytes, tensors}).assignment;
}

/// Returns true if with `after` instead of `before` every axis still falls on
/// the factor it was on, and `axis` on `factor`.
static bool keepsFactors(const Op &op, size_t tensor, const TensorWishes &after,
                         int axis, int factor) {
  const TensorFactors &factors = op.factorsOf(tensor);
  Layout oldLayout = layoutOf(op.mesh, op.wishes[tensor]);
  Layout newLayout = layoutOf(op.mesh, after);
  for (int other : newLayout.axesOfDim(after[axis].dim)) {
    auto newFactor = factorInLayout(op, factors, newLayout, other);
    auto oldFactor =
        other == axis ? factor : factorInLayout(op, factors, oldLayout, other);
    if (newFactor != oldFactor)
      return false;
  }
  return true;
}

/// Moves `axis` to `factor` on one tensor if its wish may grow so.
static bool follow(const Op &op, TensorWishes &wishes, size_t tensor, int axis,
                   int factor, int priority) {
  std::optional<FactorPlace> place = findFactor(op.factorsOf(tensor), factor);
  const Wish &wish = wishes[axis];
  if (!place || wish.closed || (wish.dim >= 0 && priority <= wish.priority))
    return false;
  TensorWishes after = wishes;
  after[axis] = {place->dim, priority, /*closed=*/false};
  if (!keepsFactors(op, tensor, after, axis, factor))
    return false;
  wishes = after;
  return true;
}

bool propagateThroughRule(const Mesh &mesh, const ShardingRule &rule,
                          llvm::ArrayRef<int64_t> bytes,
                          llvm::MutableArrayRef<TensorWishes> tensors) {
  Op op = {mesh, rule, bytes, tensors};
  Choice choice = choose(op);
  bool changed = false;
  for (int axis : nestingOrder(mesh)) {
    int factor = choice.assignment.factorOf[axis];
    if (factor < 0)
      continue;
    for (auto [tensor, wishes] : llvm::enumerate(tensors))
      changed |=
          follow(op, wishes, tensor, axis, factor, choice.priorities[axis]);
  }
  return changed;
}

} // namespace weft
