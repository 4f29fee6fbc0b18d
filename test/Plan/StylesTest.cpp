// SPDX-License-Identifier: Apache-2.0
//
// The table of tensor-parallel styles against the table in the design.
#include "weft/Plan/Styles.h"

#include <gtest/gtest.h>

using namespace weft;

static std::string str(StyleWish wish) {
  switch (wish.kind) {
  case StyleWish::Open:
    return "open";
  case StyleWish::Replicate:
    return "replicate";
  case StyleWish::Shard:
    return "shard(" + std::to_string(wish.dim) + ")";
  }
  return "";
}

struct Row {
  const char *name, *weight, *bias, *input, *output, *sequence, *loss;
};
class StyleRows : public testing::TestWithParam<Row> {};

TEST_P(StyleRows, means_what_the_design_says) {
  Row row = GetParam();
  const Style *style = llvm::cantFail(findStyle(row.name));
  EXPECT_EQ(str(style->parameterWish("weight")), row.weight);
  EXPECT_EQ(str(style->parameterWish("bias")), row.bias);
  EXPECT_EQ(str(style->input), row.input);
  EXPECT_EQ(str(style->outputWish({})), row.output);
  EXPECT_EQ(str(style->outputWish({true, false})), row.sequence);
  EXPECT_EQ(str(style->outputWish({false, true})), row.loss);
  EXPECT_FALSE(style->help.empty());
}

static const Row rows[] = {
    {"colwise", "shard(0)", "shard(0)", "replicate", "shard(-1)", "shard(-1)",
     "shard(-1)"},
    {"rowwise", "shard(1)", "replicate", "shard(-1)", "replicate", "open",
     "replicate"},
    {"rowwise_split_input", "shard(1)", "replicate", "shard(-1)", "replicate",
     "open", "replicate"},
    {"colwise_gather_output", "shard(0)", "shard(0)", "replicate", "replicate",
     "replicate", "shard(-1)"},
    {"embedding_rowwise", "shard(0)", "open", "replicate", "replicate", "open",
     "replicate"},
    {"embedding_colwise", "shard(1)", "open", "replicate", "replicate", "open",
     "replicate"},
    {"replicated_with_grad_allreduce", "replicate", "replicate", "open", "open",
     "open", "open"},
};
INSTANTIATE_TEST_SUITE_P(Table, StyleRows, testing::ValuesIn(rows));

TEST(Styles, options_combine) {
  const Style *head = llvm::cantFail(findStyle("colwise_gather_output"));
  EXPECT_EQ(str(head->outputWish({true, true})), "shard(-1)");
  const Style *row = llvm::cantFail(findStyle("rowwise"));
  EXPECT_EQ(str(row->outputWish({true, true})), "open");
}

TEST(Styles, features_count_wherever_they_lie) {
  auto swapped = [](const char *name) {
    const Style *style = llvm::cantFail(findStyle(name));
    return str(style->inputsFirst(style->parameterWish("weight")));
  };
  EXPECT_EQ(swapped("colwise"), "shard(1)");
  EXPECT_EQ(swapped("rowwise"), "shard(0)");
  EXPECT_EQ(swapped("colwise_gather_output"), "shard(1)");
  EXPECT_EQ(swapped("embedding_rowwise"), "shard(0)");
  EXPECT_EQ(swapped("embedding_colwise"), "shard(1)");
  EXPECT_EQ(swapped("replicated_with_grad_allreduce"), "replicate");
}

TEST(Styles, unknown_style_lists_all) {
  EXPECT_EQ(llvm::toString(findStyle("colwize").takeError()),
            "unknown style \"colwize\": expected one of colwise, rowwise, "
            "rowwise_split_input, colwise_gather_output, embedding_rowwise, "
            "embedding_colwise, "
            "replicated_with_grad_allreduce; did you mean \"colwise\"?");
}
