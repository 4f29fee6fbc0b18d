// SPDX-License-Identifier: Apache-2.0
//
// Train: the executable on handmade programs (toy/toy.c), as one rank, threads
// and processes; what it writes, and how each bad input ends.
#include "TrainRun.h"

#include "weft_runtime/Safetensors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

using namespace weft;
using namespace weft::test;

namespace {

class Train : public TrainFolder {};

std::vector<std::string> basic(const TrainFolder &folder) {
  return {"--data",    folder.path("data.safetensors"),
          "--steps",   "3",
          "--order",   "sequential",
          "--dump",    folder.path("dump"),
          "--weights", folder.path("weights.safetensors")};
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

// loss = mean(x . w + b), w -= lr * mean(x), b -= lr: in double, step by step.
TEST_F(Train, one_rank_trains_and_dumps) {
  TrainRun run("toy-1", basic(*this) + std::vector<std::string>{
                                           "--metrics", path("m.jsonl")});
  ASSERT_EQ(run.wait(), 0) << run.errors();
  std::vector<double> w{0, .125, .25, .375, .5, .625}, gradient(6), losses;
  double b = 0.25;
  for (int step = 0; step < 3; ++step) {
    double loss = 0;
    gradient.assign(6, 0);
    for (int i = 0; i < 8; ++i) {
      loss += b / 8;
      for (int j = 0; j < 6; ++j) {
        double x = dataValue((step * 8 + i) % 20, j);
        loss += x * w[j] / 8;
        gradient[j] += x / 8;
      }
    }
    losses.push_back(loss);
    for (int j = 0; j < 6; ++j)
      w[j] -= 0.5 * gradient[j];
    b -= 0.5;
  }
  auto dumped = nlohmann::json::parse(read("dump/loss.json"));
  for (int step = 0; step < 3; ++step)
    EXPECT_NEAR(dumped["losses"][step], losses[step], 1e-5);

  SafetensorsFile gradients(path("dump/gradients.safetensors"));
  SafetensorsFile parameters(path("dump/parameters.safetensors"));
  EXPECT_EQ(gradients.tensors().size(), 2u) << "none for the frozen one";
  EXPECT_EQ(parameters.tensors().size(), 3u);
  auto at = [](const SafetensorsFile &file, const char *name, int i) {
    return reinterpret_cast<const float *>(file.tensors().at(name).data)[i];
  };
  for (int j = 0; j < 6; ++j) {
    EXPECT_NEAR(at(gradients, "w", j), gradient[j], 1e-6);
    EXPECT_NEAR(at(parameters, "w", j), w[j], 1e-6);
  }
  EXPECT_EQ(at(gradients, "b", 0), 1.0f)
      << "the mean, not zeroed by the update";
  EXPECT_EQ(at(parameters, "frozen", 0), 3.0f);
  EXPECT_NE(run.output().find("step 3/3  loss "), std::string::npos);
  auto metrics = nlohmann::json::parse(
      read("m.jsonl").substr(0, read("m.jsonl").find('\n')));
  EXPECT_EQ(metrics["step"], 1);
  EXPECT_EQ(metrics["tokens"], 8);
}

/// What a run leaves behind, as one text.
std::string traces(const TrainFolder &folder) {
  return folder.read("dump/loss.json") +
         folder.read("dump/gradients.safetensors") +
         folder.read("dump/parameters.safetensors");
}

// Data are multiples of 1/4 and sums exact, so all worlds agree in every bit.
TEST_F(Train, all_worlds_and_communicators_give_the_same_bits) {
  TrainRun alone("toy-1", basic(*this));
  ASSERT_EQ(alone.wait(), 0) << alone.errors();
  std::string expected = traces(*this);
  for (int ranks : {2, 3, 4})
    for (const char *how : {"--in-process", "--spawn"}) {
      clear("dump");
      TrainRun run("toy-" + std::to_string(ranks),
                   basic(*this) +
                       std::vector<std::string>{how, std::to_string(ranks)});
      ASSERT_EQ(run.wait(), 0) << run.errors();
      EXPECT_EQ(traces(*this), expected) << how << " " << ranks;
    }
}

TEST_F(Train, gloo_gives_the_same_bits) {
  TrainRun shared("toy-3",
                  basic(*this) + std::vector<std::string>{"--spawn", "3"});
  ASSERT_EQ(shared.wait(), 0) << shared.errors();
  std::string expected = traces(*this);
  clear("dump");
  TrainRun gloo("toy-3",
                basic(*this) + std::vector<std::string>{
                                   "--spawn", "3", "--communicator", "gloo"});
  int code = gloo.wait();
  if (code == 3 && gloo.errors().find("libweft_gloo.so") != std::string::npos)
    GTEST_SKIP() << "the Gloo provider is not in this build";
  ASSERT_EQ(code, 0) << gloo.errors();
  EXPECT_EQ(traces(*this), expected);
}

TEST_F(Train, two_hosts_give_the_same_bits) {
  TrainRun shared("toy-4",
                  basic(*this) + std::vector<std::string>{"--spawn", "4"});
  ASSERT_EQ(shared.wait(), 0) << shared.errors();
  std::string expected = traces(*this);
  clear("dump");
  std::vector<std::unique_ptr<TrainRun>> ranks;
  for (int rank = 0; rank < 4; ++rank)
    ranks.push_back(std::make_unique<TrainRun>(
        "toy-4", basic(*this),
        std::vector<std::string>{
            "RANK=" + std::to_string(rank), "WORLD_SIZE=4",
            "LOCAL_WORLD_SIZE=2", "WEFT_RUN_ID=" + path(""),
            "WEFT_HOST=" + std::to_string(rank / 2),
            "MASTER_PORT=" + std::to_string(20000 + getpid() % 20000)}));
  for (auto &rank : ranks) {
    int code = rank->wait();
    if (code == 3 &&
        rank->errors().find("libweft_gloo.so") != std::string::npos)
      GTEST_SKIP() << "the Gloo provider is not in this build";
    ASSERT_EQ(code, 0) << rank->errors();
  }
  EXPECT_EQ(traces(*this), expected);
}

TEST_F(Train, record_lists_the_collectives_of_a_rank) {
  TrainRun run("toy-2", {"--record", path("calls.jsonl"), "--rank", "1"});
  ASSERT_EQ(run.wait(), 0) << run.errors();
  std::string first =
      "{\"function\":\"stage0\",\"microbatch\":0,\"kind\":\"all_gather\","
      "\"axes\":[\"dp_shard\"],\"bytes\":12,\"loc\":\"w\"}\n";
  std::string text = read("calls.jsonl");
  EXPECT_EQ(text.rfind(first, 0), 0u) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 7);
}

/// The milliseconds of all steps but the first, from the metrics file.
double stepMilliseconds(const std::string &metrics) {
  std::istringstream lines(metrics);
  double sum = 0;
  for (std::string line; std::getline(lines, line);)
    if (auto step = nlohmann::json::parse(line); step["step"] != 1)
      sum += step["step_ms"].get<double>();
  return sum;
}

// Both clocks are read around the same statements, some 100 ns apart.
bool sumsToTheSteps(const nlohmann::json &profile, double steps) {
  double sum = 0;
  for (const auto &site : profile["sites"])
    sum += site["ms"].get<double>();
  return std::abs(sum - steps) < 0.02 * steps &&
         std::abs(sum - profile["total_ms"].get<double>()) < 1e-6;
}

TEST_F(Train, profile_sums_to_the_steps_and_finds_the_slow_site) {
  TrainRun run("toy-2-slow",
               basic(*this) + std::vector<std::string>{
                                  "--spawn", "2", "--metrics", path("m.jsonl"),
                                  "--profile", path("profile.json")});
  ASSERT_EQ(run.wait(), 0) << run.errors();
  auto profile = nlohmann::json::parse(read("profile.json"));
  double steps = stepMilliseconds(read("m.jsonl"));
  EXPECT_EQ(profile["steps"], 2);
  EXPECT_EQ(profile["dropped_steps"], 1);
  EXPECT_TRUE(sumsToTheSteps(profile, steps)) << profile << steps;
  // stage0 runs for two microbatches and pauses for 10 ms each.
  const int calls[] = {4, 4, 4, 4, 4, 2};
  for (int site = 0; site < 6; ++site)
    EXPECT_EQ(profile["sites"][site]["calls"], calls[site]) << site;
  EXPECT_GE(profile["sites"][4]["ms"], 40);
  EXPECT_LT(profile["sites"][1]["ms"], 20);
  EXPECT_NE(run.errors().find("profile of rank 0 of 2 over 2 steps"),
            std::string::npos)
      << run.errors();
  // A profile that lost a site would be noticed.
  profile["sites"].erase(4);
  EXPECT_FALSE(sumsToTheSteps(profile, steps));
}

TEST_F(Train, without_a_profile_marks_go_nowhere) {
  TrainRun run("toy-1-lost", basic(*this));
  EXPECT_EQ(run.wait(), 0) << run.errors();
}

TEST_F(Train, loads_neither_python_nor_torch) {
  TrainRun run("toy-2-slow",
               basic(*this) + std::vector<std::string>{"--spawn", "2"});
  std::vector<pid_t> ranks = run.children(2);
  ASSERT_EQ(ranks.size(), 2u);
  std::string maps = readFile("/proc/" + std::to_string(ranks[0]) + "/maps");
  EXPECT_NE(maps.find("toy-2-slow.so"), std::string::npos);
  EXPECT_EQ(maps.find("python"), std::string::npos);
  EXPECT_EQ(maps.find("torch"), std::string::npos);
  EXPECT_EQ(run.wait(), 0) << run.errors();
}

//===----------------------------------------------------------------------===//
// Bad input
//===----------------------------------------------------------------------===//

/// One run that must fail: exit code, and a part of the message and its note.
struct BadRun {
  const char *what;
  const char *program;
  std::vector<std::string> arguments; // over the basic ones
  int code;
  const char *message;
};

class BadInput : public TrainFolder,
                 public testing::WithParamInterface<BadRun> {};

TEST_P(BadInput, has_its_message_and_exit_code) {
  const BadRun &bad = GetParam();
  write("short.bin", "not tokens");
  std::vector<std::string> arguments = basic(*this);
  for (std::string argument : bad.arguments) {
    if (size_t at = argument.find('@'); at != std::string::npos)
      argument.replace(at, 1, path(""));
    arguments.push_back(argument);
  }
  TrainRun run(bad.program, arguments);
  EXPECT_EQ(run.wait(), bad.code) << run.errors();
  EXPECT_NE(run.errors().find(bad.message), std::string::npos) << run.errors();
}

INSTANTIATE_TEST_SUITE_P(
    Each, BadInput,
    testing::Values(
        BadRun{"no_weights",
               "toy-1",
               {"--weights", "@none"},
               3,
               "note: name the folder of the model's .safetensors"},
        BadRun{"wrong_weights",
               "toy-1",
               {"--weights", "@data.safetensors"},
               3,
               "lack tensor \"w\""},
        BadRun{"no_data", "toy-1", {"--data", "@none"}, 3, "does not exist"},
        BadRun{"foreign_tokens",
               "toy-1",
               {"--data", "@short.bin"},
               3,
               "cannot feed input \"x\""},
        BadRun{"unknown_option", "toy-1", {"--stps", "1"}, 2, "got \"--stps\""},
        BadRun{"no_program", "toy-0", {}, 3, "does not load"},
        BadRun{"another_cpu",
               "toy-2-tomorrow",
               {"--spawn", "2"},
               3,
               "is for the CPU \"tomorrow\" and needs what this host lacks: "
               "avx1024\nnote: compile it on this host"},
        BadRun{"mesh_of_another_size",
               "toy-2",
               {"--spawn", "3"},
               2,
               "mesh (dp_shard = 2) needs 2 ranks: got 3"},
        BadRun{"mesh_but_one_rank",
               "toy-2",
               {},
               2,
               "note: start 2 ranks, or compile for another mesh"},
        BadRun{"unknown_communicator",
               "toy-2",
               {"--spawn", "2", "--communicator", "smoke"},
               2,
               "got \"smoke\""},
        BadRun{"loss_not_finite",
               "toy-2-nan",
               {"--spawn", "2"},
               12,
               "the loss is not finite"},
        BadRun{"different_collectives",
               "toy-2-disagree",
               {"--spawn", "2"},
               14,
               "the ranks issued different collectives"},
        BadRun{"unknown_site",
               "toy-1-lost",
               {"--profile", "@p.json"},
               70,
               "marks an unknown site: got 6, expected less than 6"},
        BadRun{"profile_not_writable",
               "toy-1",
               {"--profile", "/proc/no/p.json"},
               13,
               "cannot be written"},
        BadRun{"dump_not_writable",
               "toy-2",
               {"--in-process", "2", "--dump", "/proc/no"},
               13,
               "cannot be made"}),
    [](const auto &info) { return std::string(info.param.what); });

TEST_F(Train, ranks_with_different_artefacts_all_say_so) {
  std::vector<std::string> common{"WORLD_SIZE=2", "LOCAL_WORLD_SIZE=2",
                                  "MASTER_PORT=1", "WEFT_RUN_ID=" + path("")};
  TrainRun first("toy-2", basic(*this),
                 common + std::vector<std::string>{"RANK=0"});
  TrainRun second("toy-2-other", basic(*this),
                  common + std::vector<std::string>{"RANK=1"});
  for (TrainRun *run : {&first, &second}) {
    EXPECT_EQ(run->wait(), 14) << run->errors();
    EXPECT_NE(run->errors().find("rank 1 has another program than rank 0: got "
                                 "\"beef\", expected \"5eed\""),
              std::string::npos)
        << run->errors();
  }
}

//===----------------------------------------------------------------------===//
// Deaths and signals
//===----------------------------------------------------------------------===//

std::vector<std::string> endless(const TrainFolder &folder, int ranks) {
  return basic(folder) +
         std::vector<std::string>{"--steps", "100000",  "--log-every",
                                  "1",       "--spawn", std::to_string(ranks)};
}

TEST_F(Train, a_killed_rank_ends_the_run_with_10_within_two_seconds) {
  TrainRun run("toy-3-slow", endless(*this, 3));
  std::vector<pid_t> ranks = run.children(3);
  ASSERT_EQ(ranks.size(), 3u);
  ASSERT_TRUE(run.awaitOutput(" 2/100000"));
  auto begin = std::chrono::steady_clock::now();
  kill(ranks[1], SIGKILL);
  EXPECT_EQ(run.wait(), 10);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  std::string errors = run.errors();
  EXPECT_NE(errors.find("weft: rank 1 was killed by signal 9"),
            std::string::npos)
      << errors;
  for (const char *survivor : {"[rank 0/3] step ", "[rank 2/3] step "})
    EXPECT_NE(errors.find(survivor), std::string::npos) << errors;
  EXPECT_NE(errors.find("rank 1 died"), std::string::npos) << errors;
}

TEST_F(Train, sigterm_stops_all_ranks_with_20) {
  TrainRun run("toy-2-slow", endless(*this, 2));
  ASSERT_TRUE(run.awaitOutput(" 2/100000"));
  run.signal(SIGTERM);
  EXPECT_EQ(run.wait(), 20);
  EXPECT_NE(run.errors().find("stopped by a signal after step "),
            std::string::npos)
      << run.errors();
}

TEST_F(Train, ranks_do_not_outlive_their_launcher) {
  TrainRun run("toy-2-slow", endless(*this, 2));
  std::vector<pid_t> ranks = run.children(2);
  ASSERT_EQ(ranks.size(), 2u);
  ASSERT_TRUE(run.awaitOutput(" 2/100000"));
  run.signal(SIGKILL);
  run.wait();
  for (int i = 0; i < 100 && kill(ranks[0], 0) == 0; ++i)
    usleep(20000);
  EXPECT_NE(kill(ranks[0], 0), 0);
}

} // namespace
