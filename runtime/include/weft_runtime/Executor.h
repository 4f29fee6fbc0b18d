// SPDX-License-Identifier: Apache-2.0
//
// Executor: the memory of one rank and the walk over the schedule table. It
// knows no data, no files and no learning rate.
#ifndef WEFT_RUNTIME_EXECUTOR_H
#define WEFT_RUNTIME_EXECUTOR_H

#include "weft_runtime/Collectives.h"

#include <exception>
#include <functional>
#include <span>

namespace weft {

class Profile;

/// The regions of one rank, zeroed; the input region once per microbatch.
/// Behind each are `guard` bytes that are nobody's.
class Regions {
public:
  /// A guard in which writes behind the end of a region are seen.
  static constexpr int64_t guardBytes = 4096;

  Regions(const Descriptor &descriptor, Communicator &communicator,
          int64_t guard = 0);

  /// The bases a call with that microbatch gets.
  std::array<char *, WEFT_NUM_REGIONS> bases(int64_t microbatch) const;
  /// Where a slot lies.
  char *address(const Slot &slot, int64_t microbatch = 0) const;

  /// A region with its guard.
  std::span<char> memory(int region) const { return whole[region]; }

  /// From the begin of one microbatch's inputs to the next one's.
  static int64_t inputStride(const Descriptor &descriptor);
  /// What the program needs of a region, inputs of all microbatches together.
  static int64_t plannedBytes(const Descriptor &descriptor, int region);
  /// What the constructor allocates from the communicator.
  static int64_t bytes(const Descriptor &descriptor, int64_t guard = 0);

private:
  std::array<std::span<char>, WEFT_NUM_REGIONS> whole;
  int64_t stride = 0;
};

class Executor {
public:
  /// With `guard` bytes behind each region, at most Regions::guardBytes. Then
  /// all of the plan's bytes are used: what could be read at peers is copied.
  Executor(const Program &program, Communicator &communicator,
           int64_t guard = 0);
  Executor(const Executor &) = delete;
  Executor &operator=(const Executor &) = delete;

  const Regions &regions() const { return memory; }
  /// Zeroes the slots of a region, but nothing between them.
  void clearSlots(weft_region region);
  /// Runs the table once; `step` counts from 1; `beforeCall` sees every entry
  /// first. Throws what a collective threw.
  void runStep(int64_t step, double learningRate,
               const std::function<void(const Call &)> &beforeCall);

  /// Throws Error(RanksDisagree) if the ranks issued different collectives in
  /// the step that has just run.
  void checkFingerprint() const;

  /// Called for each collective as it starts, with the running entry.
  std::function<void(const Call &, const Collective &)> onCollective;
  /// From now on the time between the program's marks is added to `profile`;
  /// null: marks cost a call of an empty function.
  void setProfile(Profile *profile);
  /// "all_gather 4 (model.layers.0) of stage0", or "" before the first.
  std::string lastCollective() const;

  /// The value of a scalar slot of type f32 or f64; `otherwise` without one.
  double scalar(const std::string &slot, double otherwise = 0) const;

  /// What the constructor allocates from the communicator.
  static int64_t sharedBytes(const Descriptor &descriptor);

private:
  struct Context : weft_context {
    Executor *executor;
  };
  static void start(weft_context *context, int64_t collective,
                    const void *const *inputs, void *const *outputs);
  static void wait(weft_context *context, int64_t collective);
  static void ignoreMark(weft_context *context, int64_t site);
  static void mark(weft_context *context, int64_t site);
  const Collective &collectiveOf(int64_t id) const;
  void issue(int64_t collective, const void *const *inputs,
             void *const *outputs);
  void setScalar(const std::string &slot, double value);
  void writeFingerprint();

  const Program &program;
  Communicator &communicator;
  Regions memory;
  CollectiveRunner collectives;
  std::vector<int64_t> coordinates;
  Context context;
  Profile *profile = nullptr;
  uint64_t fingerprint = 0;
  std::array<double, 4> writtenFingerprint{};
  const Call *currentCall = nullptr;
  const Collective *currentCollective = nullptr;
  std::exception_ptr failure;
};

/// Whether a schedule entry is the optimizer's.
bool isUpdate(const Call &call);

} // namespace weft

#endif // WEFT_RUNTIME_EXECUTOR_H
