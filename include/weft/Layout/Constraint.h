// SPDX-License-Identifier: Apache-2.0
//
// Constraint: what a user or a pass wishes of a tensor's layout. Entries name
// axes by text, since a plan is written before the mesh is known; an unlisted
// axis is open. Entries of one dim are in nesting order, outermost first.
#ifndef WEFT_LAYOUT_CONSTRAINT_H
#define WEFT_LAYOUT_CONSTRAINT_H

#include "weft/Layout/Layout.h"
#include <vector>

namespace weft {

/// One wish; `placement.axis` is unused. A negative dim counts from the end.
struct ConstraintEntry {
  std::string axis;
  Placement placement;

  bool operator==(const ConstraintEntry &other) const = default;
};

struct Constraint {
  std::vector<ConstraintEntry> entries;

  bool operator==(const Constraint &other) const = default;
};

/// The placements that `constraint` asks for on the atoms of `mesh`; axes the
/// mesh lacks have size 1 and are left out. `message` is set if a dim is out
/// of range or an axis occurs twice.
struct ResolvedConstraint {
  llvm::SmallVector<Placement, 4> placements;
  std::string message;
};
ResolvedConstraint resolveConstraint(const Mesh &mesh,
                                     const Constraint &constraint,
                                     int64_t numDims);

} // namespace weft

#endif // WEFT_LAYOUT_CONSTRAINT_H
