// SPDX-License-Identifier: Apache-2.0
//
// matchLayouts: from the layouts of an op's tensors to the assignment.
//
// 1. Each axis alone: the first choice (none, a factor, a linear set) that
//    explains what the axis does to every tensor.
// 2. All axes of a dim together: outer factors first, merged dims cut along
//    factor boundaries, and one nesting order per factor for all tensors.
// A message speaks of axes, operands and dims, never of factors.
#include "weft/Layout/ShardingRule.h"

#include "llvm/ADT/STLExtras.h"

namespace weft {

namespace {

/// What one axis may do in an op.
struct Choice {
  int factor = -1;
  int partialSet = -1;
};

/// Operands and results as one list, with names for messages.
class Matcher {
public:
  Matcher(const Mesh &mesh, const ShardingRule &rule,
          llvm::ArrayRef<Layout> operands, llvm::ArrayRef<Layout> results)
      : mesh(mesh), rule(rule) {
    layouts.append(operands.begin(), operands.end());
    layouts.append(results.begin(), results.end());
  }

  AssignmentOrError run();

private:
  bool isResult(int tensor) const {
    return tensor >= static_cast<int>(rule.operands.size());
  }
  const TensorFactors &factorsOf(int tensor) const {
    return isResult(tensor) ? rule.results[tensor - rule.operands.size()]
                            : rule.operands[tensor];
  }
  int numTensors() const { return static_cast<int>(layouts.size()); }
  std::string nameOf(int tensor) const;
  Placement actual(int tensor, int axis) const {
    return layouts[tensor].placementOf(axis).value_or(
        Placement::replicate(axis));
  }

  Placement expected(const Choice &choice, int tensor, int axis) const;
  std::optional<int> firstMismatch(const Choice &choice, int axis) const;
  llvm::SmallVector<Choice> choices() const;
  std::optional<std::string> matchAxis(int axis);
  std::string explain(int axis) const;
  std::string explainLone(int tensor, int axis) const;
  std::optional<std::string> checkDim(int tensor, int dim);

