// SPDX-License-Identifier: Apache-2.0
//
// TrainingData: where samples come from, and which sample a step takes.
#ifndef WEFT_RUNTIME_TRAININGDATA_H
#define WEFT_RUNTIME_TRAININGDATA_H

#include "weft_runtime/Descriptor.h"
#include "weft_runtime/Safetensors.h"

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace weft {

/// A piece of the token stream in llm.c's format: 256 int32 of header (magic,
/// version, number of tokens), then the tokens as uint16 (magic 20240520,
/// version 1) or uint32 (magic 20240801, version 7).
class TokenFile {
public:
  /// Throws Error(InputFile) if the file is foreign or cut off.
  explicit TokenFile(const std::string &path);
  const std::string &path() const { return file.path(); }
  int64_t numTokens() const { return tokens; }
  /// Copies `count` tokens from `begin` on.
  void read(int64_t begin, int64_t count, int64_t *target) const;

private:
  MappedFile file;
  int64_t tokens = 0;
  int64_t tokenBytes = 2;
};

/// How one rank's part of an input slot is cut out of samples.
class InputPart {
public:
  InputPart(const Slot &slot, Slice slice);

  const Slot &slot() const { return *input; }

private:
  friend class TrainingData;
  /// Elements [from, from + count) of a whole row are elements
  /// [to, to + count) of a local one.
  struct Run {
    int64_t from, to, count;
  };

  const Slot *input;
  Slice slice;
  int64_t localRow = 1; // elements
  std::vector<Run> runs;
  std::vector<std::byte> row; // a whole one
};

/// The samples of a run: token shards, or tensors with one row per sample.
class TrainingData {
public:
  /// `path` is a token file (.bin), a safetensors file, or a folder of either;
  /// a folder's token files are one stream in the order of their names. Throws
  /// Error(InputFile) if the inputs of the program are not there.
  TrainingData(const std::string &path, const Descriptor &descriptor);

  int64_t numSamples() const { return samples; }
  /// Writes this rank's part of an input slot: local row i is sample
  /// `sampleOf(global row)`. Rows and columns that pad hold token 0, label
  /// -100, or 0. Allocates nothing.
  void fill(InputPart &part, const std::function<int64_t(int64_t)> &sampleOf,
            void *target) const;

private:
  void openTokens(const std::vector<std::string> &paths,
                  const Descriptor &descriptor);
  void openTensors(const std::string &path, const Descriptor &descriptor);
  void readStream(int64_t begin, int64_t count, int64_t *target) const;
  /// One whole row of an input, in the slot's type.
  void readRow(const Slot &slot, int64_t sample, void *target) const;
  void checkIndices(const Slot &slot, int64_t sample,
                    std::span<const int64_t> values) const;

  std::string path;
  int64_t samples = 0;
  int64_t sequence = 0; // of token files
  std::vector<TokenFile> shards;
  std::optional<SafetensorsFolder> tensors;
};

enum class Order { Sequential, Shuffled };

/// Which sample is at a position of the endless stream: every microbatch takes
/// the next `batch` positions, an epoch is `numSamples` of them. Shuffled is a
/// pure function of (seed, epoch, position), so a run resumes from one integer
/// at any world size.
struct SampleOrder {
  Order order = Order::Shuffled;
  uint64_t seed = 0;
  int64_t numSamples = 1;

  int64_t sample(int64_t position) const;
};

} // namespace weft

#endif // WEFT_RUNTIME_TRAININGDATA_H
