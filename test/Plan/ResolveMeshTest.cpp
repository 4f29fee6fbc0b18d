// SPDX-License-Identifier: Apache-2.0
//
// The mesh against the world size.
#include "weft/Plan/Config.h"

#include <gtest/gtest.h>

using namespace weft;

static std::string resolve(std::vector<std::string> sets,
                           std::optional<int64_t> world, Config &config) {
  llvm::Expected<Config> parsed = parseConfig("", "weft.toml", sets);
  if (!parsed)
    return llvm::toString(parsed.takeError());
  config = std::move(*parsed);
  llvm::Error error = resolveMesh(config, world);
  return error ? llvm::toString(std::move(error)) : "";
}

TEST(ResolveMesh, fills_in_what_is_left) {
  Config config;
  EXPECT_EQ(resolve({"mesh.dp_shard=-1", "mesh.tp=2"}, 8, config), "");
  EXPECT_EQ(config.mesh.dpShard, 4);
  EXPECT_EQ(config.numRanks(), 8);
}

TEST(ResolveMesh, takes_the_product_without_a_world_size) {
  Config config;
  EXPECT_EQ(resolve({"mesh.dp_shard=2", "mesh.tp=2"}, std::nullopt, config),
            "");
  EXPECT_EQ(config.numRanks(), 4);
}

TEST(ResolveMesh, shows_the_arithmetic_of_a_mismatch) {
  Config config;
  EXPECT_EQ(resolve({"mesh.dp_shard=2", "mesh.tp=4"}, 12, config),
            "--set mesh.dp_shard=2: error: the mesh has dp_shard 2 x tp 4 = 8 "
            "ranks, but the world size is 12: use --world 8, or set "
            "mesh.dp_shard to 3");
  EXPECT_EQ(resolve({"mesh.tp=4"}, 6, config),
            "--set mesh.tp=4: error: the mesh has tp 4 = 4 ranks, but the "
            "world size is 6: use "
            "--world 4");
}

TEST(ResolveMesh, rejects_what_cannot_be_left) {
  Config config;
  EXPECT_EQ(resolve({"mesh.dp_shard=-1", "mesh.tp=4"}, 6, config),
            "--set mesh.dp_shard=-1: error: mesh axis \"dp_shard\" is -1, but "
            "the world size 6 is not divisible by the other axes: tp 4 = 4");
  EXPECT_EQ(resolve({"mesh.dp_shard=-1"}, std::nullopt, config),
            "--set mesh.dp_shard=-1: error: mesh axis \"dp_shard\" is -1, but "
            "the world size is unknown: add --world N, or give mesh.dp_shard a "
            "size");
  EXPECT_EQ(resolve({"mesh.dp_shard=-1", "mesh.tp=-1"}, 8, config),
            "--set mesh.tp=-1: error: mesh axes \"dp_shard\" and \"tp\" are "
            "both -1: only one can be what is left of the world size");
  EXPECT_EQ(
      resolve({"mesh.dp_shard=4611686018427387904", "mesh.tp=4"}, 8, config),
      "--set mesh.tp=4: error: the mesh is too large: its product does "
      "not fit in 64 bits");
}
