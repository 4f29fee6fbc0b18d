// SPDX-License-Identifier: Apache-2.0
//
// Resolves named wishes to placements on the atoms of a mesh.
#include "weft/Layout/Constraint.h"
#include <set>

namespace weft {

static std::string outOfRange(const ConstraintEntry &entry, int64_t numDims) {
  return "axis \"" + entry.axis + "\" shards dim " +
         std::to_string(entry.placement.dim) + " of a tensor with " +
         std::to_string(numDims) + " dims";
}

ResolvedConstraint resolveConstraint(const Mesh &mesh,
                                     const Constraint &constraint,
                                     int64_t numDims) {
  ResolvedConstraint resolved;
  std::set<int> seen;
  for (const ConstraintEntry &entry : constraint.entries) {
    Placement placement = entry.placement;
    if (placement.kind == PlacementKind::Shard) {
      if (placement.dim < 0)
        placement.dim += numDims;
      if (placement.dim < 0 || placement.dim >= numDims)
        return {{}, outOfRange(entry, numDims)};
    }
    auto atoms = mesh.lookup(entry.axis);
    if (!atoms)
      continue;
    for (int atom : *atoms) {
      if (!seen.insert(atom).second)
        return {{}, "axis \"" + entry.axis + "\" is constrained twice"};
      placement.axis = atom;
      resolved.placements.push_back(placement);
    }
  }
  return resolved;
}

} // namespace weft
