// SPDX-License-Identifier: Apache-2.0
//
// Every op, sharded in every way its rule allows on meshes of 2 x (2, 2)
// ranks (a plain axis and one split into sub-axes) and of 3 x 2 ranks: local
// op with offsets and masks, joined by the results' layouts, is the plain op.
//
// Negative twins: rules that promise more than the op keeps are found.
#include "RuleEnumeration.h"
#include "gtest/gtest.h"

using namespace weft;
using namespace weft::interpreter;

static const Mesh kMeshes[] = {Mesh({{"dp", {2}}, {"tp", {2, 2}}}),
                               Mesh({{"dp", {3}}, {"tp", {2}}})};

static ShardingRule ruleOf(TestContext &context, const Example &example) {
  auto module = context.parse(example.text());
  return llvm::cast<dist::ShardingRuleOpInterface>(opOf(*module))
      .getShardingRule();
}

class RuleProof : public testing::TestWithParam<size_t> {
protected:
  TestContext context;
  const Example &example = examples()[GetParam()];

  RuleFindings run(const ShardingRule &rule, const Mesh &mesh) {
    return runShardings(context, example, mesh, rule,
                        enumerateShardings(mesh, rule));
  }
};

TEST_P(RuleProof, RanksMakeUpThePlainOp) {
  ShardingRule rule = ruleOf(context, example);
  EXPECT_EQ(rule.verify(), std::nullopt);
  std::vector<bool> usedFactors(rule.factors.size()),
      usedSets(rule.linear.size());
  for (const Mesh &mesh : kMeshes) {
    RuleFindings findings = run(rule, mesh);
    for (const std::string &wrong : findings.wrong)
      ADD_FAILURE() << wrong;
    EXPECT_GT(findings.numRun, 0);
    for (size_t i = 0; i < usedFactors.size(); ++i)
      usedFactors[i] = usedFactors[i] || findings.usedFactors[i];
    for (size_t i = 0; i < usedSets.size(); ++i)
      usedSets[i] = usedSets[i] || findings.usedSets[i];
  }
  for (auto [number, factor] : llvm::enumerate(rule.factors))
    if (factor.kind != FactorKind::Whole && factor.size > 1)
      EXPECT_TRUE(usedFactors[number]) << "factor " << number;
  EXPECT_FALSE(llvm::is_contained(usedSets, false));
}

INSTANTIATE_TEST_SUITE_P(
    Ops, RuleProof,
    testing::ValuesIn(examplesOf<dist::ShardingRuleOpInterface>()), testName);

TEST(RuleProofs, CoverEveryOpWithARule) {
  TestContext context;
  EXPECT_EQ(opsWithoutExample<dist::ShardingRuleOpInterface>(context.get()),
            std::vector<std::string>());
}

//===----------------------------------------------------------------------===//
// Negative twins
//===----------------------------------------------------------------------===//

namespace {
/// A rule with one thing changed.
struct Mutant {
  std::string change;
  ShardingRule rule;
};
} // namespace

/// True if some linear set has operand `i`.
static bool isLinearIn(const ShardingRule &rule, int i) {
  return llvm::any_of(rule.linear,
                      [&](auto &set) { return llvm::is_contained(set, i); });
}

static std::vector<Mutant> mutantsOf(const Example &example,
                                     const ShardingRule &rule) {
  std::vector<Mutant> mutants;
  for (auto [i, factor] : llvm::enumerate(rule.factors)) {
    std::string name = "factor " + std::to_string(i);
    if (factor.kind == FactorKind::Reduced) {
      mutants.push_back({name + " combines otherwise", rule});
      mutants.back().rule.factors[i].reduce =
          factor.reduce == ReduceKind::Sum ? ReduceKind::Max : ReduceKind::Sum;
    }
    if (factor.kind == FactorKind::Whole && factor.size > 1) {
      mutants.push_back({name + " is not whole", rule});
      mutants.back().rule.factors[i].kind = FactorKind::Reduced;
    }
  }
  for (auto [i, operand] : llvm::enumerate(example.operands)) {
    bool isFloating = llvm::StringRef(operand).ends_with("f64");
    if (!isFloating || isLinearIn(rule, i))
      continue;
    mutants.push_back({"linear in operand " + std::to_string(i), rule});
    mutants.back().rule.linear.push_back({static_cast<int>(i)});
  }
  for (auto [i, set] : llvm::enumerate(rule.linear)) {
    if (set.size() < 2)
      continue;
    mutants.push_back({"linear set " + std::to_string(i) + " split", rule});
    mutants.back().rule.linear[i] = {set.front()};
  }
  return mutants;
}

/// Mutants whose promise the op keeps: the rule is stricter than it must be.
static bool isKnownToHold(const Example &example, const Mutant &mutant) {
  llvm::StringRef op = example.op, change = mutant.change;
  // A partial value is cheaper before it is broadcast.
  if (op == "nn.broadcast" && change.starts_with("linear"))
    return true;
  // Exact arithmetic does not narrow.
  if (op == "nn.cast" && change.starts_with("linear"))
    return true;
  // Linear with this example's value, 0.
  if (op == "nn.mask_tail" && change.starts_with("linear"))
    return true;
  // Given lse, shards of keys add up, if padding does not count: it is of no
  // query's document.
  if (op == "nn.attention_grad" && example.operands.size() == 10 &&
      change == "factor 3 is not whole")
    return true;
  // Inner factors of a merged dim may be cut once the outer ones are used up.
  auto isMerged = [](const TensorFactors &tensor) {
    return llvm::any_of(tensor, [](auto &dim) { return dim.size() > 1; });
  };
  return op == "nn.reshape" && (isMerged(mutant.rule.operands.front()) ||
                                isMerged(mutant.rule.results.front()));
}

TEST_P(RuleProof, AWrongRuleIsFound) {
  ShardingRule rule = ruleOf(context, example);
  for (const Mutant &mutant : mutantsOf(example, rule)) {
    bool isFound = mutant.rule.verify().has_value() ||
                   !run(mutant.rule, kMeshes[0]).wrong.empty();
    EXPECT_EQ(isFound, !isKnownToHold(example, mutant))
        << example.name() << ": " << mutant.change;
  }
}
