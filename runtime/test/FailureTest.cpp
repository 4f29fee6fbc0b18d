// SPDX-License-Identifier: Apache-2.0
//
// Failure: what the living ranks see when another dies, leaves, or never comes.
#include "Worlds.h"

#include "weft_runtime/Recording.h"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <thread>
#include <unistd.h>

using namespace weft;
using namespace weft::test;
using Clock = std::chrono::steady_clock;

namespace {

class Failure : public testing::TestWithParam<std::string> {
protected:
  void SetUp() override {
    if (std::string reason = whyUnavailable(GetParam()); !reason.empty())
      GTEST_SKIP() << reason;
  }
};

/// Reduces one number over the world.
void reduceOnce(Communicator &communicator) {
  float value = 1;
  communicator.allReduce(communicator.world(), DType::F32, ReduceKind::Sum,
                         &value, &value, 1);
}

TEST_P(Failure, a_killed_rank_is_named_by_all_within_two_seconds) {
  if (GetParam() == "in_process")
    GTEST_SKIP() << "a thread cannot be killed";
  // On two hosts, half of the ranks share none with it.
  int size = GetParam() == "two_hosts" ? 4 : 3;
  std::vector<std::string> answers =
      runWorld(GetParam(), size, [](Communicator &communicator) -> std::string {
        reduceOnce(communicator);
        auto begin = Clock::now();
        if (communicator.rank() == 1)
          kill(getpid(), SIGKILL);
        try {
          for (int i = 0; i < 1000; ++i)
            reduceOnce(communicator);
        } catch (const PeerFailed &) {
          if (Clock::now() - begin > std::chrono::seconds(2))
            return "noticed too late";
          throw;
        }
        return "did not notice";
      });
  EXPECT_EQ(answers[1], "signal 9");
  for (int rank = 0; rank < size; ++rank) {
    if (rank == 1)
      continue;
    // Who hears of it from a rank that left says "is gone".
    bool isNamed = answers[rank].starts_with("exit 10: rank 1 died") ||
                   answers[rank].starts_with("exit 10: rank 1 is gone");
    EXPECT_TRUE(isNamed) << answers[rank];
  }
}

TEST_P(Failure, a_rank_that_computes_does_not_outlive_a_dead_one) {
  if (GetParam() == "in_process")
    GTEST_SKIP() << "a thread cannot be killed";
  std::vector<std::string> answers =
      runWorld(GetParam(), 2, [](Communicator &communicator) -> std::string {
        reduceOnce(communicator);
        if (communicator.rank() == 1)
          kill(getpid(), SIGKILL);
        std::this_thread::sleep_for(std::chrono::seconds(2));
        return "did not notice";
      });
  EXPECT_EQ(answers[0], "status 10");
}

TEST_P(Failure, a_rank_that_left_is_named) {
  std::vector<std::string> answers =
      runWorld(GetParam(), 2, [](Communicator &communicator) -> std::string {
        reduceOnce(communicator);
        if (communicator.rank() == 1)
          throw Error(ExitCode::InputFile, "no data here");
        reduceOnce(communicator);
        return "did not notice";
      });
  EXPECT_EQ(answers[1], "exit 3: no data here");
  EXPECT_EQ(answers[0].rfind("exit 10: rank 1 ", 0), 0u) << answers[0];
}

TEST_P(Failure, a_rank_stopped_by_a_signal_stops_the_others) {
  std::vector<std::string> answers =
      runWorld(GetParam(), 2, [](Communicator &communicator) -> std::string {
        reduceOnce(communicator);
        if (communicator.rank() == 1)
          throw Error(ExitCode::Stopped, "stopped");
        reduceOnce(communicator);
        return "did not notice";
      });
  EXPECT_EQ(answers[0].rfind("exit 20: ", 0), 0u) << answers[0];
}

// Python ignores SIGPIPE, and c10d and Gloo rely on it.
TEST(Gloo, a_write_to_a_dead_peer_is_an_error_and_no_signal) {
  if (std::string reason = whyUnavailable("gloo"); !reason.empty())
    GTEST_SKIP() << reason;
  std::vector<std::string> answers =
      runWorld("gloo", 2, [](Communicator &) -> std::string {
        int ends[2];
        if (pipe(ends) != 0)
          return "no pipe";
        close(ends[0]);
        return write(ends[1], "x", 1) < 0 ? "" : "written";
      });
  EXPECT_EQ(answers, (std::vector<std::string>{"", ""}));
}

std::string kindName(const testing::TestParamInfo<std::string> &info) {
  return info.param;
}
INSTANTIATE_TEST_SUITE_P(Kinds, Failure,
                         testing::Values("in_process", "shared_memory", "gloo",
                                         "two_hosts"),
                         kindName);

TEST(SharedMemoryStart, missing_rank_is_named) {
  Bootstrap bootstrap;
  bootstrap.worldSize = bootstrap.localWorldSize = 3;
  bootstrap.runId = "missing" + std::to_string(getpid());
  bootstrap.timeoutSeconds = 0.2;
  try {
    makeCommunicator("shared_memory", bootstrap, 0);
    FAIL() << "nobody else is there";
  } catch (const Error &error) {
    EXPECT_EQ(error.code(), ExitCode::Hang);
    EXPECT_STREQ(error.what(), "ranks are missing at the start: 1, 2");
  }
}

TEST(SharedMemoryStart, refuses_several_hosts) {
  Bootstrap bootstrap;
  bootstrap.worldSize = 4;
  bootstrap.localWorldSize = 2;
  try {
    makeCommunicator("shared_memory", bootstrap, 0);
    FAIL() << "spans hosts";
  } catch (const Error &error) {
    EXPECT_EQ(error.code(), ExitCode::Usage);
    EXPECT_EQ(error.note(), "set target.communicator = \"auto\"");
  }
}

TEST(Recording, notes_calls_and_moves_nothing) {
  RecordingCommunicator communicator(1, 4);
  Group pair = communicator.addGroup({1, 3});
  Group alone = communicator.addGroup({1});
  float in[4] = {1, 2, 3, 4}, out[4] = {};
  communicator.allReduce(pair, DType::F32, ReduceKind::Sum, in, out, 4);
  communicator.reduceScatter(communicator.world(), DType::F32, ReduceKind::Sum,
                             in, out, 1);
  communicator.allGather(alone, in, out + 3, 4);
  std::vector<RecordedCall> expected{{"all_reduce", {1, 3}, 16},
                                     {"reduce_scatter", {0, 1, 2, 3}, 16}};
  EXPECT_EQ(communicator.calls(), expected);
  EXPECT_EQ(out[0], 0);
  EXPECT_EQ(out[3], 1) << "a group of one copies";
}

} // namespace
