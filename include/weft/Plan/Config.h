// SPDX-License-Identifier: Apache-2.0
//
// Config: the one TOML file that says how a model is to be distributed.
//
// The schema is a table of keys (ConfigKeys.cpp): name, default, allowed
// values, which of them this version builds, and one line of help. The parser,
// `--set`, `weft config show` and the error messages all read that table, so a
// new key is one line there and one field here. Values are only checked for
// form; what they mean for a model is decided by dist-apply-plan.
#ifndef WEFT_PLAN_CONFIG_H
#define WEFT_PLAN_CONFIG_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace weft {

/// A number of bytes: `100 MB`, `2 GiB`, `4096`.
struct ByteSize {
  int64_t bytes = 0;
  bool operator==(const ByteSize &other) const = default;
};

/// A word or a list of strings: `"auto"`, `["model.layers.*"]`.
struct WordOrList {
  std::string word;               // empty if it is a list
  std::vector<std::string> names; // of a list
  bool operator==(const WordOrList &other) const = default;
};

/// A word or a count: `"default"`, `4`.
struct WordOrCount {
  std::string word; // empty if it is a count
  int64_t count = 0;
  bool operator==(const WordOrCount &other) const = default;
};

/// One `pattern = text` line of an open table, with the place it came from.
struct PatternEntry {
  std::string pattern;
  std::string text;
  std::string origin; // weft.toml:3:1, or --set
  bool operator==(const PatternEntry &other) const {
    return pattern == other.pattern && text == other.text;
  }
};
using PatternTable = std::vector<PatternEntry>;

/// Every value of the plan file; DESIGN section 8 lists them with defaults,
/// `weft config keys` with their meaning.
struct Config {
  struct {
    int64_t pp, dpReplicate, dpShard, cp, tp;
  } mesh;
  struct {
    std::string device, cpu, communicator;
    bool deterministic;
  } target;
  struct {
    std::string tensorParallel;
    bool sequenceParallel, lossParallel, fusedLoss;
    int64_t lossChunks;
    PatternTable styles, layouts;
  } plan;
  struct {
    std::string strategy, root, prefetch, offload;
    WordOrList units;
    WordOrCount reshardAfterForward;
    ByteSize bucket;
  } fsdp;
  struct {
    std::string mode, offload;
    WordOrList option;
    ByteSize budget;
  } checkpointing;
  struct {
    std::string schedule;
    WordOrList cuts;
    int64_t stagesPerRank;
  } pipeline;
  struct {
    std::string compute, reduce;
  } precision;
  struct {
    std::string name, decay;
    double lr, lrMin, eps, weightDecay, momentum, clip, clipNorm;
    std::vector<double> betas;
    bool skipNonfinite;
    int64_t warmupSteps;
  } optimizer;
  struct {
    int64_t microbatches;
    std::string reduce;
  } step;

  /// Where each key got its value, by dotted name: "default",
  /// "weft.toml:3:1" or "--set mesh.tp=2".
  std::map<std::string, std::string> origins;

  /// The mesh axes in their order with their names in text.
  std::vector<std::pair<std::string, int64_t>> meshAxes() const;
  /// The product of the mesh axes; call resolveMesh first.
  int64_t numRanks() const;
  /// The origin of a dotted key.
  llvm::StringRef originOf(llvm::StringRef key) const;
};

/// Where the value of a key is kept; the alternative is also its type.
using ConfigField = std::variant<int64_t *, double *, bool *, std::string *,
                                 ByteSize *, WordOrList *, WordOrCount *,
                                 std::vector<double> *, PatternTable *>;

/// One key of the schema.
struct ConfigKey {
  llvm::StringRef section, name;
  ConfigField (*field)(Config &);
  llvm::StringRef defaultText; // as in TOML; empty for an open table
  /// The words or numbers allowed, `a | b`; empty if any, `*` or `*.csv` for
  /// any such word. Lists and counts are no words and always allowed.
  llvm::StringRef allowed;
  /// The values that this version builds, `a | b`; empty if all. This column
  /// becomes empty as the compiler grows.
  llvm::StringRef supported;
  double minimum; // of numbers, counts and sizes
  llvm::StringRef help;
  /// Where numbers must lie, as `[0, 1)`; empty: only the minimum counts.
  llvm::StringRef interval = {};

  /// `section.name`.
  std::string dotted() const { return (section + "." + name).str(); }
};

/// The schema, in the order of the documentation.
llvm::ArrayRef<ConfigKey> configKeys();

/// A config in which every key has its default.
Config defaultConfig();

/// Reads TOML text; `file` is its name in messages. `overrides` are the
/// `a.b=v` of --set, applied in order after the file. Fails with *all* errors,
/// one per line, each with its place.
llvm::Expected<Config> parseConfig(llvm::StringRef text, llvm::StringRef file,
                                   llvm::ArrayRef<std::string> overrides = {});

/// parseConfig on a file; an empty path gives the defaults and `overrides`.
llvm::Expected<Config> loadConfig(llvm::StringRef path,
                                  llvm::ArrayRef<std::string> overrides = {});

/// Replaces the axis of size -1 by what is left of `world` and checks that the
/// product of the axes is `world`.
///
///   dp_shard = -1, tp = 2, world 8       -> dp_shard = 4
///   dp_shard = 2, tp = 2, world 8        -> error with the arithmetic
///   dp_shard = 2, tp = 2, world unknown  -> world is 4
///   dp_shard = -1, world unknown         -> error: give --world
///   more than kMaxRanks ranks            -> error
llvm::Error resolveMesh(Config &config, std::optional<int64_t> world);

/// The largest mesh. Also the bound of step.microbatches: both count what the
/// compiler lists one by one.
inline constexpr int64_t kMaxRanks = 65536;

enum class ShowOrigins { No, Yes };

/// The config as TOML that parseConfig reads back to the same values; with
/// origins, each line ends in a comment that says where its value is from.
std::string toToml(const Config &config, ShowOrigins origins);

/// `100 MB` -> 100000000, `2 GiB` -> 2147483648, `4096` -> 4096; nothing if
/// it is no size.
std::optional<int64_t> parseByteSize(llvm::StringRef text);
/// The shortest text that parses back to `bytes`: `100 MB`, `2 GiB`, `12345`.
std::string formatByteSize(int64_t bytes);

/// The candidate nearest to `name` by edit distance, if it is near enough to
/// be a likely slip.
std::optional<std::string> nearest(llvm::StringRef name,
                                   llvm::ArrayRef<std::string> candidates);

} // namespace weft

#endif // WEFT_PLAN_CONFIG_H
