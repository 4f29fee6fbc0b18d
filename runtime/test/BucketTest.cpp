// SPDX-License-Identifier: Apache-2.0
//
// Bucket: transfers of several strided operands on every communicator, against
// plain indices; and several of them under way at once.
#include "Reference.h"
#include "Worlds.h"

#include <gtest/gtest.h>

#include <cstring>

using namespace weft;
using namespace weft::test;

namespace {

/// What element k of block `block` is in a buffer of elements of `size` bytes.
int64_t flatIndex(const Blocks &blocks, int64_t size, int64_t block,
                  int64_t k) {
  int64_t row = blocks.rowBytes / size;
  return (k / row * blocks.count + block) * row + k % row;
}

/// Operands of a kind: rows that are short, long, alone; and two types.
Bucket bucketOf(CollectiveKind kind, int n, int64_t scale) {
  Bucket bucket{kind, ReduceKind::Sum, {}, {}};
  for (int i = 0; i < n; ++i)
    bucket.pairs.emplace_back(i, (i + 1) % n);
  struct Shape {
    DType dtype;
    int64_t rows, columns;
  };
  for (Shape s :
       {Shape{DType::F32, 3, 5}, Shape{DType::F64, 1, 7},
        Shape{DType::F32, 4, 600 * scale}, Shape{DType::BF16, 1, 2050 * scale},
        Shape{DType::F32, 0, 8}}) {
    int64_t row = s.columns * byteSize(s.dtype);
    Blocks whole{1, s.rows, row}, split{n, s.rows, row};
    // The pieces of an all_to_all join as one long row.
    Blocks joined{n, 1, s.rows * row};
    BucketOperand operand{s.dtype, whole, whole};
    if (kind == CollectiveKind::AllGather)
      operand.output = split;
    else if (kind == CollectiveKind::ReduceScatter)
      operand.input = split;
    else if (kind == CollectiveKind::AllToAll)
      operand.input = split, operand.output = joined;
    bucket.operands.push_back(operand);
  }
  return bucket;
}

/// A transfer with its buffers.
struct Running {
  Transfer transfer;
  std::vector<Buffer> inputs, outputs;

  Running(Communicator &communicator, const Group &group, Bucket bucket,
          bool isShared, int64_t shift) {
    transfer.group = group;
    transfer.bucket = std::move(bucket);
    auto add = [&](std::vector<Buffer> &buffers, DType dtype,
                   const Blocks &blocks) {
      buffers.emplace_back(communicator, dtype,
                           blocks.count * blocks.bytes() / byteSize(dtype),
                           isShared);
    };
    for (const BucketOperand &operand : transfer.bucket.operands) {
      add(inputs, operand.dtype, operand.input);
      inputs.back().fill(communicator.rank(), shift);
      add(outputs, operand.dtype, operand.output);
    }
  }

  void start(Communicator &communicator) {
    std::vector<const void *> in;
    std::vector<void *> out;
    for (size_t i = 0; i < inputs.size(); ++i) {
      in.push_back(inputs[i].data);
      out.push_back(outputs[i].data);
    }
    communicator.start(transfer, in.data(), out.data());
  }

  /// Ends it, and destroys the inputs: nobody may need them any more.
  void finish(Communicator &communicator) {
    communicator.finish(transfer);
    for (Buffer &input : inputs)
      std::memset(input.data, 0xee, input.count * byteSize(input.dtype));
  }

