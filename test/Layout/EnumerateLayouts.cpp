// SPDX-License-Identifier: Apache-2.0
//
// Builds layouts axis by axis: each axis is left out, made partial, or put at
// each position of each dim's nesting.
#include "EnumerateLayouts.h"
#include "VirtualRanks.h"

#include "gtest/gtest.h"

namespace weft::test {

Mesh meshOf(llvm::StringRef text) {
  llvm::SmallVector<MeshAxis> axes;
  while (!text.trim().empty()) {
    auto [name, value] = text.split('=');
    MeshAxis axis = {name.trim().str(), {}};
    value = value.trim();
    bool isSplit = value.consume_front("(");
    auto [sizes, rest] = value.split(isSplit ? ')' : ',');
    llvm::SmallVector<llvm::StringRef, 2> parts;
    sizes.split(parts, ',');
    for (llvm::StringRef part : parts) {
      int64_t size = 0;
      EXPECT_FALSE(part.trim().getAsInteger(10, size)) << part.str();
      axis.factors.push_back(size);
    }
    axes.push_back(axis);
    text = rest.trim();
    text.consume_front(",");
  }
  return Mesh(axes);
}

Layout layoutOf(const Mesh &mesh, llvm::StringRef text) {
  PlacementsOrError parsed = parsePlacements(mesh, text);
  EXPECT_EQ(parsed.message, "");
  return Layout(mesh, parsed.placements);
}

/// All ways to add the axes from `axis` on to `entries`.
static void enumerate(const Mesh &mesh, int numDims, ReduceKind kind, int axis,
                      llvm::SmallVector<Placement> entries,
                      std::vector<Layout> &layouts) {
  if (axis == mesh.numAtoms()) {
    layouts.emplace_back(mesh, entries);
    return;
  }
  auto with = [&](size_t position, Placement placement) {
    llvm::SmallVector<Placement> more = entries;
    more.insert(more.begin() + position, placement);
    enumerate(mesh, numDims, kind, axis + 1, more, layouts);
  };
  enumerate(mesh, numDims, kind, axis + 1, entries, layouts);
  with(entries.size(), Placement::partial(axis, kind));
  for (int dim = 0; dim < numDims; ++dim)
    for (size_t position = 0; position <= entries.size(); ++position) {
      // One position per nesting: at the end, or right before an axis of dim.
      bool isBefore = position < entries.size() &&
                      entries[position].dim == dim &&
                      entries[position].kind == PlacementKind::Shard;
      if (isBefore || position == entries.size())
        with(position, Placement::shard(axis, dim));
    }
}

std::vector<Layout> allLayouts(const Mesh &mesh, int numDims,
                               llvm::ArrayRef<ReduceKind> kinds) {
  std::vector<Layout> layouts;
  for (ReduceKind kind : kinds) {
    std::vector<Layout> ofKind;
    enumerate(mesh, numDims, kind, 0, {}, ofKind);
    for (const Layout &layout : ofKind)
      if (kind == kinds.front() || layout.hasPartial())
        layouts.push_back(layout);
  }
  return layouts;
}

PairCount checkAllPairs(const Mesh &mesh, llvm::ArrayRef<int64_t> shape,
                        llvm::ArrayRef<ReduceKind> kinds,
                        const AxisCost &cost) {
  constexpr int64_t maxReported = 5;
  PairCount count;
  Tensor tensor = countingTensor(shape);
  std::vector<Layout> layouts =
      allLayouts(mesh, static_cast<int>(shape.size()), kinds);
  for (const Layout &from : layouts)
    for (const Layout &to : layouts) {
      auto moves =
          planRedistribution(mesh, shape, /*elementBytes=*/4, from, to, cost);
      auto message = checkMoves(mesh, tensor, from, to, moves);
      ++count.pairs;
      count.moves += static_cast<int64_t>(moves.size());
      if (message && ++count.failures <= maxReported)
        ADD_FAILURE() << "from <" << toString(mesh, from) << "> to <"
                      << toString(mesh, to) << ">: " << *message;
    }
  EXPECT_EQ(count.failures, 0);
  return count;
}

} // namespace weft::test
