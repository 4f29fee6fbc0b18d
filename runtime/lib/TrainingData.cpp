// SPDX-License-Identifier: Apache-2.0
//
// TrainingData: token shards and tensors behind one view, and the order of
// samples. Sample i of the token stream is the seq + 1 tokens from i * seq on:
// inputs its first seq, labels its last seq.
#include "weft_runtime/TrainingData.h"
#include "weft_runtime/Error.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

using namespace weft;
namespace fs = std::filesystem;

static constexpr int64_t headerInts = 256;

[[noreturn]] static void fail(const std::string &path,
                              const std::string &problem,
                              const std::string &note) {
  throw Error(ExitCode::InputFile, quote(path) + " " + problem, note);
}

TokenFile::TokenFile(const std::string &path) : file(path) {
  const char *note = "make it with \"weft data prepare\"";
  int32_t header[3] = {};
  if (file.size() >= headerInts * 4)
    std::memcpy(header, file.data(), sizeof(header));
  bool isNarrow = header[0] == 20240520;
  if (!isNarrow && header[0] != 20240801)
    fail(path,
         "is no token file: got magic " + std::to_string(header[0]) +
             ", expected 20240520 or 20240801",
         note);
  int32_t version = isNarrow ? 1 : 7;
  if (header[1] != version)
    fail(path,
         "has another token file version: got " + std::to_string(header[1]) +
             ", expected " + std::to_string(version),
         note);
  tokens = header[2];
  tokenBytes = isNarrow ? 2 : 4;
  int64_t expected = headerInts * 4 + tokens * tokenBytes;
  if (tokens < 0 || file.size() != expected)
    fail(path,
         "is cut off or damaged: got " + std::to_string(file.size()) +
             " bytes, expected " + std::to_string(expected) + " for " +
             std::to_string(tokens) + " tokens",
         note);
}

void TokenFile::read(int64_t begin, int64_t count, int64_t *target) const {
  const std::byte *data = file.data() + headerInts * 4;
  for (int64_t i = 0; i < count; ++i) {
    uint32_t token = 0; // little-endian, as the file
    std::memcpy(&token, data + (begin + i) * tokenBytes, tokenBytes);
    target[i] = token;
  }
}

//===----------------------------------------------------------------------===//
// Sources
//===----------------------------------------------------------------------===//

static std::vector<std::string> tokenPaths(const std::string &path) {
  if (!fs::is_directory(path))
    return {path};
  std::vector<std::string> paths;
  for (const fs::directory_entry &entry : fs::directory_iterator(path))
    if (entry.path().extension() == ".bin")
      paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  return paths;
}

static bool holdsTensors(const std::string &path) {
  if (!fs::is_directory(path))
    return fs::path(path).extension() == ".safetensors";
  for (const fs::directory_entry &entry : fs::directory_iterator(path))
    if (entry.path().extension() == ".safetensors")
      return true;
  return false;
}

static std::vector<const Slot *> inputsOf(const Descriptor &descriptor) {
  std::vector<const Slot *> inputs;
  for (const Slot &slot : descriptor.slots)
    if (slot.kind == "input")
      inputs.push_back(&slot);
  return inputs;
}

TrainingData::TrainingData(const std::string &path,
                           const Descriptor &descriptor)
    : path(path) {
  const char *note = "name a token file, a .safetensors file, or a folder of "
                     "them with --data";
  if (!fs::exists(path))
    fail(path, "does not exist", note);
  std::vector<std::string> paths = tokenPaths(path);
  if (holdsTensors(path))
    openTensors(path, descriptor);
  else if (paths.empty())
    fail(path, "holds no token files and no .safetensors files", note);
  else
    openTokens(paths, descriptor);
  int64_t needed = descriptor.batch * descriptor.microbatches;
  if (samples < needed)
    fail(path,
         "has too few samples: got " + std::to_string(samples) +
             ", expected at least the " + std::to_string(needed) +
             " of one step",
         "add data, or compile for a smaller batch or fewer microbatches");
}

void TrainingData::openTokens(const std::vector<std::string> &paths,
                              const Descriptor &descriptor) {
  for (const Slot *slot : inputsOf(descriptor)) {
    if ((slot->name != "tokens" && slot->name != "labels") ||
        slot->dtype != DType::I64 || slot->globalShape.size() != 2)
      fail(path,
           "cannot feed input " + quote(slot->name) +
               ": a token file gives \"tokens\" and \"labels\"",
           "give --data a .safetensors file with one tensor per input");
    sequence = slot->globalShape[1];
  }
  int64_t tokens = 0;
  for (const std::string &file : paths) {
    shards.emplace_back(file);
    tokens += shards.back().numTokens();
  }
  samples = std::max<int64_t>(tokens - 1, 0) / std::max<int64_t>(sequence, 1);
}

void TrainingData::openTensors(const std::string &path,
                               const Descriptor &descriptor) {
  tensors.emplace(path);
  bool isFirst = true;
  for (const Slot *slot : inputsOf(descriptor)) {
    const TensorView *view = tensors->find(slot->name);
    if (!view)
      fail(path, "lacks input " + quote(slot->name),
           "write one [N, ...] tensor per input name");
    bool fits = view->shape.size() == slot->globalShape.size();
    for (size_t d = 1; fits && d < view->shape.size(); ++d)
      fits = view->shape[d] == slot->globalShape[d];
    if (!fits)
      fail(path, "holds input " + quote(slot->name) + " in another shape",
           "write it as [N, ...] with the sizes the model was exported for");
    if (isFloating(view->dtype) != isFloating(slot->dtype))
      fail(path,
           "holds input " + quote(slot->name) + " in another type: got " +
               std::string(toString(view->dtype)) + ", expected " +
               std::string(toString(slot->dtype)),
           "convert it");
    if (!isFirst && view->shape[0] != samples)
      fail(path,
           "has inputs of different lengths: got " +
               std::to_string(view->shape[0]) + " samples of " +
               quote(slot->name) + ", expected " + std::to_string(samples),
           "write the same number of rows for each input");
    samples = view->shape[0];
    isFirst = false;
  }
}

