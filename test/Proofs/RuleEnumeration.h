// SPDX-License-Identifier: Apache-2.0
//
// Every way in which an op may be sharded by its rule, partitioned by
// `dist-partition` and run on virtual ranks.
#ifndef WEFT_TEST_PROOFS_RULEENUMERATION_H
#define WEFT_TEST_PROOFS_RULEENUMERATION_H

#include "Examples.h"
#include "weft/Layout/ShardingRule.h"

namespace weft::interpreter {

/// One assignment of axes to the factors of a rule, with its layouts.
struct Sharding {
  Assignment assignment;
  llvm::SmallVector<Layout> operands, results;

  /// `nn.add (dp = shard(0)), () -> (...)`, for messages.
  std::string text(const Mesh &mesh) const;
};

/// All assignments of `mesh`'s axes to factors that may be sharded and to
/// linear operand sets, whose layouts say the same when read back.
std::vector<Sharding> enumerateShardings(const Mesh &mesh,
                                         const ShardingRule &rule);

/// What came of running the shardings of one example.
struct RuleFindings {
  int64_t numRun = 0;
  /// Factors and linear sets that were in use, by number.
  std::vector<bool> usedFactors, usedSets;
  /// One message per sharding whose ranks don't add up to the plain op.
  std::vector<std::string> wrong;
};

/// Runs `shardings`, made from `rule`, of an example's op. `Mutant` rules may
/// give local ops that the verifier refuses; that counts as wrong.
RuleFindings runShardings(TestContext &context, const Example &example,
                          const Mesh &mesh, const ShardingRule &rule,
                          llvm::ArrayRef<Sharding> shardings);

} // namespace weft::interpreter

#endif // WEFT_TEST_PROOFS_RULEENUMERATION_H
