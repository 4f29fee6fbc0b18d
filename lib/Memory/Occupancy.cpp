// SPDX-License-Identifier: Apache-2.0
//
// The tree of Occupancy.h. Recursion is as deep as the tree: log2 of the steps.
#include "Occupancy.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

namespace weft {

void ByteSet::add(Extent extent) {
  if (extent.begin == extent.end)
    return;
  auto first = llvm::partition_point(
      sorted, [&](const Extent &e) { return e.end < extent.begin; });
  auto last = first;
  for (; last != sorted.end() && last->begin <= extent.end; ++last)
    extent = {std::min(extent.begin, last->begin),
              std::max(extent.end, last->end)};
  if (first == last) {
    sorted.insert(first, extent);
    return;
  }
  *first = extent;
  sorted.erase(first + 1, last);
}

Occupancy::Occupancy(int64_t numSteps)
    : width(llvm::PowerOf2Ceil(std::max<int64_t>(numSteps, 1))),
      nodes(2 * width) {}

void Occupancy::take(Place place, Extent steps, Extent extent) {
  Node &node = nodes[place.number];
  node.sometimes.add(extent);
  if (place.isIn(steps))
    return node.throughout.add(extent);
  for (Place child : {place.left(), place.right()})
    if (child.meets(steps))
      take(child, steps, extent);
}

void Occupancy::collect(Place place, Extent steps,
                        std::vector<Extent> &extents) const {
  const Node &node = nodes[place.number];
  bool isIn = place.isIn(steps);
  llvm::append_range(extents,
                     (isIn ? node.sometimes : node.throughout).extents());
  if (isIn)
    return;
  for (Place child : {place.left(), place.right()})
    if (child.meets(steps))
      collect(child, steps, extents);
}

} // namespace weft