void TrainingData::readRow(const Slot &slot, int64_t sample,
                           void *target) const {
  int64_t row = 1;
  for (size_t d = 1; d < slot.globalShape.size(); ++d)
    row *= slot.globalShape[d];
  if (tensors) {
    const TensorView &view = *tensors->find(slot.name);
    convert(view.dtype, view.data + sample * row * byteSize(view.dtype),
            slot.dtype, target, row);
  } else {
    int64_t shift = slot.name == "labels" ? 1 : 0;
    readStream(sample * sequence + shift, sequence,
               static_cast<int64_t *>(target));
  }
  if (slot.indices > 0 && slot.dtype == DType::I64)
    checkIndices(
        slot, sample,
        {static_cast<const int64_t *>(target), static_cast<size_t>(row)});
}

/// Kernels read nothing out of range, so a wrong index would go unnoticed.
void TrainingData::checkIndices(const Slot &slot, int64_t sample,
                                std::span<const int64_t> values) const {
  for (int64_t value : values) {
    bool isNone = slot.ignores && value == -100;
    if (isNone || (value >= 0 && value < slot.indices))
      continue;
    fail(path,
         "holds an index in " + quote(slot.name) +
             " that the model lacks: got " + std::to_string(value) +
             " in sample " + std::to_string(sample) + ", expected 0 to " +
             std::to_string(slot.indices - 1) +
             (slot.ignores ? ", or -100 for none" : ""),
         "prepare the data with the model's tokenizer");
  }
}

/// The shards are one stream: a sample may begin in one and end in the next.
void TrainingData::readStream(int64_t begin, int64_t count,
                              int64_t *target) const {
  for (const TokenFile &shard : shards) {
    int64_t held = std::clamp<int64_t>(shard.numTokens() - begin, 0, count);
    if (held > 0)
      shard.read(begin, held, target);
    target += held;
    count -= held;
    begin = std::max<int64_t>(begin - shard.numTokens(), 0);
  }
}

InputPart::InputPart(const Slot &slot, Slice given)
    : input(&slot), slice(std::move(given)) {
  // A row of the slot, without its batch dim.
  std::vector<int64_t> rowShape(slot.globalShape.begin() + 1,
                                slot.globalShape.end());
  Slice rowSlice{{slice.start.begin() + 1, slice.start.end()},
                 {slice.valid.begin() + 1, slice.valid.end()},
                 {slice.local.begin() + 1, slice.local.end()}};
  localRow = numElements(rowSlice.local);
  forEachRun(rowShape, rowSlice, [&](int64_t from, int64_t to, int64_t count) {
    runs.push_back({from, to, count});
  });
  row.resize(numElements(rowShape) * byteSize(slot.dtype));
}

void TrainingData::fill(InputPart &part,
                        const std::function<int64_t(int64_t)> &sampleOf,
                        void *target) const {
  const Slot &slot = part.slot();
  const Slice &slice = part.slice;
  int64_t element = byteSize(slot.dtype);
  auto *out = static_cast<std::byte *>(target);
  if (slice.valid != slice.local) {
    double padding = slot.name == "labels" ? -100 : 0;
    for (int64_t i = 0, count = numElements(slice.local); i < count; ++i)
      convert(DType::F64, &padding, slot.dtype, out + i * element, 1);
  }
  for (int64_t i = 0; i < slice.valid[0]; ++i) {
    readRow(slot, sampleOf(slice.start[0] + i), part.row.data());
    for (const InputPart::Run &run : part.runs)
      std::memcpy(out + (i * part.localRow + run.to) * element,
                  part.row.data() + run.from * element, run.count * element);
  }
}

//===----------------------------------------------------------------------===//
// Order
//===----------------------------------------------------------------------===//

/// A keyed bijection of [0, size): four Feistel rounds on the next even number
/// of bits, repeated until the value is in range.
static int64_t permuted(int64_t index, int64_t size, uint64_t key) {
  int halfBits = 1;
  while (int64_t(1) << (2 * halfBits) < size)
    ++halfBits;
  uint64_t mask = (uint64_t(1) << halfBits) - 1;
  auto value = static_cast<uint64_t>(index);
  do {
    uint64_t left = value >> halfBits, right = value & mask;
    for (uint64_t round = 0; round < 4; ++round) {
      uint64_t words[2] = {right, round};
      uint64_t mixed = left ^ (XXH64(words, sizeof(words), key) & mask);
      left = right;
      right = mixed;
    }
    value = (left << halfBits) | right;
  } while (value >= static_cast<uint64_t>(size));
  return static_cast<int64_t>(value);
}

int64_t SampleOrder::sample(int64_t position) const {
  int64_t epoch = position / numSamples;
  int64_t index = position % numSamples;
  if (order == Order::Sequential)
    return index;
  uint64_t words[2] = {seed, static_cast<uint64_t>(epoch)};
  return permuted(index, numSamples, XXH64(words, sizeof(words), 0));
}
