// SPDX-License-Identifier: Apache-2.0
//
// Profile: time goes to the place that began it; the table's rows sum to the
// step.
#include "weft_runtime/Profile.h"
#include "weft_runtime/InProcess.h"

#include <gtest/gtest.h>

#include <thread>

using namespace weft;

namespace {

constexpr auto pause = std::chrono::milliseconds(5);

Descriptor twoSites() {
  Descriptor descriptor;
  descriptor.sites = {{"contract", "contraction", "k0", -1, "f", "", 1000, 10},
                      {"all_reduce", "collective", "", 0, "f", "", 0, 10}};
  return descriptor;
}

TEST(Profile, adds_time_to_the_place_before) {
  Descriptor descriptor = twoSites();
  Profile profile(descriptor);
  for (int step = 0; step < 2; ++step) {
    profile.beginStep();
    profile.enter(Profile::Outside::Host);
    EXPECT_TRUE(profile.enterSite(0));
    if (step == 1)
      std::this_thread::sleep_for(pause);
    EXPECT_TRUE(profile.enterSite(1));
    profile.enter(Profile::Outside::Host);
    EXPECT_FALSE(profile.enterSite(2));
    EXPECT_FALSE(profile.enterSite(-1));
    profile.endStep();
    if (step == 0)
      profile.dropSteps();
  }
  InProcessHub hub(1);
  InProcessCommunicator alone(hub, 0);
  ProfileReport report = profile.report(alone);
  EXPECT_EQ(report.steps, 1);
  EXPECT_EQ(report.droppedSteps, 1);
  ASSERT_EQ(report.sites.size(), 4u);
  EXPECT_GE(report.sites[0].ms, 5);
  EXPECT_LT(report.sites[1].ms, 5);
  const int calls[] = {1, 1, 1, 2}; // sites, data, host
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(report.sites[i].calls, calls[i]) << i;
  EXPECT_EQ(report.sites[0].minMs, report.sites[0].ms);
  EXPECT_EQ(report.sites[0].bestMs, report.sites[0].ms) << "of one call";
  EXPECT_LT(report.sites[3].bestMs * 2, report.sites[3].ms + 1e-9);
  double sum = 0;
  for (const ProfiledSite &site : report.sites)
    sum += site.ms;
  EXPECT_NEAR(sum, report.totalMs, 1e-9);
}

TEST(Profile, knows_the_fastest_rank_of_each_place) {
  Descriptor descriptor = twoSites();
  InProcessHub hub(2);
  std::vector<ProfileReport> reports(2);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < 2; ++rank)
    threads.emplace_back([&, rank] {
      InProcessCommunicator communicator(hub, rank);
      Profile profile(descriptor);
      profile.beginStep();
      profile.enterSite(rank);
      std::this_thread::sleep_for(pause);
      profile.endStep();
      reports[rank] = profile.report(communicator);
    });
  for (std::thread &thread : threads)
    thread.join();
  for (int rank = 0; rank < 2; ++rank) {
    EXPECT_EQ(reports[rank].sites[rank].maxMs, reports[rank].sites[rank].ms);
    EXPECT_EQ(reports[rank].sites[rank].minMs, 0);
    EXPECT_EQ(reports[0].sites[rank].maxMs, reports[1].sites[rank].maxMs);
  }
}

ProfiledSite took(double ms, Site site, int64_t calls) {
  return {std::move(site), calls, ms, ms / 4, ms / 2, ms};
}

TEST(Profile, table_groups_by_kind_and_folds_short_rows) {
  ProfileReport report;
  report.steps = 2;
  report.droppedSteps = 1;
  report.worldSize = 2;
  Site large{"contract x", "contraction", "k0", -1, "f", "", 3000000, 100};
  Site small{"contract y", "contraction", "k1", -1, "f", "", 0, 0};
  Site tiny{"contract z", "contraction", "k2", -1, "f", "", 0, 0};
  Site gather{"all_gather", "collective", "", 0, "f", "", 0, 2000000};
  report.sites = {took(4, large, 2), took(2, large, 2), took(0.5, small, 2),
                  took(0.25, tiny, 2), took(1, gather, 2)};
  report.totalMs = 7.75;
  std::string table = profileTable(report, 2);
  EXPECT_EQ(
      table,
      R"(profile of rank 0 of 2 over 2 steps (1 before them not counted), of one step:
        ms      %    best ms   calls  GFLOP/s    GB/s
     3.375   87.1      1.688       4      1.8     0.0  contraction
     3.000   77.4      1.500       2      2.0     0.0    contract x  [k0]
     0.375    9.7      0.188       2                     2 others
     0.500   12.9      0.250       1              4.0  collective
     0.500   12.9      0.250       1                     all_gather
     3.875  100.0      1.938       1                   the step
best ms: if every call took what the fastest one did; a collective's excess is mostly waiting for a peer
)");
}

} // namespace
