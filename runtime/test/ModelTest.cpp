// SPDX-License-Identifier: Apache-2.0
//
// Model: the values of the runtime without any process: mesh, slices,
// descriptor, launcher variables, options, sample order, learning rate.
#include "weft_runtime/Bootstrap.h"
#include "weft_runtime/Progress.h"
#include "weft_runtime/Trainer.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <set>

using namespace weft;

namespace {

/// Runs `body` and expects an error with that code and message part.
template <typename Body>
void expectError(ExitCode code, const std::string &part, Body body) {
  try {
    body();
    FAIL() << "expected an error about: " << part;
  } catch (const Error &error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
        << error.what();
  }
}

//===----------------------------------------------------------------------===//
// Mesh and slices
//===----------------------------------------------------------------------===//

TEST(Mesh, groups_order_by_the_first_listed_axis) {
  Mesh mesh{{{"dp", "dp", 2}, {"tp", "tp", 2}}};
  EXPECT_EQ(mesh.coordinates(2), (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(mesh.group({1}, 2), (std::vector<int>{2, 3}));
  EXPECT_EQ(mesh.group({0}, 3), (std::vector<int>{1, 3}));
  EXPECT_EQ(mesh.group({0, 1}, 3), (std::vector<int>{0, 1, 2, 3}));
  EXPECT_EQ(mesh.group({1, 0}, 0), (std::vector<int>{0, 2, 1, 3}));
  EXPECT_EQ(mesh.group({}, 3), (std::vector<int>{3}));
}

TEST(Slices, follow_the_table_of_the_header) {
  Mesh mesh{{{"a", "a", 2}, {"b", "b", 2}, {"c", "c", 3}}};
  std::vector<int64_t> starts, valid;
  for (int64_t a : {0, 1})
    for (int64_t b : {0, 1}) {
      Slice slice = sliceOf(mesh, {{0, 0}, {1, 0}}, {10}, {a, b, 0});
      EXPECT_EQ(slice.local[0], 3);
      starts.push_back(slice.start[0]);
      valid.push_back(slice.valid[0]);
    }
  EXPECT_EQ(starts, (std::vector<int64_t>{0, 3, 5, 8}));
  EXPECT_EQ(valid, (std::vector<int64_t>{3, 2, 3, 2}));
  EXPECT_EQ(sliceOf(mesh, {{2, 0}}, {4}, {0, 0, 2}).valid[0], 0);
}

// Every element of the global tensor is in exactly one shard, at its place.
TEST(Slices, tile_the_tensor) {
  Mesh mesh{{{"a", "a", 2}, {"b", "b", 3}}};
  std::vector<int64_t> shape{5, 3, 7};
  for (const std::vector<Placement> &layout :
       {std::vector<Placement>{{0, 0}, {1, 0}},
        {{1, 0}, {0, 0}},
        {{0, 0}, {1, 2}},
        {{1, 1}, {0, 2}},
        {{0, 1}, {1, 1}}}) {
    std::vector<int> hits(numElements(shape), 0);
    for (int rank = 0; rank < 6; ++rank) {
      Slice slice = sliceOf(mesh, layout, shape, mesh.coordinates(rank));
      forEachRun(shape, slice, [&](int64_t global, int64_t local, int64_t n) {
        ASSERT_LE(local + n, numElements(slice.local));
        for (int64_t i = 0; i < n; ++i)
          ++hits[global + i];
      });
    }
    EXPECT_EQ(hits, std::vector<int>(hits.size(), 1));
  }
}

//===----------------------------------------------------------------------===//
// Descriptor
//===----------------------------------------------------------------------===//

const char *const smallDescriptor = R"({
  "abi": 3, "key": "k", "mesh": [{"name": "tp", "axis": "tp", "size": 2}],
  "regions": {"run": 64, "step": 0, "microbatch": 0, "input": 0},
  "slots": [{"name": "w", "kind": "parameter", "dtype": "f32",
             "global_shape": [4, 2], "local_shape": [2, 2],
             "layout": [{"axis": 0, "dim": 0}], "region": "run", "offset": 0}],
  "collectives": [{"id": 0, "kind": "all_gather", "axes": [0],
                   "operands": [{"dtype": "f32", "outer": 1, "inner": 4}]}],
  "schedule": {"step": [{"call": "stage0", "microbatch": 0}]}})";

TEST(Descriptor, parses_with_defaults) {
  Descriptor descriptor = parseDescriptor(smallDescriptor);
  EXPECT_EQ(descriptor.communicator, "auto");
  EXPECT_EQ(descriptor.microbatches, 1);
  EXPECT_EQ(descriptor.slots[0].dumpName(), "w");
  EXPECT_EQ(descriptor.slots[0].localBytes(), 16);
  EXPECT_EQ(descriptor.mesh.text(), "tp = 2");
}

TEST(Descriptor, names_what_is_wrong) {
  auto with = [](const std::string &from, const std::string &to) {
    std::string text = smallDescriptor;
    text.replace(text.find(from), from.size(), to);
    return [text] { parseDescriptor(text); };
  };
  const ExitCode file = ExitCode::InputFile;
  expectError(file, "another ABI version: got 4, expected 3",
              with("\"abi\": 3", "\"abi\": 4"));
  expectError(file, "unknown dtype in slot \"w\": got \"f31\"",
              with("f32", "f31"));
  expectError(file, "outside of region \"run\": got end 80",
              with("\"offset\": 0", "\"offset\": 64"));
  expectError(file, "local shape in slot \"w\"", with("[2, 2]", "[3, 2]"));
  expectError(file, "axis out of range in slot \"w\": got 1",
              with("\"axis\": 0", "\"axis\": 1"));
  expectError(file, "unknown collective: got \"gather\"",
              with("all_gather", "gather"));
  expectError(file, "gathered outputs of another kind in collective 0",
              with("\"all_gather\"", "\"all_reduce\", \"gathered\": 0"));
  expectError(file, "out of order", with("\"id\": 0", "\"id\": 3"));
  expectError(file, "microbatch out of range: got 1",
              with("\"microbatch\": 0}", "\"microbatch\": 1}"));
  expectError(file, "does not parse", with("\"key\"", "\"cay\""));
}

//===----------------------------------------------------------------------===//
// Launcher variables and options
//===----------------------------------------------------------------------===//

Bootstrap bootstrapFrom(const std::map<std::string, std::string> &variables) {
  return readBootstrap(
      [&](const std::string &name) -> std::optional<std::string> {
        auto it = variables.find(name);
        if (it == variables.end())
          return std::nullopt;
        return it->second;
      });
}

TEST(Bootstrap, nothing_means_one_rank) {
  Bootstrap bootstrap = bootstrapFrom({});
  EXPECT_EQ(bootstrap.worldSize, 1);
  EXPECT_TRUE(bootstrap.isOneHost());
}

TEST(Bootstrap, reads_torchrun) {
  Bootstrap b = bootstrapFrom({{"RANK", "5"},
                               {"WORLD_SIZE", "8"},
                               {"LOCAL_RANK", "1"},
                               {"LOCAL_WORLD_SIZE", "4"},
                               {"MASTER_ADDR", "node0"},
                               {"MASTER_PORT", "1234"},
                               {"TORCHELASTIC_RUN_ID", "id"},
                               {"TORCHELASTIC_RESTART_COUNT", "2"},
                               {"TORCHELASTIC_USE_AGENT_STORE", "True"}});
  EXPECT_EQ(b.rank, 5);
  EXPECT_EQ(b.worldSize, 8);
  EXPECT_EQ(b.localRank, 1);
  EXPECT_FALSE(b.isOneHost());
  EXPECT_EQ(b.masterAddress, "node0");
  EXPECT_EQ(b.masterPort, 1234);
  EXPECT_EQ(b.runId, "id.2");
  EXPECT_TRUE(b.usesAgentStore);
}

TEST(Bootstrap, reads_srun_and_mpirun) {
  Bootstrap s = bootstrapFrom({{"SLURM_PROCID", "1"},
                               {"SLURM_NTASKS", "2"},
                               {"SLURM_LOCALID", "1"},
                               {"SLURM_NNODES", "1"},
                               {"SLURM_JOB_ID", "77"},
                               {"SLURM_STEP_ID", "0"},
                               {"MASTER_ADDR", "node7"}});
  EXPECT_EQ(s.rank, 1);
  EXPECT_TRUE(s.isOneHost());
  EXPECT_EQ(s.runId, "77.0");
  Bootstrap two = bootstrapFrom(
      {{"SLURM_PROCID", "1"}, {"SLURM_NTASKS", "2"}, {"SLURM_NNODES", "2"}});
  EXPECT_FALSE(two.isOneHost());
  Bootstrap m = bootstrapFrom({{"OMPI_COMM_WORLD_RANK", "3"},
                               {"OMPI_COMM_WORLD_SIZE", "4"},
                               {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                               {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}});
  EXPECT_EQ(m.rank, 3);
  EXPECT_EQ(m.localRank, 1);
  EXPECT_FALSE(m.isOneHost());
}

TEST(Bootstrap, names_bad_variables) {
  expectError(ExitCode::Usage, "variable WORLD_SIZE is missing",
              [] { bootstrapFrom({{"RANK", "0"}}); });
  expectError(ExitCode::Usage, "variable RANK is no number: got \"x\"",
              [] { bootstrapFrom({{"RANK", "x"}, {"WORLD_SIZE", "2"}}); });
  expectError(ExitCode::Usage, "out of range: got 2, expected less than 2",
              [] { bootstrapFrom({{"RANK", "2"}, {"WORLD_SIZE", "2"}}); });
}

TEST(Bootstrap, every_rank_of_a_host_needs_a_device) {
  Bootstrap bootstrap;
  bootstrap.localRank = 1;
  requireDevice(bootstrap, 2);
  expectError(
      ExitCode::Usage,
      "communicator \"nccl\" needs a GPU for each rank of a host: got 1, "
      "expected at least 2",
      [&] { requireDevice(bootstrap, 1); });
}

TEST(Options, are_parsed_and_checked) {
  TrainOptions options =
      parseTrainOptions({"--steps=3", "--order", "sequential", "--seed", "9"});
  EXPECT_EQ(options.steps, 3);
  EXPECT_EQ(options.order, Order::Sequential);
  EXPECT_EQ(options.seed, 9u);
  expectError(ExitCode::Usage, "option is unknown: got \"--stps\"",
              [] { parseTrainOptions({"--stps", "3"}); });
  expectError(ExitCode::Usage, "option --steps is no number that fits",
              [] { parseTrainOptions({"--steps", "0"}); });
  EXPECT_EQ(parseTrainOptions({"--timeout", "0.5"}).timeoutSeconds, 0.5);
  for (const char *seconds : {"0", "-1", "nan", "inf", "1e9", "2s", ""})
    expectError(ExitCode::Usage, "option --timeout is no time that fits",
                [=] { parseTrainOptions({"--timeout", seconds}); });
  expectError(ExitCode::Usage, "option --steps lacks its value",
              [] { parseTrainOptions({"--steps"}); });
  expectError(ExitCode::Usage, "option --order is unknown: got \"random\"",
              [] { parseTrainOptions({"--order", "random"}); });
}

//===----------------------------------------------------------------------===//
// Order
//===----------------------------------------------------------------------===//

TEST(SampleOrder, shuffled_takes_every_sample_once_per_epoch) {
  for (int64_t size : {1, 2, 7, 64, 1000}) {
    SampleOrder order{Order::Shuffled, 3, size};
    for (int64_t epoch : {0, 1, 5}) {
      std::set<int64_t> seen;
      for (int64_t i = 0; i < size; ++i)
        seen.insert(order.sample(epoch * size + i));
      EXPECT_EQ(int64_t(seen.size()), size);
      EXPECT_EQ(*seen.begin(), 0);
      EXPECT_EQ(*seen.rbegin(), size - 1);
    }
  }
}

TEST(SampleOrder, seeds_and_epochs_differ_and_sequential_does_not) {
  SampleOrder a{Order::Shuffled, 1, 1000}, b{Order::Shuffled, 2, 1000};
  SampleOrder plain{Order::Sequential, 1, 1000};
  int sameSeed = 0, sameEpoch = 0, inPlace = 0;
  for (int64_t i = 0; i < 1000; ++i) {
    sameSeed += a.sample(i) == b.sample(i);
    sameEpoch += a.sample(i) == a.sample(1000 + i);
    inPlace += a.sample(i) == i;
    EXPECT_EQ(plain.sample(1000 + i), i);
  }
  EXPECT_LT(sameSeed, 20);
  EXPECT_LT(sameEpoch, 20);
  EXPECT_LT(inPlace, 20);
}

//===----------------------------------------------------------------------===//
// Reports
//===----------------------------------------------------------------------===//

TEST(LearningRate, warms_up_then_decays) {
  OptimizerConfig config{1.0, 0.1, 2, Decay::Linear, 12};
  EXPECT_DOUBLE_EQ(learningRate(config, 1, 0), 0.5);
  EXPECT_DOUBLE_EQ(learningRate(config, 2, 0), 1.0);
  EXPECT_DOUBLE_EQ(learningRate(config, 7, 0), 0.55);
  EXPECT_DOUBLE_EQ(learningRate(config, 12, 0), 0.1);
  EXPECT_DOUBLE_EQ(learningRate(config, 20, 0), 0.1);
  config.decay = Decay::Cosine;
  EXPECT_DOUBLE_EQ(learningRate(config, 7, 0), 0.55);
  config.decay = Decay::Sqrt;
  EXPECT_NEAR(learningRate(config, 7, 0), 0.1 + 0.9 * 0.292893, 1e-6);
  config.decay = Decay::None;
  EXPECT_DOUBLE_EQ(learningRate(config, 12, 0), 1.0);
}

TEST(Progress, lines_are_stable) {
  StepReport report{1, 5.5, 1.25, 4096, 12.5, false};
  EXPECT_EQ(metricsLine(report),
            "{\"step\":1,\"loss\":5.5,\"grad_norm\":1.25,\"tokens\":4096,"
            "\"step_ms\":12.5,\"skipped\":0}");
  EXPECT_EQ(progressLine(report, 150, 12345, 75),
            "step   1/150  loss 5.5000  grad norm 1.250  12.3k tokens/s  "
            "12.5 ms/step  ETA 1m 15s");
  report.loss = std::numeric_limits<double>::quiet_NaN();
  EXPECT_NE(metricsLine(report).find("\"loss\":null"), std::string::npos);
}

} // namespace
