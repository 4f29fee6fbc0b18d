// SPDX-License-Identifier: Apache-2.0
//
// The plan file: defaults, overrides, origins, and every message in full.
#include "weft/Plan/Config.h"

#include "llvm/ADT/STLExtras.h"
#include <gtest/gtest.h>

using namespace weft;

// The config of `text`; a test that gets errors fails and prints them.
static Config parsed(llvm::StringRef text,
                     std::vector<std::string> overrides = {}) {
  llvm::Expected<Config> config = parseConfig(text, "weft.toml", overrides);
  if (config)
    return std::move(*config);
  ADD_FAILURE() << llvm::toString(config.takeError());
  return defaultConfig();
}

// The messages for `text`; empty if it is accepted.
static std::string errorsOf(llvm::StringRef text,
                            std::vector<std::string> overrides = {}) {
  llvm::Expected<Config> config = parseConfig(text, "weft.toml", overrides);
  return config ? "" : llvm::toString(config.takeError());
}

TEST(Config, defaults_are_those_of_the_documentation) {
  Config config = parsed("");
  EXPECT_EQ(config.numRanks(), 1);
  EXPECT_EQ(config.fsdp.strategy, "full");
  EXPECT_EQ(config.fsdp.units.word, "auto");
  EXPECT_EQ(config.fsdp.bucket.bytes, 100'000'000);
  EXPECT_EQ(config.optimizer.lr, 8e-4);
  EXPECT_EQ(config.optimizer.betas, (std::vector<double>{0.9, 0.95}));
  EXPECT_EQ(config.step.reduce, "each");
  EXPECT_FALSE(config.plan.sequenceParallel);
}

TEST(Config, every_key_has_help_and_a_default_it_accepts) {
  for (const ConfigKey &key : configKeys()) {
    EXPECT_FALSE(key.help.empty()) << key.dotted();
    if (key.defaultText.empty())
      continue;
    EXPECT_EQ(errorsOf("", {key.dotted() + "=" + key.defaultText.str()}), "");
  }
}

TEST(Config, integers_pass_where_numbers_are_wanted) {
  Config config = parsed("[optimizer]\nlr = 1\nbetas = [0, 0.5]\n");
  EXPECT_EQ(config.optimizer.lr, 1.0);
  EXPECT_EQ(config.optimizer.betas, (std::vector<double>{0.0, 0.5}));
}

TEST(Config, sets_win_over_the_file_and_origins_say_so) {
  Config config = parsed("[mesh]\ndp_shard = 2\ntp = 2\n", {"mesh.tp=4"});
  EXPECT_EQ(config.numRanks(), 8);
  EXPECT_EQ(config.originOf("mesh.dp_shard"), "weft.toml:2:12");
  EXPECT_EQ(config.originOf("mesh.tp"), "--set mesh.tp=4");
  EXPECT_EQ(config.originOf("mesh.cp"), "default");
}

TEST(Config, sets_take_words_lists_and_pattern_tables) {
  Config config = parsed("", {"optimizer.name=sgd", "fsdp.bucket=0",
                              "fsdp.units=[\"model.layers.*\"]",
                              "fsdp.reshard_after_forward=always",
                              "plan.styles.\"model.a=b\"=colwise"});
  EXPECT_EQ(config.optimizer.name, "sgd");
  EXPECT_EQ(config.fsdp.bucket.bytes, 0);
  EXPECT_EQ(config.fsdp.units.names,
            (std::vector<std::string>{"model.layers.*"}));
  EXPECT_EQ(config.fsdp.reshardAfterForward.word, "always");
  ASSERT_EQ(config.plan.styles.size(), 1u);
  EXPECT_EQ(config.plan.styles[0].pattern, "model.a=b");
  EXPECT_EQ(config.plan.styles[0].text, "colwise");
}

TEST(Config, pattern_tables_keep_the_order_of_the_file) {
  Config config = parsed("[plan.styles]\n\"z.*\" = \"colwise\"\n"
                         "\"a.*\" = \"rowwise\"\n",
                         {"plan.styles.\"z.*\"=rowwise"});
  ASSERT_EQ(config.plan.styles.size(), 2u);
  EXPECT_EQ(config.plan.styles[0].pattern, "a.*");
  EXPECT_EQ(config.plan.styles[0].origin, "weft.toml:3:1");
  EXPECT_EQ(config.plan.styles[1].text, "rowwise");
}

TEST(Config, text_form_reads_back_to_the_same_values) {
  Config config = parsed("[plan.layouts]\n\"a.*:output\" = \"tp = shard(1)\"\n",
                         {"fsdp.bucket=3 MiB", "optimizer.eps=1e-6"});
  std::string text = toToml(config, ShowOrigins::No);
  EXPECT_EQ(toToml(parsed(text), ShowOrigins::No), text);
  EXPECT_NE(text.find("bucket = \"3 MiB\"\n"), std::string::npos);
  EXPECT_NE(text.find("[plan.layouts]\n\"a.*:output\" = \"tp = shard(1)\"\n"),
            std::string::npos);
  std::string shown = toToml(config, ShowOrigins::Yes);
  EXPECT_EQ(toToml(parsed(shown), ShowOrigins::No), text);
  EXPECT_NE(shown.find("eps = 1e-06                                  "
                       "# --set optimizer.eps=1e-6\n"),
            std::string::npos);
}

