// SPDX-License-Identifier: Apache-2.0
//
// ShardingRule: factor tables, and layouts from assignments.
//
// A dim with one factor of size > 1 is *plain*: any axis may cut it, evenly or
// not. Any other dim is *merged*: an inner factor may be cut only once the
// outer ones are cut to size 1, and only evenly; everything else would be a
// strided shard, which the layout algebra does not have.
// Reading assignments back from layouts is MatchLayouts.cpp.
#include "weft/Layout/ShardingRule.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallSet.h"

namespace weft {

int ShardingRule::add(int64_t size, FactorKind kind, ReduceKind reduce) {
  factors.push_back({size, kind, reduce});
  return static_cast<int>(factors.size()) - 1;
}

/// Collects the factors of `tensor` into `seen`; a message if one is out of
/// range or occurs twice.
static std::optional<std::string> collectFactors(const ShardingRule &rule,
                                                 const TensorFactors &tensor,
                                                 const std::string &name,
                                                 llvm::SmallSet<int, 8> &seen) {
  for (auto [dim, dimFactors] : llvm::enumerate(tensor))
    for (int factor : dimFactors) {
      std::string where = name + " dim " + std::to_string(dim);
      int numFactors = static_cast<int>(rule.factors.size());
      if (factor < 0 || factor >= numFactors)
        return where + " names a factor out of range: got " +
               std::to_string(factor) + ", the rule has " +
               std::to_string(numFactors);
      if (!seen.insert(factor).second)
        return where + " repeats factor " + std::to_string(factor);
    }
  return std::nullopt;
}

/// Returns true if every result must have a factor of this kind.
static bool isParallel(FactorKind kind) {
  return kind == FactorKind::Parallel || kind == FactorKind::Positional;
}

std::optional<std::string> ShardingRule::verify() const {
  for (auto [index, tensor] : llvm::enumerate(operands)) {
    llvm::SmallSet<int, 8> seen;
    std::string name = "operand " + std::to_string(index);
    if (auto message = collectFactors(*this, tensor, name, seen))
      return message;
  }
  for (auto [index, tensor] : llvm::enumerate(results)) {
    llvm::SmallSet<int, 8> seen;
    std::string name = "result " + std::to_string(index);
    if (auto message = collectFactors(*this, tensor, name, seen))
      return message;
    for (auto [factor, value] : llvm::enumerate(factors))
      if (isParallel(value.kind) && !seen.contains(static_cast<int>(factor)))
        return name + " lacks parallel factor " + std::to_string(factor);
  }
  for (const auto &set : linear)
    for (int operand : set)
      if (operand < 0 || operand >= static_cast<int>(operands.size()))
        return "linear set names an operand out of range: got " +
               std::to_string(operand) + ", the rule has " +
               std::to_string(operands.size());
  return std::nullopt;
}

/// The place of the axis's kind in the default nesting, outermost first.
static int nestingClass(const Mesh &mesh, int atom) {
  llvm::StringRef name = mesh.axes()[mesh.axisOfAtom(atom)].name;
  if (name == "dp_replicate")
    return 0;
  if (name == "cp")
    return 1;
  if (name == "tp")
    return 2;
  return name == "dp_shard" ? 4 : 3;
}

int nestingPosition(const Mesh &mesh, int atom) {
  int own = nestingClass(mesh, atom);
  int position = 0;
  for (int other = 0; other < mesh.numAtoms(); ++other) {
    int kind = nestingClass(mesh, other);
    if (kind < own || (kind == own && other < atom))
      ++position;
  }
  return position;
}

std::optional<FactorPlace> findFactor(const TensorFactors &tensor, int factor) {
  for (auto [dim, dimFactors] : llvm::enumerate(tensor))
    for (auto [position, candidate] : llvm::enumerate(dimFactors))
      if (candidate == factor)
        return FactorPlace{static_cast<int>(dim), static_cast<int>(position)};
  return std::nullopt;
}

namespace {
/// One sharding axis of a tensor, sorted into canonical order.
struct Entry {
  FactorPlace place;
  int nesting;
  int axis;
  auto operator<=>(const Entry &) const = default;
};
} // namespace

/// The shard entries that `assignment` gives to a tensor, in nesting order.
static llvm::SmallVector<Placement, 4>
shardEntries(const Mesh &mesh, const Assignment &assignment,
             const TensorFactors &tensor) {
  llvm::SmallVector<Entry, 4> entries;
  for (auto [axis, factor] : llvm::enumerate(assignment.factorOf)) {
    int atom = static_cast<int>(axis);
    if (factor < 0)
      continue;
    if (std::optional<FactorPlace> place = findFactor(tensor, factor))
      entries.push_back({*place, nestingPosition(mesh, atom), atom});
  }
  llvm::sort(entries);
  llvm::SmallVector<Placement, 4> placements;
  for (const Entry &entry : entries)
    placements.push_back(Placement::shard(entry.axis, entry.place.dim));
  return placements;
}

Layout operandLayout(const Mesh &mesh, const ShardingRule &rule,
                     const Assignment &assignment, int index) {
  llvm::SmallVector<Placement, 4> placements =
      shardEntries(mesh, assignment, rule.operands[index]);
  for (auto [axis, set] : llvm::enumerate(assignment.partialSet))
    if (set >= 0 && llvm::is_contained(rule.linear[set], index))
      placements.push_back(Placement::partial(static_cast<int>(axis)));
  return Layout(mesh, placements);
}

Layout resultLayout(const Mesh &mesh, const ShardingRule &rule,
                    const Assignment &assignment, int index) {
  const TensorFactors &tensor = rule.results[index];
  llvm::SmallVector<Placement, 4> placements =
      shardEntries(mesh, assignment, tensor);
  for (int axis = 0; axis < mesh.numAtoms(); ++axis) {
    int factor = assignment.factorOf[axis];
    if (assignment.partialSet[axis] >= 0)
      placements.push_back(Placement::partial(axis));
    else if (factor >= 0 && !findFactor(tensor, factor))
      if (std::optional<ReduceKind> kind = partialKind(rule.factors[factor]))
        placements.push_back(Placement::partial(axis, *kind));
  }
  return Layout(mesh, placements);
}

std::optional<ReduceKind> partialKind(const Factor &factor) {
  switch (factor.kind) {
  case FactorKind::Reduced:
    return factor.reduce;
  case FactorKind::Indexed:
    return ReduceKind::Sum;
  case FactorKind::Parallel:
  case FactorKind::Positional:
  case FactorKind::Whole:
    return std::nullopt;
  }
  llvm_unreachable("unknown FactorKind");
}

bool isPlainDim(const ShardingRule &rule, const DimFactors &dimFactors) {
  return llvm::count_if(dimFactors, [&](int factor) {
           return rule.factors[factor].size > 1;
         }) <= 1;
}

/// The one factor of a plain dim that has elements to cut.
static std::optional<int> plainFactor(const ShardingRule &rule,
                                      const DimFactors &dimFactors) {
  for (int factor : dimFactors)
    if (rule.factors[factor].size > 1)
      return factor;
  if (dimFactors.empty())
    return std::nullopt;
  return dimFactors.front();
}

std::optional<int> factorForAxis(const Mesh &mesh, const ShardingRule &rule,
                                 const TensorFactors &tensor, int dim,
                                 llvm::ArrayRef<int> outer, int axis) {
  const DimFactors &dimFactors = tensor[dim];
  if (isPlainDim(rule, dimFactors))
    return plainFactor(rule, dimFactors);
  llvm::SmallVector<int, 4> axes(outer);
  axes.push_back(axis);
  size_t position = 0;
  int64_t rest = rule.factors[dimFactors[0]].size;
  std::optional<int> found;
  for (int cutting : axes) {
    while (rest == 1 && position + 1 < dimFactors.size())
      rest = rule.factors[dimFactors[++position]].size;
    int64_t size = mesh.atomSize(cutting);
    if (rest % size != 0)
      return std::nullopt;
    rest /= size;
    found = dimFactors[position];
  }
  return found;
}

} // namespace weft
