// SPDX-License-Identifier: Apache-2.0
//
// Record: lists the collectives of one step by running it on the Recording
// communicator. No data and no weights: regions are zero, so every index is in
// range.
#include "weft_runtime/Executor.h"
#include "weft_runtime/Files.h"
#include "weft_runtime/Recording.h"
#include "weft_runtime/Trainer.h"

#include <nlohmann/json.hpp>

using namespace weft;

static int64_t inputBytes(const Collective &collective, const Mesh &mesh) {
  int64_t members = 1;
  for (int axis : collective.axes)
    members *= mesh.axes[axis].size;
  int64_t bytes = 0;
  for (const Operand &operand : collective.operands) {
    bool isSplit = collective.kind == CollectiveKind::AllToAll;
    int64_t block = isSplit ? operand.splitOuter * operand.splitInner
                            : operand.outer * operand.inner;
    bool hasBlockPerMember =
        isSplit || collective.kind == CollectiveKind::ReduceScatter;
    bytes +=
        block * byteSize(operand.dtype) * (hasBlockPerMember ? members : 1);
  }
  return bytes;
}

void weft::recordRank(const Program &program, const TrainOptions &options) {
  const Descriptor &descriptor = program.descriptor;
  int64_t worldSize = descriptor.mesh.worldSize();
  if (options.rank >= worldSize)
    throw Error(ExitCode::Usage, "option --rank is out of range: got " +
                                     std::to_string(options.rank) +
                                     ", expected less than " +
                                     std::to_string(worldSize));
  RecordingCommunicator communicator(options.rank, static_cast<int>(worldSize));
  Executor executor(program, communicator);
  FileWriter file(options.record);
  executor.onCollective = [&](const Call &call, const Collective &collective) {
    nlohmann::ordered_json line;
    line["function"] = call.function;
    if (call.microbatch)
      line["microbatch"] = *call.microbatch;
    line["kind"] = toString(collective.kind);
    line["axes"] = nlohmann::json::array();
    for (int axis : collective.axes)
      line["axes"].push_back(descriptor.mesh.axes[axis].name);
    line["bytes"] = inputBytes(collective, descriptor.mesh);
    line["loc"] = collective.loc;
    std::string text = line.dump() + "\n";
    file.write(text.data(), static_cast<int64_t>(text.size()));
  };
  executor.runStep(1, 0, nullptr);
  file.commit();
}
