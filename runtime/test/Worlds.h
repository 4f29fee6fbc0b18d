// SPDX-License-Identifier: Apache-2.0
//
// Worlds: runs one function on all ranks of a world, whatever the communicator:
// threads for InProcess, forked processes for the others.
#ifndef WEFT_RUNTIME_TEST_WORLDS_H
#define WEFT_RUNTIME_TEST_WORLDS_H

#include "weft_runtime/Bootstrap.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <tuple>
#include <vector>

namespace weft::test {

/// What a rank does; returns what is wrong, or "".
using RankBody = std::function<std::string(Communicator &)>;

/// Runs `body` on each rank and returns the answers by rank. A rank that
/// throws answers "exit <code>: <message>", one that is killed "signal <n>".
/// `kind` is the name of a communicator, or "two_hosts" or "mixed_hosts":
/// "auto" on ranks that are said to be on two hosts, in halves or in turn.
std::vector<std::string> runWorld(const std::string &kind, int worldSize,
                                  const RankBody &body);

/// Whether the communicator can be made in this build; the reason if not.
std::string whyUnavailable(const std::string &kind);

/// A test for each communicator and world size; skipped where it can't be made.
class WorldTest : public testing::TestWithParam<std::tuple<std::string, int>> {
protected:
  void SetUp() override {
    if (std::string reason = whyUnavailable(kind()); !reason.empty())
      GTEST_SKIP() << reason;
  }
  std::string kind() const { return std::get<0>(GetParam()); }
  int worldSize() const { return std::get<1>(GetParam()); }
  /// Expects that `body` finds nothing wrong on any rank.
  void expectRight(const RankBody &body) {
    std::vector<std::string> answers = runWorld(kind(), worldSize(), body);
    for (size_t rank = 0; rank < answers.size(); ++rank)
      EXPECT_EQ(answers[rank], "") << "rank " << rank;
  }
};

/// "shared_memory_4".
std::string worldName(const testing::TestParamInfo<WorldTest::ParamType> &info);

} // namespace weft::test

#endif // WEFT_RUNTIME_TEST_WORLDS_H
