// SPDX-License-Identifier: Apache-2.0
//
// The mesh against the world size: -1 is what is left, and the product of the
// axes is the number of ranks. Messages show the arithmetic.
#include "weft/Plan/Config.h"

#include "llvm/Support/FormatVariadic.h"
#include <algorithm>

using namespace weft;

namespace {
struct Axis {
  std::string name;
  int64_t *size;
};
} // namespace

// `dp_shard 2 x tp 4`, of the axes that are not 1; `1` if there are none.
static std::string product(llvm::ArrayRef<Axis> axes) {
  std::string text;
  for (const Axis &axis : axes)
    if (*axis.size > 1)
      text += (text.empty() ? "" : " x ") + axis.name + " " +
              std::to_string(*axis.size);
  return text.empty() ? "1" : text;
}

static const Axis &largest(llvm::ArrayRef<Axis> axes) {
  return *llvm::max_element(
      axes, [](const Axis &a, const Axis &b) { return *a.size < *b.size; });
}

static llvm::Error failure(const Config &config, llvm::StringRef axis,
                           const std::string &message) {
  std::string origin = config.originOf(("mesh." + axis).str()).str();
  std::string place = origin == "default" ? "" : origin + ": ";
  return llvm::createStringError(place + "error: " + message);
}

static llvm::Error anotherWorld(const Config &config, llvm::ArrayRef<Axis> axes,
                                int64_t ranks, int64_t world) {
  // The axis to change: the one that most people scale.
  int64_t others = ranks / config.mesh.dpShard;
  std::string remedy = llvm::formatv("use --world {0}", ranks);
  if (world % others == 0)
    remedy += llvm::formatv(", or set mesh.dp_shard to {0}", world / others);
  // The place to point at: an axis that somebody has set.
  std::string blamed = "dp_shard";
  for (const Axis &axis : axes)
    if (config.originOf("mesh." + blamed) == "default")
      blamed = axis.name;
  return failure(config, blamed,
                 llvm::formatv("the mesh has {0} = {1} ranks, but the world "
                               "size is {2}: {3}",
                               product(axes), ranks, world, remedy));
}

llvm::Error weft::resolveMesh(Config &config, std::optional<int64_t> world) {
  auto &mesh = config.mesh;
  Axis axes[] = {{"pp", &mesh.pp},
                 {"dp_replicate", &mesh.dpReplicate},
                 {"dp_shard", &mesh.dpShard},
                 {"cp", &mesh.cp},
                 {"tp", &mesh.tp}};
  if (world && *world < 1)
    return llvm::createStringError(
        llvm::formatv("error: --world must be at least 1: got {0}", *world));
  const Axis *left = nullptr;
  int64_t ranks = 1;
  for (const Axis &axis : axes) {
    if (*axis.size > 0) {
      if (__builtin_mul_overflow(ranks, *axis.size, &ranks))
        return failure(config, axis.name,
                       "the mesh is too large: its product does not fit in "
                       "64 bits");
      continue;
    }
    if (left)
      return failure(config, axis.name,
                     llvm::formatv("mesh axes \"{0}\" and \"{1}\" are both "
                                   "-1: only one can be what is left of the "
                                   "world size",
                                   left->name, axis.name));
    left = &axis;
  }
  if (left && !world)
    return failure(config, left->name,
                   llvm::formatv("mesh axis \"{0}\" is -1, but the world size "
                                 "is unknown: add --world N, or give "
                                 "mesh.{0} a size",
                                 left->name));
  if (left && *world % ranks == 0) {
    *left->size = *world / ranks;
    ranks = *world;
    left = nullptr;
  }
  if (left)
    return failure(config, left->name,
                   llvm::formatv("mesh axis \"{0}\" is -1, but the world size "
                                 "{1} is not divisible by the other axes: "
                                 "{2} = {3}",
                                 left->name, *world, product(axes), ranks));
  if (ranks > kMaxRanks)
    return failure(config, largest(axes).name,
                   llvm::formatv("the mesh has {0} ranks: expected at most {1}",
                                 ranks, kMaxRanks));
  if (!world || *world == ranks)
    return llvm::Error::success();
  return anotherWorld(config, axes, ranks, *world);
}