  std::string check(int64_t shift) const {
    for (size_t i = 0; i < outputs.size(); ++i) {
      const BucketOperand &operand = transfer.bucket.operands[i];
      int64_t size = byteSize(operand.dtype);
      for (int64_t block = 0; block < operand.output.count; ++block)
        for (int64_t k = 0; k < operand.output.bytes() / size; ++k) {
          std::byte expected[8] = {};
          expect(operand, block, k, shift, expected);
          int64_t at = flatIndex(operand.output, size, block, k);
          if (std::memcmp(outputs[i].data + at * size, expected, size) != 0)
            return std::string(toString(transfer.bucket.kind)) + " operand " +
                   std::to_string(i) + " of " + std::to_string(size) +
                   "-byte elements is wrong at " + std::to_string(at);
        }
    }
    return "";
  }

private:
  void expect(const BucketOperand &operand, int64_t block, int64_t k,
              int64_t shift, std::byte *out) const {
    const Group &group = transfer.group;
    int index = operand.input.count > 1 ? group.index : 0;
    int64_t from =
        shift + flatIndex(operand.input, byteSize(operand.dtype), index, k);
    if (transfer.bucket.isReduction())
      return combined(operand.dtype, ReduceKind::Sum, group.ranks, from, out);
    auto source = static_cast<int>(block);
    if (transfer.bucket.kind == CollectiveKind::Permute)
      source = sourceOf(transfer.bucket.pairs, group.index);
    double value = valueOf(operand.dtype, group.ranks[source], from);
    convert(DType::F64, &value, operand.dtype, out, 1);
  }
};

constexpr CollectiveKind kinds[] = {
    CollectiveKind::AllGather, CollectiveKind::AllReduce,
    CollectiveKind::ReduceScatter, CollectiveKind::AllToAll,
    CollectiveKind::Permute};

class BucketConformance : public WorldTest {};

// Small ones are staged, large ones read in place or, from private memory, in
// chunks.
TEST_P(BucketConformance, every_operand_equals_plain_indices) {
  expectRight([](Communicator &communicator) {
    for (CollectiveKind kind : kinds)
      for (int64_t scale : {1, 11})
        for (bool isShared : {false, true}) {
          const Group &world = communicator.world();
          Running running(communicator, world,
                          bucketOf(kind, world.size(), scale), isShared, 0);
          running.start(communicator);
          running.finish(communicator);
          if (std::string wrong = running.check(0); !wrong.empty())
            return wrong;
        }
    return std::string();
  });
}

// More than there are slots, in two groups, finished in another order than
// they were started.
TEST_P(BucketConformance, several_may_be_under_way) {
  expectRight([](Communicator &communicator) {
    std::vector<int> reversed = communicator.world().ranks;
    std::reverse(reversed.begin(), reversed.end());
    Group other = communicator.addGroup(reversed);
    for (int repeat = 0; repeat < 3; ++repeat) {
      std::vector<std::unique_ptr<Running>> all;
      for (int64_t i = 0; i < 15; ++i) {
        const Group &group = i % 3 == 2 ? other : communicator.world();
        all.push_back(std::make_unique<Running>(
            communicator, group,
            bucketOf(kinds[i % 5], group.size(), 1 + i % 4), i % 2 == 0,
            i + repeat));
        all.back()->start(communicator);
      }
      for (int64_t i = 14; i >= 0; --i) {
        all[i]->finish(communicator);
        if (std::string wrong = all[i]->check(i + repeat); !wrong.empty())
          return wrong;
      }
    }
    return std::string();
  });
}

TEST_P(BucketConformance, a_collective_under_way_is_not_started_again) {
  if (kind() != "in_process" && kind() != "shared_memory")
    GTEST_SKIP() << "its transfers end in the start";
  expectRight([](Communicator &communicator) {
    const Group &world = communicator.world();
    Running running(communicator, world,
                    bucketOf(CollectiveKind::AllReduce, world.size(), 1), true,
                    0);
    running.start(communicator);
    try {
      running.start(communicator);
      return std::string("did not notice");
    } catch (const Error &error) {
      running.finish(communicator);
      return std::string(error.what()).substr(0, 30) ==
                     "a collective is started again "
                 ? std::string()
                 : std::string(error.what());
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Local, BucketConformance,
                         testing::Combine(testing::Values("in_process",
                                                          "shared_memory"),
                                          testing::Values(2, 3, 4)),
                         worldName);
INSTANTIATE_TEST_SUITE_P(Hosts, BucketConformance,
                         testing::Combine(testing::Values("gloo", "two_hosts"),
                                          testing::Values(4)),
                         worldName);

} // namespace
