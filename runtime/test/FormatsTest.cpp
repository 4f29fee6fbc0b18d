// SPDX-License-Identifier: Apache-2.0
//
// Formats: safetensors, token files and the samples made of them; each kind of
// damage has its own message.
#include "weft_runtime/Error.h"
#include "weft_runtime/Safetensors.h"
#include "weft_runtime/TrainingData.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <unistd.h>

using namespace weft;
namespace fs = std::filesystem;

namespace {

class Formats : public testing::Test {
protected:
  void SetUp() override {
    folder = fs::temp_directory_path() /
             ("weft-formats-" + std::to_string(getpid()));
    fs::create_directories(folder);
  }
  void TearDown() override { fs::remove_all(folder); }
  std::string path(const std::string &name) const { return folder / name; }
  std::string write(const std::string &name, const std::string &bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }
  fs::path folder;
};

/// The bytes of a token file of 16-bit tokens 0, 1, 2, ...
std::string tokenBytes(int count, int magic = 20240520, int version = 1) {
  std::vector<int32_t> header(256, 0);
  header[0] = magic;
  header[1] = version;
  header[2] = count;
  std::string bytes(reinterpret_cast<char *>(header.data()), 1024);
  for (int i = 0; i < count; ++i) {
    uint32_t token = i;
    bytes.append(reinterpret_cast<char *>(&token), magic == 20240520 ? 2 : 4);
  }
  return bytes;
}

/// Runs `body` and expects an input error with that message.
template <typename Body>
void expectInputError(Body body, const std::string &part) {
  try {
    body();
    FAIL() << "expected an error about: " << part;
  } catch (const Error &error) {
    EXPECT_EQ(error.code(), ExitCode::InputFile);
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
        << error.what();
    EXPECT_FALSE(error.note().empty()) << error.what();
  }
}

//===----------------------------------------------------------------------===//
// Safetensors
//===----------------------------------------------------------------------===//

TEST_F(Formats, written_tensors_are_read_back) {
  float weights[6] = {1, 2, 3, 4, 5, 6};
  int64_t ids[2] = {-1, 1ll << 40};
  SafetensorsWriter writer(path("a.safetensors"), {{"w", DType::F32, {2, 3}},
                                                   {"ids", DType::I64, {2}},
                                                   {"none", DType::F32, {0}}});
  EXPECT_FALSE(fs::exists(path("a.safetensors"))) << "only after commit";
  writer.append(weights, sizeof(weights));
  writer.append(ids, sizeof(ids));
  writer.commit();

  SafetensorsFolder stored(folder.string());
  const TensorView *w = stored.find("w");
  ASSERT_NE(w, nullptr);
  EXPECT_EQ(w->shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(std::memcmp(w->data, weights, sizeof(weights)), 0);
  EXPECT_EQ(stored.find("ids")->dtype, DType::I64);
  EXPECT_EQ(stored.find("absent"), nullptr);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(w->data) % 8, 0u);
}

TEST_F(Formats, damaged_safetensors_are_refused) {
  auto open = [](const std::string &path) {
    return [path] { SafetensorsFile file(path); };
  };
  auto file = [&](const std::string &header, uint64_t size, int dataBytes) {
    std::string bytes(reinterpret_cast<char *>(&size), 8);
    return write("bad.safetensors",
                 bytes + header + std::string(dataBytes, 'x'));
  };
  auto entry = [](const std::string &dtype, int end) {
    return "{\"t\":{\"dtype\":\"" + dtype +
           "\",\"shape\":[2],\"data_offsets\":[0," + std::to_string(end) +
           "]}}";
  };
  auto sized = [&](const std::string &header, int dataBytes) {
    return file(header, header.size(), dataBytes);
  };
  EXPECT_NO_THROW(open(sized(entry("F32", 8), 8))());
  expectInputError(open(write("short", "abc")), "it has 3 bytes");
  expectInputError(open(file("{}", 99, 0)), "header of 99 bytes");
  expectInputError(open(sized("{oops", 8)), "parse error");
  expectInputError(open(sized(entry("F32", 8), 7)), "ends after the file");
  expectInputError(open(sized(entry("F32", 9), 9)), "unlike its shape");
  expectInputError(open(sized(entry("Q4", 8), 8)), "unsupported type");
}

TEST_F(Formats, a_writer_without_commit_leaves_nothing) {
  {
    SafetensorsWriter writer(path("x.safetensors"), {});
  }
  EXPECT_TRUE(fs::is_empty(folder));
}

//===----------------------------------------------------------------------===//
// Tokens
//===----------------------------------------------------------------------===//

Descriptor tokenDescriptor(int64_t batch, int64_t sequence) {
  Descriptor descriptor;
  descriptor.batch = batch;
  descriptor.mesh.axes = {{"dp_shard", "dp_shard", 3}};
  for (const char *name : {"tokens", "labels"}) {
    Slot slot;
    slot.name = name;
    slot.kind = "input";
    slot.dtype = DType::I64;
    slot.globalShape = {batch, sequence};
    slot.layout = {{0, 0}};
    descriptor.slots.push_back(slot);
  }
  return descriptor;
}

std::vector<int64_t> filled(const TrainingData &data, const Descriptor &d,
                            const std::string &input, int rank) {
  const Slot &slot = *d.slot(input);
  Slice slice =
      sliceOf(d.mesh, slot.layout, slot.globalShape, d.mesh.coordinates(rank));
  std::vector<int64_t> result(numElements(slice.local), 7);
  InputPart part(slot, slice);
  data.fill(part, [](int64_t row) { return row; }, result.data());
  return result;
}

TEST_F(Formats, a_token_sample_overlaps_the_next_by_one) {
  Descriptor descriptor = tokenDescriptor(4, 2);
  TrainingData data(write("t.bin", tokenBytes(9)), descriptor);
  EXPECT_EQ(data.numSamples(), 4);
  using Row = std::vector<int64_t>;
  // 4 rows over 3 ranks: 2, 2 and none.
  EXPECT_EQ(filled(data, descriptor, "tokens", 0), (Row{0, 1, 2, 3}));
  EXPECT_EQ(filled(data, descriptor, "labels", 0), (Row{1, 2, 3, 4}));
  EXPECT_EQ(filled(data, descriptor, "tokens", 1), (Row{4, 5, 6, 7}));
  EXPECT_EQ(filled(data, descriptor, "tokens", 2), (Row{0, 0, 0, 0}));
  EXPECT_EQ(filled(data, descriptor, "labels", 2),
            (Row{-100, -100, -100, -100}));
}

TEST_F(Formats, a_sharded_sequence_is_cut_after_the_shift) {
  Descriptor descriptor = tokenDescriptor(2, 6);
  for (Slot &slot : descriptor.slots)
    slot.layout = {{0, 1}};
  TrainingData data(write("t.bin", tokenBytes(13)), descriptor);
  EXPECT_EQ(filled(data, descriptor, "labels", 1),
            (std::vector<int64_t>{3, 4, 9, 10}));
}

// 5 tokens, then 4 in the wide format: sample 2 begins at the end of the first.
TEST_F(Formats, shards_are_one_stream_and_wide_tokens_are_known) {
  write("tokens_0.bin", tokenBytes(5));
  write("tokens_1.bin", tokenBytes(4, 20240801, 7));
  Descriptor descriptor = tokenDescriptor(4, 2);
  TrainingData data(folder.string(), descriptor);
  EXPECT_EQ(data.numSamples(), 4);
  using Row = std::vector<int64_t>;
  EXPECT_EQ(filled(data, descriptor, "tokens", 1), (Row{4, 0, 1, 2}));
  EXPECT_EQ(filled(data, descriptor, "labels", 1), (Row{0, 1, 2, 3}));
}

TEST_F(Formats, bad_token_files_are_refused) {
  Descriptor descriptor = tokenDescriptor(4, 2);
  auto open = [&](const std::string &path) {
    return [&descriptor, path] { TrainingData data(path, descriptor); };
  };
  expectInputError(open(write("a.bin", "hello")), "is no token file");
  expectInputError(open(write("b.bin", tokenBytes(9, 1234))), "got magic 1234");
  expectInputError(open(write("c.bin", tokenBytes(9, 20240520, 2))),
                   "another token file version: got 2, expected 1");
  expectInputError(open(write("d.bin", tokenBytes(9).substr(0, 1040))),
                   "is cut off or damaged: got 1040 bytes, expected 1042");
  expectInputError(open(write("e.bin", tokenBytes(8))),
                   "too few samples: got 3, expected at least the 4");
  expectInputError(open(path("absent")), "does not exist");
  fs::create_directory(folder / "empty");
  expectInputError(open(path("empty")), "holds no token files");
  descriptor.slots[0].name = "pixels";
  expectInputError(open(write("f.bin", tokenBytes(9))),
                   "cannot feed input \"pixels\"");
}

TEST_F(Formats, tensors_feed_any_input) {
  Descriptor descriptor = tokenDescriptor(2, 2);
  auto store = [&](const std::vector<TensorEntry> &entries) {
    SafetensorsWriter writer(path("d.safetensors"), entries);
    std::vector<int64_t> values{1, 2, 3, 4, 5, 6, 7, 8};
    for (const TensorEntry &entry : entries)
      writer.append(values.data(),
                    numElements(entry.shape) * byteSize(entry.dtype));
    writer.commit();
    return path("d.safetensors");
  };
  TensorEntry tokens{"tokens", DType::I64, {3, 2}};
  TensorEntry labels{"labels", DType::I64, {3, 2}};
  TrainingData data(store({tokens, labels}), descriptor);
  EXPECT_EQ(data.numSamples(), 3);
  EXPECT_EQ(filled(data, descriptor, "labels", 1),
            (std::vector<int64_t>{3, 4}));

  auto expectError = [&](const std::vector<TensorEntry> &entries,
                         const std::string &part) {
    std::string file = store(entries);
    expectInputError([&] { TrainingData(file, descriptor); }, part);
  };
  expectError({tokens}, "lacks input \"labels\"");
  expectError({tokens, {"labels", DType::I64, {4, 2}}}, "different lengths");
  expectError({tokens, {"labels", DType::I64, {3, 1}}}, "another shape");
}

} // namespace
