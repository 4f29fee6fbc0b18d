// SPDX-License-Identifier: Apache-2.0
//
// ShardingRule: layouts from assignments, assignments from layouts, and that
// the two agree for every assignment of the example rules.
#include "EnumerateLayouts.h"
#include "ExampleRules.h"

#include "gtest/gtest.h"
#include <iostream>

namespace weft::test {
namespace {

std::vector<Layout> layoutsOf(const Mesh &mesh,
                              llvm::ArrayRef<const char *> texts) {
  std::vector<Layout> layouts;
  for (const char *text : texts)
    layouts.push_back(layoutOf(mesh, text));
  return layouts;
}

/// Matches layouts in text, operands then results; the message or "".
std::string match(const Mesh &mesh, const ShardingRule &rule,
                  llvm::ArrayRef<const char *> texts) {
  std::vector<Layout> all = layoutsOf(mesh, texts);
  llvm::ArrayRef<Layout> layouts = all;
  auto result =
      matchLayouts(mesh, rule, layouts.take_front(rule.operands.size()),
                   layouts.drop_front(rule.operands.size()));
  EXPECT_EQ(result.assignment.has_value(), result.message.empty());
  return result.message;
}

TEST(ShardingRule, verifies) {
  EXPECT_EQ(contractRule().verify(), std::nullopt);
  ShardingRule rule = contractRule();
  rule.operands[0][1] = {7};
  EXPECT_EQ(rule.verify(), "operand 0 dim 1 names a factor out of range: got "
                           "7, the rule has 3");
  rule.operands[0][1] = {0};
  EXPECT_EQ(rule.verify(), "operand 0 dim 1 repeats factor 0");
  rule = contractRule();
  rule.results[0][0] = {};
  EXPECT_EQ(rule.verify(), "result 0 lacks parallel factor 0");
  rule = contractRule();
  rule.linear = {{2}};
  EXPECT_EQ(rule.verify(), "linear set names an operand out of range: got 2, "
                           "the rule has 2");
}

TEST(ShardingRule, nests_axes_by_their_kind) {
  Mesh mesh = meshOf("ep = 2, dp_shard = 2, tp = (2, 2), cp = 2, "
                     "dp_replicate = 2");
  std::vector<int> positions;
  for (int atom = 0; atom < mesh.numAtoms(); ++atom)
    positions.push_back(nestingPosition(mesh, atom));
  EXPECT_EQ(positions, (std::vector<int>{4, 5, 2, 3, 1, 0}));
}

TEST(ShardingRule, finds_the_factor_of_an_axis) {
  struct Case {
    TensorFactors tensor;
    std::vector<int> outer;
    int axis;
    std::optional<int> factor;
  };
  Mesh mesh = meshOf("a = 2, b = 4, c = 2");
  ShardingRule rule;
  int kv = rule.add(2), g = rule.add(4), one = rule.add(1), n = rule.add(5);
  const Case cases[] = {
      {{{kv, g}}, {}, 0, kv},
      {{{kv, g}}, {0}, 2, g},
      {{{kv, g}}, {}, 1, std::nullopt},
      {{{kv, g}}, {0}, 1, g},
      {{{n}}, {}, 0, n},
      {{{one, n}}, {}, 0, n},
      {{{n, kv}}, {}, 0, std::nullopt},
      {{{kv, n}}, {0}, 2, std::nullopt},
      {{{}}, {}, 0, std::nullopt},
  };
  for (const Case &example : cases)
    EXPECT_EQ(factorForAxis(mesh, rule, example.tensor, 0, example.outer,
                            example.axis),
              example.factor);
}

TEST(ShardingRule, lays_out_operands_and_results) {
  Mesh mesh = meshOf("dp_shard = 2, tp = 2, cp = 2");
  ShardingRule rule = contractRule();
  Assignment assignment(3);
  assignment.factorOf = {0, 2, 0}; // dp_shard and cp on b, tp on d
  EXPECT_EQ(
      operandLayout(mesh, rule, assignment, 0),
      layoutOf(mesh, "cp = shard(0), dp_shard = shard(0), tp = shard(1)"));
  EXPECT_EQ(operandLayout(mesh, rule, assignment, 1),
            layoutOf(mesh, "tp = shard(1)"));
  EXPECT_EQ(
      resultLayout(mesh, rule, assignment, 0),
      layoutOf(mesh, "cp = shard(0), dp_shard = shard(0), tp = partial(sum)"));
  Assignment linear(3);
  linear.partialSet = {-1, 0, -1};
  EXPECT_EQ(operandLayout(mesh, rule, linear, 0),
            layoutOf(mesh, "tp = partial(sum)"));
  EXPECT_TRUE(operandLayout(mesh, rule, linear, 1).isReplicated());
  EXPECT_EQ(resultLayout(mesh, rule, linear, 0),
            layoutOf(mesh, "tp = partial(sum)"));
}

TEST(ShardingRule, cuts_outer_factors_first) {
  Mesh mesh = meshOf("tp = 2, dp_shard = 2");
  ShardingRule rule = splitHeadsRule(4, 2, 8);
  Assignment assignment(2);
  assignment.factorOf = {2, 1}; // tp, outer by default, on the inner factor
  EXPECT_EQ(operandLayout(mesh, rule, assignment, 0),
            layoutOf(mesh, "dp_shard = shard(1), tp = shard(1)"));
}

TEST(MatchLayouts, accepts_what_the_rule_allows) {
  Mesh mesh = meshOf("dp = 2, tp = 2");
  struct Case {
    ShardingRule rule;
    std::vector<const char *> layouts;
  };
  const Case cases[] = {
      {contractRule(), {"", "", ""}},
      {contractRule(), {"", "tp = shard(0)", "tp = shard(1)"}},
      {contractRule(), {"tp = shard(1)", "tp = shard(1)", "tp = partial(sum)"}},
      {contractRule(), {"tp = partial(sum)", "", "tp = partial(sum)"}},
      {contractRule(5), {"tp = shard(0)", "", "tp = shard(0)"}},
      {contractRule(),
       {"tp = shard(0), dp = shard(0)", "", "tp = shard(0), dp = shard(0)"}},
      {addRule(),
       {"tp = partial(sum)", "tp = partial(sum)", "tp = partial(sum)"}},
      {embeddingRule(4, 6, 8), {"", "tp = shard(0)", "tp = partial(sum)"}},
      {maxRule(4, 8), {"tp = shard(1)", "tp = partial(max)"}},
      {softmaxRule(4, 8), {"tp = shard(0)", "tp = shard(0)"}},
      {splitHeadsRule(4, 2, 8),
       {"dp = shard(1), tp = shard(1)", "dp = shard(1), tp = shard(2)"}},
  };
  for (const Case &example : cases)
    EXPECT_EQ(match(mesh, example.rule, example.layouts), "");
}

TEST(MatchLayouts, explains_what_it_refuses) {
  Mesh mesh = meshOf("dp = 2, tp = 4");
  struct Case {
    ShardingRule rule;
    std::vector<const char *> layouts;
    const char *message;
  };
  const Case cases[] = {
      {contractRule(),
       {"tp = shard(1)", "", ""},
       "operand 1 disagrees along axis \"tp\": got replicate, expected "
       "shard(1) because operand 0 is shard(1)"},
      {contractRule(),
       {"tp = shard(1)", "tp = shard(1)", ""},
       "result 0 disagrees along axis \"tp\": got replicate, expected "
       "partial(sum) because operand 0 is shard(1)"},
      {addRule(),
       {"tp = partial(sum)", "", "tp = partial(sum)"},
       "operand 1 disagrees along axis \"tp\": got replicate, expected "
       "partial(sum) because operand 0 is partial(sum)"},
      {softmaxRule(4, 8),
       {"tp = shard(1)", "tp = shard(1)"},
       "operand 0 dim 1 cannot be distributed along axis \"tp\": got "
       "shard(1), expected replicate"},
      {maxRule(4, 8),
       {"tp = partial(max)", "tp = partial(max)"},
       "operand 0 cannot be distributed along axis \"tp\": got partial(max), "
       "expected replicate"},
      {splitHeadsRule(4, 2, 8),
       {"tp = shard(1)", "tp = shard(1)"},
       "operand 0 dim 1 joins several dims, which axis \"tp\" of size 4 does "
       "not divide along their bounds"},
      {splitHeadsRule(4, 2, 8),
       {"tp = shard(1)", "tp = shard(2)"},
       "operand 0 dim 1 joins several dims, which axis \"tp\" of size 4 does "
       "not divide along their bounds"},
      {addRule(),
       {"tp = shard(0), dp = shard(0)", "dp = shard(0), tp = shard(0)",
        "tp = shard(0), dp = shard(0)"},
       "operand 1 dim 0 nests its axes in another order than operand 0"},
  };
  for (const Case &example : cases)
    EXPECT_EQ(match(mesh, example.rule, example.layouts), example.message);
}

/// Calls `visit` with every assignment of the rule on the mesh.
template <typename Visit>
void forEachAssignment(const Mesh &mesh, const ShardingRule &rule,
                       Assignment assignment, int axis, Visit visit) {
  if (axis == mesh.numAtoms())
    return visit(assignment);
  forEachAssignment(mesh, rule, assignment, axis + 1, visit);
  for (size_t set = 0; set < rule.linear.size(); ++set) {
    assignment.partialSet[axis] = static_cast<int>(set);
    forEachAssignment(mesh, rule, assignment, axis + 1, visit);
  }
  assignment.partialSet[axis] = -1;
  for (size_t factor = 0; factor < rule.factors.size(); ++factor) {
    assignment.factorOf[axis] = static_cast<int>(factor);
    forEachAssignment(mesh, rule, assignment, axis + 1, visit);
  }
}

TEST(MatchLayouts, reads_back_every_assignment) {
  int64_t numMatched = 0, numRefused = 0;
  const ShardingRule rules[] = {contractRule(),          addRule(),
                                splitHeadsRule(4, 2, 8), softmaxRule(4, 8),
                                embeddingRule(4, 6, 8),  maxRule(4, 8)};
  for (const char *text : {"a = 2", "tp = 3", "a = 2, tp = (2, 2)"})
    for (const ShardingRule &rule : rules) {
      Mesh mesh = meshOf(text);
      forEachAssignment(
          mesh, rule, Assignment(mesh.numAtoms()), 0,
          [&](const Assignment &assignment) {
            std::vector<Layout> operands, results;
            for (size_t index = 0; index < rule.operands.size(); ++index)
              operands.push_back(operandLayout(mesh, rule, assignment, index));
            for (size_t index = 0; index < rule.results.size(); ++index)
              results.push_back(resultLayout(mesh, rule, assignment, index));
            auto matched = matchLayouts(mesh, rule, operands, results);
            ++(matched.assignment ? numMatched : numRefused);
            if (matched.assignment) {
              EXPECT_EQ(*matched.assignment, assignment);
            }
          });
    }
  std::cout << numMatched << " matched, " << numRefused << " refused\n";
  EXPECT_GT(numMatched, 0);
  EXPECT_GT(numRefused, 0); // whole factors and strided shards
}

} // namespace
} // namespace weft::test
