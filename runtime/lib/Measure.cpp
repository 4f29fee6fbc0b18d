// SPDX-License-Identifier: Apache-2.0
//
// Measure: the memory plan against what a step writes, on all ranks.
//
// Everything starts as the pattern; then the slots are made as a run makes
// them, one step runs, and what differs from the pattern was written. A second
// pass with another pattern must end in the same bits: else the step reads
// bytes that nobody wrote.
#include "weft_runtime/BatchInputs.h"
#include "weft_runtime/Files.h"
#include "weft_runtime/MemoryMeter.h"
#include "weft_runtime/Weights.h"

#include <nlohmann/json.hpp>
#include <xxhash.h>

using namespace weft;

static constexpr const char *regionNames[] = {"run", "step", "microbatch",
                                              "input"};

namespace {
/// What a rank tells the others.
struct Measurement {
  RegionUses uses;
  uint64_t hashes[2]; // of what a step leaves, per pattern

  bool isAsPlanned() const {
    return hashes[0] == hashes[1] &&
           std::all_of(uses.begin(), uses.end(),
                       [](const RegionUse &use) { return use.isAsPlanned(); });
  }
};
} // namespace

/// The hash of the slots that outlive a step, but for the fingerprint, which is
/// of all steps so far.
static uint64_t hashOf(const Descriptor &descriptor, const Regions &regions) {
  uint64_t hash = 0;
  for (const Slot &slot : descriptor.slots)
    if (slot.region == WEFT_REGION_RUN && !slot.name.starts_with("fingerprint"))
      hash = XXH64(regions.address(slot), slot.localBytes(), hash);
  return hash;
}

static Measurement measure(const Program &program, Communicator &communicator,
                           const TrainOptions &options) {
  const Descriptor &descriptor = program.descriptor;
  Executor executor(program, communicator, Regions::guardBytes);
  const Regions &regions = executor.regions();
  BatchInputs inputs(options, descriptor, communicator.rank());
  MemoryMeter meter(descriptor, regions);
  Measurement result{};
  for (int pass : {0, 1}) {
    communicator.barrier(communicator.world()); // nobody reads here any more
    meter.fill(std::byte{pass == 0 ? uint8_t{0x5a} : uint8_t{0xa5}});
    executor.clearSlots(WEFT_REGION_RUN);
    loadWeights(weightsFolder(options.weights, program), descriptor, regions,
                communicator.rank());
    inputs.fill(1, regions);
    executor.runStep(1, learningRate(descriptor.optimizer, 1, 1), nullptr);
    meter.note();
    result.hashes[pass] = hashOf(descriptor, regions);
  }
  result.uses = meter.use();
  return result;
}

//===----------------------------------------------------------------------===//
// Report
//===----------------------------------------------------------------------===//

static std::string textOf(const std::vector<Measurement> &ranks) {
  nlohmann::ordered_json list = nlohmann::json::array();
  for (const Measurement &rank : ranks) {
    nlohmann::ordered_json entry;
    for (int region = 0; region < WEFT_NUM_REGIONS; ++region) {
      const RegionUse &use = rank.uses[region];
      entry[regionNames[region]] = {{"planned", use.planned},
                                    {"used", use.used},
                                    {"outside", use.outside},
                                    {"untouched", use.untouched}};
    }
    entry["reads_unwritten"] = rank.hashes[0] != rank.hashes[1];
    list.push_back(entry);
  }
  return nlohmann::ordered_json{{"ranks", list}}.dump(1) + "\n";
}

/// What is wrong on the first rank where something is.
static std::string problemOf(const Measurement &measured, size_t rank) {
  std::string where = " of rank " + std::to_string(rank);
  for (int region = 0; region < WEFT_NUM_REGIONS; ++region) {
    const RegionUse &use = measured.uses[region];
    if (!use.isAsPlanned())
      return "region " + quote(regionNames[region]) + where +
             " is not used as planned: got " + std::to_string(use.used) +
             " bytes, expected " + std::to_string(use.planned) + "; " +
             std::to_string(use.outside) + " written outside of values";
  }
  return "the step" + where + " reads memory that nobody wrote";
}

void weft::measureRank(const Program &program, Communicator &communicator,
                       const TrainOptions &options) {
  handshake(program.descriptor, communicator);
  Measurement own = measure(program, communicator, options);
  std::vector<Measurement> ranks(communicator.worldSize());
  communicator.allGather(communicator.world(), &own, ranks.data(), sizeof(own));
  if (communicator.rank() == 0) {
    FileWriter file(options.measureMemory);
    std::string text = textOf(ranks);
    file.write(text.data(), static_cast<int64_t>(text.size()));
    file.commit();
  }
  for (size_t rank = 0; rank < ranks.size(); ++rank)
    if (!ranks[rank].isAsPlanned())
      throw Error(ExitCode::Internal, problemOf(ranks[rank], rank));
}
