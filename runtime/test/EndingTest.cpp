// SPDX-License-Identifier: Apache-2.0
//
// Ending: what is refused before ranks are started, and how a run ends when a
// rank hears no signal or an output can't be written. `train` is started as a
// program.
#include "TrainRun.h"

#include <chrono>

using namespace weft::test;

namespace {

class Ending : public TrainFolder {
protected:
  Strings inputs() const {
    return {"--data", path("data.safetensors"), "--weights",
            path("weights.safetensors")};
  }
  Strings endless(int ranks) const {
    return inputs() + Strings{"--steps", "100000",  "--log-every",
                              "1",       "--spawn", std::to_string(ranks)};
  }
  /// Runs three steps with an output that can't be written, which end with 13
  /// and `problem`; what was printed.
  std::string expectNoRoom(const std::string &option, const std::string &where,
                           const std::string &problem) const {
    TrainRun run("toy-1", inputs() + Strings{"--steps", "3", option, where});
    EXPECT_EQ(run.wait(), 13);
    EXPECT_NE(run.errors().find("\"" + where + "\" " + problem),
              std::string::npos)
        << run.errors();
    return run.output();
  }
};

int count(const std::string &text, const std::string &part) {
  int found = 0;
  for (size_t at = text.find(part); at != std::string::npos;
       at = text.find(part, at + 1))
    ++found;
  return found;
}

TEST_F(Ending, what_is_missing_is_said_once_and_all_of_it) {
  TrainRun run("toy-4", {"--spawn", "4"});
  EXPECT_EQ(run.wait(), 2);
  EXPECT_EQ(run.errors(),
            "error: the command line is not complete: expected --data PATH and "
            "--steps N\n"
            "note: add --data PATH and --steps N; --help lists all options\n");
}

TEST_F(Ending, a_bad_input_file_is_named_once) {
  TrainRun run("toy-4", {"--spawn", "4", "--steps", "1", "--data", path("none"),
                         "--weights", path("weights.safetensors")});
  EXPECT_EQ(run.wait(), 3);
  EXPECT_EQ(count(run.errors(), "does not exist"), 1) << run.errors();
  EXPECT_EQ(run.errors().rfind("error: ", 0), 0u) << run.errors();
}

TEST_F(Ending, an_unknown_communicator_is_named_once) {
  for (const Strings &ranks : {Strings{"--spawn", "4"}, Strings{}}) {
    TrainRun run("toy-4", inputs() + ranks +
                              Strings{"--steps=1", "--communicator", "smoke"});
    EXPECT_EQ(run.wait(), 2);
    EXPECT_EQ(
        run.errors(),
        "error: option --communicator is unknown: got \"smoke\", expected "
        "auto, shared_memory, gloo or nccl\n");
  }
}

/// A copy of `train` has no libraries beside it.
TEST_F(Ending, a_missing_provider_is_named_once) {
  std::filesystem::copy_file(TRAIN_PATH, path("train"));
  TrainRun run("toy-2",
               inputs() +
                   Strings{"--steps=1", "--spawn=2", "--communicator=gloo"},
               {}, path("train"));
  EXPECT_EQ(run.wait(), 3);
  EXPECT_EQ(run.errors().rfind("error: provider library \"libweft_gloo.so\" is "
                               "not found: looked in ",
                               0),
            0u)
      << run.errors();
  EXPECT_EQ(count(run.errors(), "is not found"), 1) << run.errors();
}

TEST_F(Ending, a_record_is_written_once_for_all_ranks) {
  TrainRun run("toy-2", {"--record", path("none/calls"), "--spawn", "2"});
  EXPECT_EQ(run.wait(), 13);
  EXPECT_EQ(count(run.errors(), "cannot be written"), 1) << run.errors();
  TrainRun good("toy-2", {"--record", path("calls"), "--spawn", "2"});
  EXPECT_EQ(good.wait(), 0) << good.errors();
}

TEST_F(Ending, a_program_that_is_cut_off_is_refused) {
  std::string whole = readFile(PROGRAM_DIR "/toy-1.so");
  write("cut.so", whole.substr(0, whole.size() - 4000));
  Strings variables{"WEFT_PROGRAM=" + path("cut.so")};
  TrainRun run("toy-1", inputs() + Strings{"--steps", "1"}, variables);
  EXPECT_EQ(run.wait(), 3);
  EXPECT_NE(run.errors().find("cut.so\" is cut off: got "), std::string::npos)
      << run.errors();
}

TEST_F(Ending, a_program_that_its_manifest_does_not_know_is_refused) {
  write("program.so", readFile(PROGRAM_DIR "/toy-1.so"));
  write("manifest.json", R"({"files":{"program.so":{"bytes":1,"hash":"5e"}}})");
  Strings variables{"WEFT_PROGRAM=" + path("program.so")};
  TrainRun other("toy-1", inputs() + Strings{"--steps", "1"}, variables);
  EXPECT_EQ(other.wait(), 3);
  EXPECT_NE(other.errors().find("is not the file that was compiled\nnote: "
                                "compile the model again"),
            std::string::npos)
      << other.errors();
  write("manifest.json", R"({"files":{"pro)");
  TrainRun damaged("toy-1", inputs() + Strings{"--steps", "1"}, variables);
  EXPECT_EQ(damaged.wait(), 3);
  EXPECT_NE(damaged.errors().find("manifest.json\" is cut off or damaged"),
            std::string::npos)
      << damaged.errors();
}

TEST_F(Ending, metrics_on_a_full_disk_end_the_run_with_13) {
  expectNoRoom("--metrics", "/dev/full", "cannot be written: No space left");
}

/// A long training must not end without a place for its results.
TEST_F(Ending, a_dump_that_cannot_be_made_is_refused_before_the_first_step) {
  std::string output =
      expectNoRoom("--dump", "/dev/null/dump", "cannot be made");
  EXPECT_EQ(output.find("loss"), std::string::npos) << output;
}

TEST_F(Ending, a_stopped_rank_does_not_keep_the_launcher) {
  TrainRun run("toy-2-slow", endless(2));
  std::vector<pid_t> ranks = run.children(2);
  ASSERT_EQ(ranks.size(), 2u);
  ASSERT_TRUE(run.awaitOutput(" 2/100000"));
  kill(ranks[1], SIGSTOP);
  auto begin = std::chrono::steady_clock::now();
  run.signal(SIGINT);
  EXPECT_EQ(run.wait(), 20);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(8));
  EXPECT_NE(run.errors().find("weft: rank 1 did not stop within 5 s: killed"),
            std::string::npos)
      << run.errors();
}

TEST_F(Ending, all_ranks_name_the_one_that_does_not_come) {
  TrainRun run("toy-3-slow", endless(3) + Strings{"--timeout", "1"});
  std::vector<pid_t> ranks = run.children(3);
  ASSERT_EQ(ranks.size(), 3u);
  ASSERT_TRUE(run.awaitOutput(" 2/100000"));
  kill(ranks[1], SIGSTOP);
  EXPECT_EQ(run.wait(), 11);
  std::string errors = run.errors();
  EXPECT_EQ(count(errors, "rank 1 did not come to a collective"), 2) << errors;
  EXPECT_EQ(count(errors, "rank 0 did not"), 0) << errors;
  EXPECT_EQ(count(errors, "rank 2 did not"), 0) << errors;
}

} // namespace
