// SPDX-License-Identifier: Apache-2.0
//
// Sizes of blocks and panels, from what caches hold; see the header.

#include "ContractBlocks.h"

using namespace mlir;

namespace weft {

/// Steps of k that are not cut into blocks.
constexpr int64_t kLongest = 704;
/// Bytes between addresses that a cache puts into one set.
constexpr int64_t kPage = 4096;

int64_t Blocks::panelB(const Groups &groups, const TargetInfo &target) const {
  if (!pack)
    return 0;
  int64_t depth = extent(ArrayRef(groups.k).drop_back()) * k + target.lanes;
  return depth * target.tileCols();
}

/// `count` in equal parts of at most `most`, each a multiple of `step`.
static int64_t evenParts(int64_t count, int64_t most, int64_t step) {
  if (count <= most)
    return count;
  int64_t parts = llvm::divideCeil(count, most);
  return llvm::alignTo(llvm::divideCeil(count, parts), step);
}

/// 24 sums of 16 lanes keep both ports of a wide CPU busy with panels from the
/// second cache; 12 of 8 lanes are what 16 registers hold.
static int64_t tileRowsFor(const TargetInfo &target) {
  return target.lanes == 16 ? 12 : target.lanes == 8 ? 6 : 4;
}

Blocks planBlocks(const ContractSpec &spec, const Groups &groups,
                  const TargetInfo &target) {
  // Half again the room counts as fitting: a block less packs B once less.
  // Panels of A are written as well, and nobody asks for them ahead.
  constexpr int64_t kCacheFloats = 3 << 17;
  constexpr int64_t kPanelFloats = kCacheFloats / 2;
  const Letter &n = groups.n.back(), &k = groups.k.back(), &m = groups.m.back();
  bool singleK = groups.k.size() == 1;
  Blocks blocks;
  blocks.rows = tileRowsFor(target);
  blocks.pack = n.b != 1 || extent(groups.m) >= 64;
  blocks.packA = blocks.pack && singleK && groups.m.size() == 1 && k.a != 1 &&
                 m.a == 1 && blocks.rows <= target.lanes &&
                 extent(groups.n) >= 2 * target.tileCols();
  // Between blocks of k the sums are in C.
  bool cut = singleK && (n.c == 1 || n.size == 1) && spec.cType.isF32() &&
             !spec.region;
  blocks.k = cut ? evenParts(k.size, kLongest, kLine) : k.size;
  int64_t room = blocks.packA ? kPanelFloats : kCacheFloats;
  blocks.m = evenParts(m.size, std::max(room / blocks.k, 8 * blocks.rows),
                       blocks.rows);
  return blocks;
}
Groups withFewerRows(Groups groups, const TargetInfo &target) {
  if (llvm::any_of(ArrayRef{&groups.m, &groups.n, &groups.k},
                   [](const auto *group) { return group->size() != 1; }))
    return groups;
  const Letter &m = groups.m[0], &n = groups.n[0], &k = groups.k[0];
  bool packsBoth = m.a == 1 && n.b == 1 && k.a != 1 && k.b != 1 &&
                   n.size >= 2 * target.tileCols();
  // B is read a few lines of each row at a time: with such rows, all from the
  // same sets of the cache.
  bool isCrowded = k.a * 4 % kPage == 0;
  if (packsBoth && n.c == 1 && k.size <= kLongest && n.size < m.size &&
      !isCrowded)
    exchange(groups);
  return groups;
}

} // namespace weft
