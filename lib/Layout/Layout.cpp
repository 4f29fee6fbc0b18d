// SPDX-License-Identifier: Apache-2.0
//
// Layout: canonical form, local shapes and valid extents.
//
// A dim of `size` elements is cut axis by axis in nesting order. Each cut
// divides the *static* size, so block starts are the same on every rank and a
// shard's valid elements are always its leading ones. Text is LayoutText.cpp.
#include "weft/Layout/Layout.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallSet.h"
#include "llvm/Support/MathExtras.h"

namespace weft {

/// Orders shard entries by dim, then partial entries by axis. Used with a
/// stable sort, so entries of one dim keep their nesting.
static bool comesBefore(const Placement &lhs, const Placement &rhs) {
  if (lhs.kind != rhs.kind)
    return lhs.kind == PlacementKind::Shard;
  return lhs.kind == PlacementKind::Shard ? lhs.dim < rhs.dim
                                          : lhs.axis < rhs.axis;
}

Layout::Layout(const Mesh &mesh, llvm::ArrayRef<Placement> entries) {
  for (const Placement &entry : entries) {
    if (entry.kind == PlacementKind::Replicate)
      continue;
    // An axis out of range is kept: verify() names it.
    bool inRange = entry.axis >= 0 && entry.axis < mesh.numAtoms();
    if (inRange && mesh.atomSize(entry.axis) == 1)
      continue;
    // Fields without meaning are reset, so that == compares meaning.
    placements.push_back(entry.kind == PlacementKind::Shard
                             ? Placement::shard(entry.axis, entry.dim)
                             : Placement::partial(entry.axis, entry.reduce));
  }
  llvm::stable_sort(placements, comesBefore);
}

bool Layout::hasPartial() const {
  return llvm::any_of(placements, [](const Placement &entry) {
    return entry.kind == PlacementKind::Partial;
  });
}

std::optional<Placement> Layout::placementOf(int axis) const {
  for (const Placement &entry : placements)
    if (entry.axis == axis)
      return entry;
  return std::nullopt;
}

llvm::SmallVector<int, 4> Layout::axesOfDim(int dim) const {
  llvm::SmallVector<int, 4> axes;
  for (const Placement &entry : placements)
    if (entry.kind == PlacementKind::Shard && entry.dim == dim)
      axes.push_back(entry.axis);
  return axes;
}

llvm::SmallVector<int, 4> Layout::partialAxes() const {
  llvm::SmallVector<int, 4> axes;
  for (const Placement &entry : placements)
    if (entry.kind == PlacementKind::Partial)
      axes.push_back(entry.axis);
  return axes;
}

llvm::SmallVector<int64_t>
Layout::localShape(const Mesh &mesh, llvm::ArrayRef<int64_t> shape) const {
  llvm::SmallVector<int64_t> local(shape);
  for (const Placement &entry : placements)
    if (entry.kind == PlacementKind::Shard)
      local[entry.dim] =
          llvm::divideCeil(local[entry.dim], mesh.atomSize(entry.axis));
  return local;
}

namespace {
/// The part of one dim that a rank holds.
struct Part {
  int64_t start;
  int64_t valid;
};
} // namespace

static Part partOf(const Mesh &mesh, llvm::ArrayRef<int> axes, int64_t size,
                   int64_t rank) {
  llvm::SmallVector<int64_t> coordinates = mesh.coordinates(rank);
  Part part = {0, size};
  for (int axis : axes) {
    size = llvm::divideCeil(size, mesh.atomSize(axis));
    int64_t offset = coordinates[axis] * size;
    part.start += offset;
    part.valid = std::clamp<int64_t>(part.valid - offset, 0, size);
  }
  return part;
}

int64_t Layout::validExtent(const Mesh &mesh, int dim, int64_t size,
                            int64_t rank) const {
  return partOf(mesh, axesOfDim(dim), size, rank).valid;
}

int64_t Layout::globalStart(const Mesh &mesh, int dim, int64_t size,
                            int64_t rank) const {
  return partOf(mesh, axesOfDim(dim), size, rank).start;
}

bool Layout::isEven(const Mesh &mesh, int dim, int64_t size) const {
  int64_t product = 1;
  for (int axis : axesOfDim(dim))
    product *= mesh.atomSize(axis);
  return size % product == 0;
}

/// C1: the entry's axis and dim exist.
static std::optional<std::string> verifyEntry(const Mesh &mesh, int64_t numDims,
                                              const Placement &entry) {
  if (entry.axis < 0 || entry.axis >= mesh.numAtoms())
    return "layout names axis number " + std::to_string(entry.axis) +
           ", but the mesh has " + std::to_string(mesh.numAtoms()) + " axes";
  if (entry.kind == PlacementKind::Shard &&
      (entry.dim < 0 || entry.dim >= numDims))
    return "axis \"" + mesh.atomName(entry.axis) +
           "\" shards a dim out of range: got " + std::to_string(entry.dim) +
           ", the tensor has " + std::to_string(numDims) + " dims";
  return std::nullopt;
}

std::optional<std::string> Layout::verify(const Mesh &mesh,
                                          int64_t numDims) const {
  llvm::SmallSet<int, 8> seen;
  std::optional<ReduceKind> partialKind;
  for (const Placement &entry : placements) {
    if (std::optional<std::string> message = verifyEntry(mesh, numDims, entry))
      return message;
    std::string name = "axis \"" + mesh.atomName(entry.axis) + "\"";
    if (!seen.insert(entry.axis).second)
      return name + " is used twice in one layout";
    if (entry.kind != PlacementKind::Partial)
      continue;
    // Sums of maxima are not maxima of sums: one kind has one meaning.
    if (partialKind && *partialKind != entry.reduce)
      return name + " is partial of another kind: got " +
             toString(entry.reduce).str() + ", expected " +
             toString(*partialKind).str();
    partialKind = entry.reduce;
  }
  if (Layout(mesh, placements) != *this)
    return "layout is not in canonical form: expected " +
           toString(mesh, Layout(mesh, placements));
  return std::nullopt;
}

} // namespace weft
