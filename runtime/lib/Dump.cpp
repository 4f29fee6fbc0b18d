// SPDX-License-Identifier: Apache-2.0
//
// Dump: joins the shards of slots on rank 0 and writes them. One tensor is in
// flight at a time.
#include "weft_runtime/Safetensors.h"
#include "weft_runtime/Weights.h"

#include <nlohmann/json.hpp>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

using namespace weft;

void GradientCopy::take(const Descriptor &descriptor, const Regions &regions) {
  for (const Slot &slot : descriptor.slots) {
    if (slot.kind != "gradient" || slot.gradientOf.empty() ||
        !slot.partial.empty())
      continue;
    const char *data = regions.address(slot);
    copies[&slot].assign(data, data + slot.localBytes());
  }
}

/// The global tensor of a slot on rank 0, nothing on the others. Of replicas,
/// those at coordinate 0 count.
static std::vector<std::byte> consolidate(const Slot &slot, const char *local,
                                          const Mesh &mesh,
                                          Communicator &communicator) {
  int64_t element = byteSize(slot.dtype);
  std::vector<std::byte> shards(slot.localBytes() * communicator.worldSize());
  communicator.allGather(communicator.world(), local, shards.data(),
                         slot.localBytes());
  if (communicator.rank() != 0)
    return {};
  std::vector<std::byte> whole(numElements(slot.globalShape) * element);
  for (int rank = 0; rank < communicator.worldSize(); ++rank) {
    std::vector<int64_t> coordinates = mesh.coordinates(rank);
    Slice slice = sliceOf(mesh, slot.layout, slot.globalShape, coordinates);
    for (const Placement &placement : slot.layout)
      coordinates[placement.axis] = 0;
    if (std::any_of(coordinates.begin(), coordinates.end(),
                    [](int64_t c) { return c != 0; }))
      continue;
    const std::byte *shard = shards.data() + rank * slot.localBytes();
    forEachRun(slot.globalShape, slice,
               [&](int64_t to, int64_t from, int64_t count) {
                 std::memcpy(whole.data() + to * element,
                             shard + from * element, count * element);
               });
  }
  return whole;
}

namespace {
/// One tensor of a dump file.
struct Dumped {
  std::string name;
  const Slot *slot;
  const char *local;
  DType dtype; // in the file
};
} // namespace

static void writeTensors(const std::string &path, std::vector<Dumped> tensors,
                         const Mesh &mesh, Communicator &communicator) {
  std::sort(tensors.begin(), tensors.end(),
            [](const Dumped &a, const Dumped &b) { return a.name < b.name; });
  std::vector<TensorEntry> entries;
  for (const Dumped &tensor : tensors)
    entries.push_back({tensor.name, tensor.dtype, tensor.slot->globalShape});
  std::optional<SafetensorsWriter> writer;
  if (communicator.rank() == 0)
    writer.emplace(path, entries);
  for (const Dumped &tensor : tensors) {
    std::vector<std::byte> whole =
        consolidate(*tensor.slot, tensor.local, mesh, communicator);
    if (!writer)
      continue;
    int64_t count = numElements(tensor.slot->globalShape);
    std::vector<std::byte> converted(count * byteSize(tensor.dtype));
    convert(tensor.slot->dtype, whole.data(), tensor.dtype, converted.data(),
            count);
    writer->append(converted.data(), static_cast<int64_t>(converted.size()));
  }
  if (writer)
    writer->commit();
}

static void writeLosses(const std::string &path,
                        const std::vector<double> &losses) {
  std::string text = nlohmann::json{{"losses", losses}}.dump() + "\n";
  FileWriter file(path);
  file.write(text.data(), static_cast<int64_t>(text.size()));
  file.commit();
}

void weft::makeDumpFolder(const std::string &folder) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed)
    throw Error(ExitCode::Storage, "folder " + quote(folder) +
                                       " cannot be made: " + failed.message());
  if (access(folder.c_str(), W_OK) != 0)
    throw Error(ExitCode::Storage,
                "folder " + quote(folder) +
                    " cannot be written into: " + std::strerror(errno));
}

void weft::writeDump(const std::string &folder, const Program &program,
                     const Regions &regions, Communicator &communicator,
                     const RunResults &results) {
  const Descriptor &descriptor = program.descriptor;
  if (communicator.rank() == 0) {
    makeDumpFolder(folder);
    writeLosses(folder + "/loss.json", results.losses);
  }
  std::vector<Dumped> gradients, parameters;
  for (const auto &[slot, copy] : results.gradients.slots()) {
    const Slot *parameter = descriptor.slot(slot->gradientOf);
    if (parameter && parameter->trainable)
      gradients.push_back(
          {parameter->dumpName(), slot, copy.data(), DType::F32});
  }
  for (const Slot &slot : descriptor.slots)
    if (slot.kind == "parameter")
      parameters.push_back(
          {slot.dumpName(), &slot, regions.address(slot), slot.dtype});
  writeTensors(folder + "/gradients.safetensors", std::move(gradients),
               descriptor.mesh, communicator);
  writeTensors(folder + "/parameters.safetensors", std::move(parameters),
               descriptor.mesh, communicator);
}