  const Mesh &mesh;
  const ShardingRule &rule;
  llvm::SmallVector<Layout> layouts;
  Assignment assignment{mesh.numAtoms()};
  /// The nesting order of each factor's axes, and the tensor that set it.
  llvm::SmallVector<std::pair<llvm::SmallVector<int, 4>, int>> orders;
};

} // namespace

std::string Matcher::nameOf(int tensor) const {
  int numOperands = static_cast<int>(rule.operands.size());
  return isResult(tensor) ? "result " + std::to_string(tensor - numOperands)
                          : "operand " + std::to_string(tensor);
}

Placement Matcher::expected(const Choice &choice, int tensor, int axis) const {
  if (choice.partialSet >= 0) {
    bool partial = isResult(tensor) ||
                   llvm::is_contained(rule.linear[choice.partialSet], tensor);
    return partial ? Placement::partial(axis) : Placement::replicate(axis);
  }
  if (choice.factor < 0)
    return Placement::replicate(axis);
  if (auto place = findFactor(factorsOf(tensor), choice.factor))
    return Placement::shard(axis, place->dim);
  std::optional<ReduceKind> kind = partialKind(rule.factors[choice.factor]);
  if (isResult(tensor) && kind)
    return Placement::partial(axis, *kind);
  return Placement::replicate(axis);
}

std::optional<int> Matcher::firstMismatch(const Choice &choice,
                                          int axis) const {
  for (int tensor = 0; tensor < numTensors(); ++tensor)
    if (actual(tensor, axis) != expected(choice, tensor, axis))
      return tensor;
  return std::nullopt;
}

llvm::SmallVector<Choice> Matcher::choices() const {
  llvm::SmallVector<Choice> all = {Choice()};
  for (auto [index, factor] : llvm::enumerate(rule.factors))
    if (factor.kind != FactorKind::Whole)
      all.push_back({static_cast<int>(index), -1});
  for (size_t set = 0; set < rule.linear.size(); ++set)
    all.push_back({-1, static_cast<int>(set)});
  return all;
}

std::optional<std::string> Matcher::matchAxis(int axis) {
  for (const Choice &choice : choices())
    if (!firstMismatch(choice, axis)) {
      assignment.factorOf[axis] = choice.factor;
      assignment.partialSet[axis] = choice.partialSet;
      return std::nullopt;
    }
  return explain(axis);
}

/// Blames the axis on the tensor that agrees least: the first tensor the axis
/// touches decides what the others should be.
std::string Matcher::explain(int axis) const {
  int source = 0;
  while (actual(source, axis).kind == PlacementKind::Replicate)
    ++source;
  // Of the choices that explain the source, the one that goes furthest.
  int bestMismatch = -1;
  Placement bestExpected;
  for (const Choice &choice : choices()) {
    if (expected(choice, source, axis) != actual(source, axis))
      continue;
    int mismatch = *firstMismatch(choice, axis);
    if (mismatch > bestMismatch) {
      bestMismatch = mismatch;
      bestExpected = expected(choice, mismatch, axis);
    }
  }
  if (bestMismatch < 0)
    return explainLone(source, axis);
  return nameOf(bestMismatch) + " disagrees along axis \"" +
         mesh.atomName(axis) + "\": got " +
         toString(actual(bestMismatch, axis)) + ", expected " +
         toString(bestExpected) + " because " + nameOf(source) + " is " +
         toString(actual(source, axis));
}

/// Says what a placement that no choice explains should have been.
std::string Matcher::explainLone(int tensor, int axis) const {
  std::string start = nameOf(tensor);
  if (actual(tensor, axis).kind == PlacementKind::Shard)
    start += " dim " + std::to_string(actual(tensor, axis).dim);
  return start + " cannot be distributed along axis \"" + mesh.atomName(axis) +
         "\": got " + toString(actual(tensor, axis)) + ", expected replicate";
}

/// Checks the nesting of all axes on one dim against step 2 of the file
/// comment.
std::optional<std::string> Matcher::checkDim(int tensor, int dim) {
  const TensorFactors &factors = factorsOf(tensor);
  llvm::SmallVector<int, 4> axes = layouts[tensor].axesOfDim(dim);
  for (auto [position, axis] : llvm::enumerate(axes)) {
    auto outer = llvm::ArrayRef(axes).take_front(position);
    int factor = assignment.factorOf[axis];
    if (factorForAxis(mesh, rule, factors, dim, outer, axis) != factor)
      return nameOf(tensor) + " dim " + std::to_string(dim) +
             " joins several dims, which axis \"" + mesh.atomName(axis) +
             "\" of size " + std::to_string(mesh.atomSize(axis)) +
             " does not divide along their bounds";
  }
  for (int factor : factors[dim]) {
    llvm::SmallVector<int, 4> order;
    for (int axis : axes)
      if (assignment.factorOf[axis] == factor)
        order.push_back(axis);
    auto &[known, setBy] = orders[factor];
    if (setBy < 0) {
      known = order;
      setBy = tensor;
    } else if (known != order) {
      return nameOf(tensor) + " dim " + std::to_string(dim) +
             " nests its axes in another order than " + nameOf(setBy);
    }
  }
  return std::nullopt;
}

AssignmentOrError Matcher::run() {
  orders.assign(rule.factors.size(), {{}, -1});
  for (int axis = 0; axis < mesh.numAtoms(); ++axis)
    if (auto message = matchAxis(axis))
      return {std::nullopt, *message};
  for (int tensor = 0; tensor < numTensors(); ++tensor)
    for (size_t dim = 0; dim < factorsOf(tensor).size(); ++dim)
      if (auto message = checkDim(tensor, static_cast<int>(dim)))
        return {std::nullopt, *message};
  return {assignment, ""};
}

AssignmentOrError matchLayouts(const Mesh &mesh, const ShardingRule &rule,
                               llvm::ArrayRef<Layout> operands,
                               llvm::ArrayRef<Layout> results) {
  return Matcher(mesh, rule, operands, results).run();
}

} // namespace weft
