// SPDX-License-Identifier: Apache-2.0
//
// The one matcher: what it accepts, selects and suggests.
#include "weft/Plan/Pattern.h"

#include <gtest/gtest.h>

using namespace weft;

static NamePattern pattern(llvm::StringRef text) {
  return llvm::cantFail(NamePattern::parse(text));
}

static std::string errorOf(llvm::StringRef text) {
  llvm::Expected<NamePattern> parsed = NamePattern::parse(text);
  return parsed ? "" : llvm::toString(parsed.takeError());
}

TEST(Pattern, a_star_is_one_number) {
  EXPECT_TRUE(pattern("model.layers.*").matches("model.layers.12"));
  EXPECT_FALSE(pattern("model.layers.*").matches("model.layers.x"));
  EXPECT_FALSE(pattern("model.layers.1").matches("model.layers.12"));
  EXPECT_FALSE(pattern("model.layers.*").matches("model.layers.1.mlp"));
  EXPECT_FALSE(pattern("model.layers.*").matches("model.layers"));
  EXPECT_TRUE(pattern("*.*").matches("0.1"));
}

TEST(Pattern, digits_inside_a_name_are_literal) {
  EXPECT_TRUE(pattern("block.fc1").matches("block.fc1"));
  EXPECT_FALSE(pattern("block.fc1").matches("block.fc2"));
}

TEST(Pattern, sides_select_the_first_floating_tensor) {
  BoundaryValue ids{0, "ids", false}, hidden{1, "hidden", true},
      mask{2, "mask", false};
  EXPECT_EQ(pattern("m:input").side(), PatternSide::Input);
  EXPECT_EQ(pattern("m:output").side(), PatternSide::Output);
  EXPECT_EQ(pattern("m").side(), PatternSide::Name);
  EXPECT_EQ(pattern("m:input").select({ids, hidden, mask}), 1u);
  EXPECT_EQ(pattern("m:input").select({ids, mask}), 0u);
  EXPECT_EQ(pattern("m:input").select({}), std::nullopt);
  EXPECT_EQ(pattern("m:input[2]").select({ids, hidden, mask}), 2u);
  EXPECT_EQ(pattern("m:input[2]").select({mask}), 0u);
  EXPECT_EQ(pattern("m:input[3]").select({ids, hidden}), std::nullopt);
  EXPECT_EQ(pattern("m:input.mask").select({ids, hidden, mask}), 2u);
  EXPECT_EQ(pattern("m:input.none").select({ids, hidden}), std::nullopt);
}

TEST(Pattern, a_side_leaves_the_path_to_match) {
  EXPECT_TRUE(pattern("model.layers.*:output[1]").matches("model.layers.0"));
  EXPECT_EQ(pattern("layers.*:output").prefixed("model").str(),
            "model.layers.*:output");
  EXPECT_EQ(pattern("lm_head").prefixed("").str(), "lm_head");
}

TEST(Pattern, malformed_patterns_say_why) {
  EXPECT_EQ(errorOf("model.h*.mlp"),
            "pattern \"model.h*.mlp\" has \"h*\": \"*\" stands for a whole "
            "number between dots");
  EXPECT_EQ(errorOf(""), "pattern \"\" names nothing");
  EXPECT_EQ(errorOf("a..b"),
            "pattern \"a..b\" has an empty name between two dots");
  EXPECT_EQ(errorOf("m:inputs"),
            "pattern \"m:inputs\" is not understood: after \":input\" or "
            "\":output\" comes nothing, \"[1]\" or \".name\"");
  EXPECT_EQ(errorOf("m:input[x]"),
            "pattern \"m:input[x]\" is not understood: after \":input\" or "
            "\":output\" comes nothing, \"[1]\" or \".name\"");
  EXPECT_EQ(errorOf("m:weight"),
            "pattern \"m:weight\" is not complete: after \":\" comes \"input\" "
            "or \"output\"");
}

TEST(Pattern, suggests_the_nearest_name_in_the_users_form) {
  std::vector<std::string> names = {
      "model.layers.0.mlp.up_proj", "model.layers.1.mlp.up_proj",
      "model.layers.0.mlp.down_proj", "model.norm"};
  EXPECT_EQ(suggestName(pattern("model.layers.*.mlp.up_prj"), names),
            "model.layers.*.mlp.up_proj");
  EXPECT_EQ(suggestName(pattern("model.layers.7.mlp.up_proj"), names),
            "model.layers.0.mlp.up_proj");
  EXPECT_EQ(suggestName(pattern("model.nrm:output"), names),
            "model.norm:output");
  EXPECT_EQ(suggestName(pattern("transformer"), names), std::nullopt);
}

TEST(Pattern, generalize_replaces_numbers_between_dots) {
  EXPECT_EQ(generalize("model.layers.12.fc1.0"), "model.layers.*.fc1.*");
}
