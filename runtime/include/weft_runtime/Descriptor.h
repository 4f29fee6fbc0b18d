// SPDX-License-Identifier: Apache-2.0
//
// Descriptor: the parsed form of a program's `weft_program` text (Program.h
// says what each field means) and the program itself, loaded.
#ifndef WEFT_RUNTIME_DESCRIPTOR_H
#define WEFT_RUNTIME_DESCRIPTOR_H

#include "weft_runtime/Bucket.h"
#include "weft_runtime/Program.h"
#include "weft_runtime/Slices.h"

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft {

/// A named piece of a region.
struct Slot {
  std::string name;
  std::string kind;
  DType dtype = DType::F32;
  std::vector<int64_t> globalShape;
  std::vector<int64_t> localShape;
  std::vector<Placement> layout;
  std::vector<int> partial;
  weft_region region = WEFT_REGION_RUN;
  int64_t offset = 0;
  std::string stored; // empty: not in the weights
  std::vector<std::string> names;
  bool trainable = false;
  std::string gradientOf; // empty: no gradient
  int64_t indices = 0;    // elements are less than this; 0: any number
  bool ignores = false;   // an index of -100 stands for none

  int64_t localBytes() const {
    return numElements(localShape) * byteSize(dtype);
  }
  /// The name in dumps: the first of the names the model knows it by.
  const std::string &dumpName() const {
    return names.empty() ? name : names.front();
  }
};

/// One tensor of a collective, in elements (see Program.h).
struct Operand {
  DType dtype = DType::F32;
  int64_t outer = 1;
  int64_t inner = 1;
  // of all_to_all
  int64_t splitOuter = 1, splitInner = 1, concatOuter = 1, concatInner = 1;
};

struct Collective {
  int64_t id = 0;
  CollectiveKind kind = CollectiveKind::AllReduce;
  std::vector<int> axes;
  ReduceKind reduce = ReduceKind::Sum;
  std::vector<Operand> operands;
  RankPairs pairs; // of permute
  std::string loc;
  int64_t gathered = -1; // -1: outputs are where they are told to be
};

/// What one mark of the program says it does (see Program.h).
struct Site {
  std::string op;
  std::string kind;
  std::string kernel;      // empty: no kernel
  int64_t collective = -1; // -1: none
  std::string function;
  std::string loc;
  int64_t flops = 0;
  int64_t bytes = 0;
};

/// One entry of the schedule.
struct Call {
  std::string function;
  std::optional<int64_t> microbatch;
};

enum class Decay { None, Linear, Sqrt, Cosine };

/// What the learning rate follows.
struct OptimizerConfig {
  double lr = 0;
  double lrMin = 0;
  int64_t warmupSteps = 0;
  Decay decay = Decay::None;
  int64_t steps = 0; // 0: as many as the run has
};

struct Descriptor {
  std::string key;
  Mesh mesh;
  std::array<int64_t, WEFT_NUM_REGIONS> regionBytes{};
  /// Bytes [first, second) that values have.
  using Extents = std::vector<std::pair<int64_t, int64_t>>;
  std::array<Extents, WEFT_NUM_REGIONS> occupied;
  /// What peers read or write, all but small, lies in so many bytes in front.
  std::array<int64_t, WEFT_NUM_REGIONS> exchangedBytes{};
  int64_t microbatches = 1;
  int64_t batch = 0;
  std::string communicator = "auto";
  std::vector<std::string> libraries;
  std::string weights;
  std::string cpu;
  std::vector<std::string> instructions;
  bool tiles = false;
  OptimizerConfig optimizer;
  std::vector<Slot> slots;
  std::vector<Collective> collectives;
  std::vector<Site> sites;
  std::vector<Call> step;

  /// The slot of that name, or null.
  const Slot *slot(const std::string &name) const;
};

/// Parses and checks a descriptor; throws Error(InputFile) naming the field.
Descriptor parseDescriptor(const std::string &text);

/// A program loaded from a shared object; unloaded with the last owner.
struct Program {
  std::string path;
  Descriptor descriptor;
  std::map<std::string, weft_function> functions;
  std::shared_ptr<void> handle;
};

/// Loads `path` and resolves every function of the schedule; throws
/// Error(InputFile) if the file, the descriptor or a function is missing.
Program loadProgram(const std::string &path);

} // namespace weft

#endif // WEFT_RUNTIME_DESCRIPTOR_H
