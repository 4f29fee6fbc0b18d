// SPDX-License-Identifier: Apache-2.0
//
// Mesh and Layout: the tables of their headers, text, and how shards tile a
// tensor.
#include "EnumerateLayouts.h"
#include "VirtualRanks.h"
#include "weft/Layout/Constraint.h"

#include "gtest/gtest.h"
#include <iostream>

namespace weft::test {
namespace {

using Atoms = llvm::SmallVector<int, 2>;
using Ranks = std::vector<int64_t>;

std::vector<int64_t> list(llvm::ArrayRef<int64_t> values) {
  return values.vec();
}

TEST(Mesh, looks_up_axes_and_sub_axes) {
  Mesh mesh = meshOf("dp = 2, tp = (2, 4)");
  EXPECT_EQ(mesh.lookup("dp"), (Atoms{0}));
  EXPECT_EQ(mesh.lookup("tp"), (Atoms{1, 2}));
  EXPECT_EQ(mesh.lookup("tp.1"), (Atoms{2}));
  EXPECT_EQ(mesh.lookup("cp"), std::nullopt);
  EXPECT_EQ(mesh.lookup("dp.0"), std::nullopt);
  EXPECT_EQ(mesh.atomName(0), "dp");
  EXPECT_EQ(mesh.atomName(2), "tp.1");
  EXPECT_EQ(mesh.axes()[1].size(), 8);
}

TEST(Mesh, numbers_ranks_row_major) {
  Mesh mesh = meshOf("dp = 2, tp = (2, 2)");
  EXPECT_EQ(mesh.numRanks(), 8);
  EXPECT_EQ(list(mesh.coordinates(6)), (Ranks{1, 1, 0}));
  EXPECT_EQ(list(mesh.group(6, {0})), (Ranks{2, 6}));
  EXPECT_EQ(list(mesh.group(6, {1, 2})), (Ranks{4, 5, 6, 7}));
  EXPECT_EQ(list(mesh.group(6, {2, 1})), (Ranks{4, 6, 5, 7}));
  EXPECT_EQ(mesh.indexInGroup(6, {1, 2}), 2);
  EXPECT_EQ(mesh.indexInGroup(6, {2, 1}), 1);
  for (int64_t rank = 0; rank < mesh.numRanks(); ++rank)
    EXPECT_EQ(mesh.rankOf(mesh.coordinates(rank)), rank);
  EXPECT_EQ(Mesh().numRanks(), 1);
}

TEST(Mesh, refuses_bad_axes) {
  EXPECT_EQ(meshOf("dp = 2, tp = 1").verify(), std::nullopt);
  EXPECT_EQ(meshOf("= 2").verify(), "mesh axis has no name");
  EXPECT_EQ(meshOf("tp = 2, tp = 3").verify(), "mesh axis \"tp\" is repeated");
  EXPECT_EQ(meshOf("tp = (2, 0)").verify(),
            "mesh axis \"tp\" has a wrong size: got 0, expected at least 1");
  EXPECT_EQ(Mesh({{"tp", {}}}).verify(), "mesh axis \"tp\" has no size");
}

TEST(Layout, cuts_uneven_dims_by_the_ceil_rule) {
  struct Case {
    const char *mesh;
    int64_t size, local;
    Ranks valid, start;
  };
  const Case cases[] = {
      {"a = 2, b = 2", 10, 3, {3, 2, 3, 2}, {0, 3, 5, 8}},
      {"a = 2, b = 2", 9, 3, {3, 2, 3, 1}, {0, 3, 5, 8}},
      {"a = 3", 4, 2, {2, 2, 0}, {0, 2, 4}},
      {"a = 4", 8, 2, {2, 2, 2, 2}, {0, 2, 4, 6}},
  };
  for (const Case &example : cases) {
    Mesh mesh = meshOf(example.mesh);
    llvm::SmallVector<Placement> entries;
    for (int axis = 0; axis < mesh.numAtoms(); ++axis)
      entries.push_back(Placement::shard(axis, 0));
    Layout layout(mesh, entries);
    EXPECT_EQ(layout.localShape(mesh, {example.size})[0], example.local);
    Ranks valid, start;
    for (int64_t rank = 0; rank < mesh.numRanks(); ++rank) {
      valid.push_back(layout.validExtent(mesh, 0, example.size, rank));
      start.push_back(layout.globalStart(mesh, 0, example.size, rank));
    }
    EXPECT_EQ(valid, example.valid);
    EXPECT_EQ(start, example.start);
    EXPECT_EQ(layout.isEven(mesh, 0, example.size), example.size == 8);
  }
}

TEST(Layout, has_one_canonical_form) {
  Mesh mesh = meshOf("dp = 2, cp = 1, tp = 2");
  Layout layout(mesh, {Placement::partial(2), Placement::replicate(1),
                       Placement::shard(1, 0), Placement::shard(0, 1)});
  EXPECT_EQ(layout, layoutOf(mesh, "dp = shard(1), tp = partial(sum)"));
  EXPECT_EQ(layout.verify(mesh, 2), std::nullopt);
  EXPECT_EQ(layout.partialAxes().front(), 2);
  EXPECT_FALSE(layout.placementOf(1));
  EXPECT_TRUE(layoutOf(mesh, "dp = replicate").isReplicated());
}

TEST(Layout, reads_back_its_text) {
  struct Case {
    const char *text, *printed;
  };
  Mesh mesh = meshOf("dp_shard = 2, cp = 2, tp = (2, 2)");
  const Case cases[] = {
      {"", ""},
      {"tp = shard(0), dp_shard = shard(0), cp = partial(sum)",
       "tp = shard(0), dp_shard = shard(0), cp = partial(sum)"},
      {"tp.0 = shard(1), tp.1 = shard(1)", "tp = shard(1)"},
      {"tp.1 = shard(1), tp.0 = shard(1)", "tp.1 = shard(1), tp.0 = shard(1)"},
      {"tp.0 = shard(1), cp = shard(1), tp.1 = shard(1)",
       "tp.0 = shard(1), cp = shard(1), tp.1 = shard(1)"},
      {"tp = partial(max), dp_shard = shard(1)",
       "dp_shard = shard(1), tp = partial(max)"},
      {"tp.1 = shard(0)", "tp.1 = shard(0)"},
  };
  for (const Case &example : cases)
    EXPECT_EQ(toString(mesh, layoutOf(mesh, example.text)), example.printed);
}

TEST(Layout, refuses_bad_text) {
  Mesh mesh = meshOf("tp = 2");
  EXPECT_EQ(parsePlacements(mesh, "ep = shard(0)").message,
            "axis \"ep\" is not in the mesh");
  EXPECT_EQ(parsePlacements(mesh, "tp = split(0)").message,
            "placement of axis \"tp\" is unknown: got \"split(0)\", expected "
            "shard(dim), partial(kind) or replicate");
}

TEST(Layout, refuses_bad_entries) {
  Mesh mesh = meshOf("dp = 2, tp = 2");
  EXPECT_EQ(Layout(mesh, {Placement::shard(2, 0)}).verify(mesh, 1),
            "layout names axis number 2, but the mesh has 2 axes");
  EXPECT_EQ(layoutOf(mesh, "tp = shard(1)").verify(mesh, 1),
            "axis \"tp\" shards a dim out of range: got 1, the tensor has 1 "
            "dims");
  EXPECT_EQ(layoutOf(mesh, "tp = shard(0), tp = shard(1)").verify(mesh, 2),
            "axis \"tp\" is used twice in one layout");
  EXPECT_EQ(
      layoutOf(mesh, "dp = partial(sum), tp = partial(max)").verify(mesh, 0),
      "axis \"tp\" is partial of another kind: got max, expected sum");
  // Canonical on its own mesh, but not where tp has size 1.
  EXPECT_EQ(layoutOf(mesh, "dp = shard(0), tp = shard(0)")
                .verify(meshOf("dp = 2, tp = 1"), 1),
            "layout is not in canonical form: expected dp = shard(0)");
}

TEST(Layout, shards_tile_the_tensor) {
  int64_t numChecked = 0;
  for (const char *text : {"a = 2", "a = 3", "a = 2, b = 3", "a = (2, 2, 2)"}) {
    Mesh mesh = meshOf(text);
    for (const Layout &layout : allLayouts(mesh, 2, {ReduceKind::Sum})) {
      Tensor tensor = countingTensor({5, 4});
      int64_t numCopies = mesh.numRanks();
      for (const Placement &entry : layout.entries())
        if (entry.kind == PlacementKind::Shard)
          numCopies /= mesh.atomSize(entry.axis);
      int64_t numValid = 0;
      for (int64_t rank = 0; rank < mesh.numRanks(); ++rank)
        numValid += layout.validExtent(mesh, 0, 5, rank) *
                    layout.validExtent(mesh, 1, 4, rank);
      EXPECT_EQ(numValid, numCopies * 20) << toString(mesh, layout);
      Distributed held = shard(mesh, tensor, layout);
      EXPECT_EQ(compare(mesh, tensor, layout, held), std::nullopt);
      ++numChecked;
    }
  }
  std::cout << numChecked << " layouts\n";
  EXPECT_GT(numChecked, 0);
}

TEST(Constraint, resolves_names_and_dims) {
  Mesh mesh = meshOf("dp = 2, tp = (2, 2)");
  Constraint wish = {{{"tp", Placement::shard(0, -1)},
                      {"cp", Placement::shard(0, 0)},
                      {"dp", Placement::replicate(0)}}};
  ResolvedConstraint resolved = resolveConstraint(mesh, wish, 2);
  EXPECT_EQ(resolved.message, "");
  ASSERT_EQ(resolved.placements.size(), 3u);
  EXPECT_EQ(resolved.placements[0], Placement::shard(1, 1));
  EXPECT_EQ(resolved.placements[1], Placement::shard(2, 1));
  EXPECT_EQ(resolved.placements[2], Placement::replicate(0));
}

} // namespace
} // namespace weft::test