TEST(Config, byte_sizes) {
  EXPECT_EQ(parseByteSize("100 MB"), 100'000'000);
  EXPECT_EQ(parseByteSize("2 GiB"), 2LL << 30);
  EXPECT_EQ(parseByteSize("4096"), 4096);
  EXPECT_EQ(parseByteSize("64KiB"), 65536);
  EXPECT_EQ(parseByteSize("2 TB"), std::nullopt);
  EXPECT_EQ(parseByteSize("-1"), std::nullopt);
  EXPECT_EQ(parseByteSize("9999999999 GiB"), std::nullopt);
  for (int64_t bytes : {0LL, 1LL, 1000LL, 1024LL, 100'000'000LL, 2LL << 30})
    EXPECT_EQ(parseByteSize(formatByteSize(bytes)), bytes);
}

TEST(Config, nearest_offers_slips_only) {
  std::vector<std::string> names = {"strategy", "units", "bucket", "tp"};
  EXPECT_EQ(nearest("stratgey", names), "strategy");
  EXPECT_EQ(nearest("unit", names), "units");
  EXPECT_EQ(nearest("tpp", names), "tp");
  EXPECT_EQ(nearest("momentum", names), std::nullopt);
}

struct BadConfig {
  const char *text, *message;
};
class BadConfigs : public testing::TestWithParam<BadConfig> {};

TEST_P(BadConfigs, gives_its_message) {
  EXPECT_EQ(errorsOf(GetParam().text), GetParam().message);
}

static const BadConfig badConfigs[] = {
    {"[mesh]\ntpp = 2\n", "weft.toml:2:1: error: unknown key \"tpp\" in "
                          "[mesh]; did you mean \"tp\"?"},
    {"[mesh]\nwidth = 2\n",
     "weft.toml:2:1: error: unknown key \"width\" in [mesh]"},
    {"[optimiser]\n", "weft.toml:1:2: error: unknown section \"optimiser\"; "
                      "did you mean \"optimizer\"?"},
    {"mesh = 4\n", "weft.toml:1:1: error: \"mesh\" is a section: write [mesh] "
                   "on its own line, and its keys below"},
    {"[mesh]\ntp = \"2\"\n",
     "weft.toml:2:6: error: key \"mesh.tp\" has the wrong type: got a string, "
     "expected an integer"},
    {"[mesh]\ntp = 2.0\n",
     "weft.toml:2:6: error: key \"mesh.tp\" has the wrong type: got a number, "
     "expected an integer"},
    {"[mesh]\ntp = 0\n",
     "weft.toml:2:6: error: key \"mesh.tp\" is out of range: got 0, expected a "
     "size from 1 to 65536, or -1 for what is left of the world size"},
    // Numbers that 64 bits can't hold, as they were written.
    {"[mesh]\ntpp = 2\ntp = 99_999_999_999_999_999_999 # many\n",
     "weft.toml:2:1: error: unknown key \"tpp\" in [mesh]; did you mean "
     "\"tp\"?\n"
     "weft.toml:3:6: error: key \"mesh.tp\" is out of range: got "
     "99_999_999_999_999_999_999, expected a size from 1 to 65536, or -1 for "
     "what is left of the world size"},
    {"[optimizer]\nlr = 1e999\nwarmup_steps = -99999999999999999999",
     "weft.toml:2:6: error: key \"optimizer.lr\" is out of range: got 1e999, "
     "expected a number in [0, 1e38]\n"
     "weft.toml:3:16: error: key \"optimizer.warmup_steps\" is out of range: "
     "got -99999999999999999999, expected at least 0"},
    {"[optimizer]\nbetas = [99999999999999999999, 0.9]\n",
     "weft.toml:2:10: error: the number is out of range: got "
     "99999999999999999999, expected one of 64 bits"},
    {"[optimizer]\nlr = -1.5\n",
     "weft.toml:2:6: error: key \"optimizer.lr\" is out of range: got -1.5, "
     "expected a number in [0, 1e38]"},
    {"[optimizer]\nweight_decay = 1e39 # no f32\n",
     "weft.toml:2:16: error: key \"optimizer.weight_decay\" is out of range: "
     "got 1e+39, expected a number in [0, 1e38]"},
    {"[optimizer]\nbetas = [0.9, 1.0]\n",
     "weft.toml:2:9: error: key \"optimizer.betas\" is out of range: got [0.9, "
     "1], expected numbers in [0, 1)"},
    {"[optimizer]\neps = 0\n",
     "weft.toml:2:7: error: key \"optimizer.eps\" is out of range: got 0, "
     "expected a number in (0, 1]"},
    {"[step]\nmicrobatches = 1000000\n",
     "weft.toml:2:16: error: key \"step.microbatches\" is out of range: got "
     "1000000, expected a number in [1, 65536]"},
    {"[optimizer]\nlr = nan\n",
     "weft.toml:2:6: error: key \"optimizer.lr\" is out of range: got nan, "
     "expected a number in [0, 1e38]"},
    {"[optimizer]\nbetas = [0.9]\n",
     "weft.toml:2:9: error: key \"optimizer.betas\" has the wrong type: got a "
     "list, expected a list of two numbers"},
    {"[plan]\nsequence_parallel = 1\n",
     "weft.toml:2:21: error: key \"plan.sequence_parallel\" has the wrong "
     "type: got an integer, expected true or false"},
    {"[plan.styles]\n\"a.*\" = 3\n",
     "weft.toml:2:9: error: \"a.*\" in [plan.styles] has the wrong type: got "
     "an integer, expected a quoted text"},
    {"[fsdp]\nbucket = \"2 TB\"\n",
     "weft.toml:2:10: error: key \"fsdp.bucket\" has the wrong type: got a "
     "string, expected bytes, such as 4096 or \"100 MB\""},
    {"[fsdp]\nunits = [1]\n",
     "weft.toml:2:9: error: key \"fsdp.units\" has the wrong type: got a list, "
     "expected a list of strings"},
    {"[fsdp]\nunits = 1\n",
     "weft.toml:2:9: error: key \"fsdp.units\" has the wrong type: got an "
     "integer, expected a word or a list of strings"},
    {"[fsdp]\nreshard_after_forward = true\n",
     "weft.toml:2:25: error: key \"fsdp.reshard_after_forward\" has the wrong "
     "type: got a boolean, expected a word or an integer"},
    {"[fsdp]\nstrategy = \"ful\"\n",
     "weft.toml:2:12: error: key \"fsdp.strategy\" has an unknown value: got "
     "\"ful\", expected one of \"full\", \"gradients\", \"optimizer\"; did you "
     "mean \"full\"?"},
    {"[optimizer]\nclip_norm = 3\n",
     "weft.toml:2:13: error: key \"optimizer.clip_norm\" has an unknown value: "
     "got \"3\", expected one of 1, 2, inf"},
    {"[mesh]\npp = 2\n", "weft.toml:2:6: error: key \"mesh.pp\" = 2 is not "
                         "supported yet: this version builds 1"},
    {"[plan]\nfused_loss = true\n",
     "weft.toml:2:14: error: key \"plan.fused_loss\" = true is not supported "
     "yet: this version builds false"},
    {"[precision]\ncompute = \"f16\"\n",
     "weft.toml:2:11: error: key \"precision.compute\" has an unknown value: "
     "got \"f16\", expected one of \"f32\", \"bf16\"; did you mean \"bf16\"?"},
    {"[checkpointing]\noption = [\"a\"]\n",
     "weft.toml:2:10: error: key \"checkpointing.option\" = [\"a\"] is not "
     "supported yet: this version builds \"op\""},
    {"[pipeline]\nschedule = \"my.csv\"\n",
     "weft.toml:2:12: error: key \"pipeline.schedule\" = \"my.csv\" is not "
     "supported yet: this version builds \"1f1b\""},
    {"[mesh]\ntp = \n", "weft.toml:2:6: error: not TOML: Error while parsing "
                        "key-value pair: expected value, saw '\\n'"},
    // All errors come at once, in the order of lines.
    {"[mesh]\nz = 1\na = 1\n",
     "weft.toml:2:1: error: unknown key \"z\" in [mesh]\n"
     "weft.toml:3:1: error: unknown key \"a\" in [mesh]"},
};
INSTANTIATE_TEST_SUITE_P(Messages, BadConfigs, testing::ValuesIn(badConfigs));

TEST(Config, bad_sets_name_themselves) {
  EXPECT_EQ(errorsOf("", {"mesh.tpp=2"}),
            "--set mesh.tpp=2: error: unknown key \"tpp\" in [mesh]; did you "
            "mean \"tp\"?");
  EXPECT_EQ(errorsOf("", {"mesh.tp=two"}),
            "--set mesh.tp=two: error: key \"mesh.tp\" has the wrong type: got "
            "a string, expected an integer");
  EXPECT_EQ(errorsOf("", {"mesh.tp=99999999999999999999"}),
            "--set mesh.tp=99999999999999999999: error: key \"mesh.tp\" is out "
            "of range: got 99999999999999999999, expected a size from 1 to "
            "65536, or -1 for what is left of the world size");
  EXPECT_EQ(errorsOf("", {"mesh.tp"}),
            "--set mesh.tp: error: expected section.key=value after --set");
  EXPECT_EQ(errorsOf("", {"mesh.pp=2"}),
            "--set mesh.pp=2: error: key \"mesh.pp\" = 2 is not supported yet: "
            "this version builds 1");
  EXPECT_EQ(errorsOf("", {"a b=1"}), "--set a b=1: error: \"a b\" is not a "
                                     "key: expected section.key=value");
}

TEST(Config, a_missing_file_is_named) {
  llvm::Expected<Config> config = loadConfig("/nowhere/weft.toml");
  ASSERT_FALSE(bool(config));
  EXPECT_EQ(llvm::toString(config.takeError()),
            "/nowhere/weft.toml: error: the plan file can't be read: No such "
            "file or directory");
}
