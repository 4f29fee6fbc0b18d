// SPDX-License-Identifier: Apache-2.0
//
// Gather: all_gathers that keep their inputs. What is read at `gathered` equals
// plain indices until the reader settles, however late it reads; where memory
// is shared, whole pages are not copied.
#include "Reference.h"
#include "Worlds.h"

#include <gtest/gtest.h>

#include <cstring>
#include <unistd.h>

using namespace weft;
using namespace weft::test;

namespace {

constexpr int64_t page = 4096;
constexpr std::byte garbage{0xee};

/// An operand per shape: whole pages, pages and a bit, pages in strides, less
/// than a page.
struct Shape {
  int64_t rows, rowBytes;
  bool isMapped; // where memory is shared
};
constexpr Shape shapes[] = {{1, 16 * page, true},
                            {1, 3 * page + 64, false},
                            {2, page, false},
                            {1, 256, false}};

/// A gather that keeps its inputs, with its buffers.
struct Gather {
  Transfer transfer;
  std::vector<Buffer> inputs, outputs;

  Gather(Communicator &communicator, const Group &group, bool isShared) {
    transfer.group = group;
    transfer.keepsInputs = true;
    transfer.bucket.kind = CollectiveKind::AllGather;
    for (const Shape &s : shapes) {
      transfer.bucket.operands.push_back({DType::F32,
                                          {1, s.rows, s.rowBytes},
                                          {group.size(), s.rows, s.rowBytes}});
      int64_t count = s.rows * s.rowBytes / 4;
      inputs.emplace_back(communicator, DType::F32, count, isShared);
      outputs.emplace_back(communicator, DType::F32, count * group.size(),
                           isShared);
    }
  }

  void start(Communicator &communicator, int64_t shift) {
    std::vector<const void *> in;
    std::vector<void *> out;
    for (size_t i = 0; i < inputs.size(); ++i) {
      inputs[i].fill(communicator.rank(), shift);
      std::memset(outputs[i].data, int(garbage), outputs[i].count * 4);
      in.push_back(inputs[i].data);
      out.push_back(outputs[i].data);
    }
    communicator.start(transfer, in.data(), out.data());
  }

  void overwriteInputs() {
    for (Buffer &input : inputs)
      std::memset(input.data, int(garbage), input.count * 4);
  }

  std::string check(int64_t shift) const {
    for (size_t i = 0; i < inputs.size(); ++i) {
      const auto *data = static_cast<const float *>(transfer.gathered[i]);
      int64_t row = shapes[i].rowBytes / 4;
      int n = transfer.group.size();
      for (int64_t at = 0; at < outputs[i].count; ++at) {
        int64_t r = at / (n * row), member = at / row % n;
        auto expected =
            static_cast<float>(valueOf(DType::F32, transfer.group.ranks[member],
                                       r * row + at % row + shift));
        if (data[at] != expected)
          return "operand " + std::to_string(i) + " is wrong at " +
                 std::to_string(at) + " with shift " + std::to_string(shift);
      }
    }
    return "";
  }

  bool isMapped(size_t i) const {
    return transfer.gathered[i] != outputs[i].data;
  }
  bool isUntouched(size_t i) const {
    return std::all_of(outputs[i].data, outputs[i].data + outputs[i].count * 4,
                       [](std::byte b) { return b == garbage; });
  }
};

class KeptGather : public WorldTest {};

// Three rounds; one rank reads late, the others overwrite as soon as they may.
TEST_P(KeptGather, outputs_are_there_until_the_reader_settles) {
  expectRight([](Communicator &communicator) {
    std::vector<int> reversed = communicator.world().ranks;
    std::reverse(reversed.begin(), reversed.end());
    Group other = communicator.addGroup(reversed);
    for (bool isShared : {true, false}) {
      Gather first(communicator, communicator.world(), isShared);
      Gather second(communicator, other, isShared);
      for (int64_t shift : {0, 1, 2}) {
        first.start(communicator, shift);
        second.start(communicator, shift + 10);
        communicator.finish(second.transfer);
        communicator.finish(first.transfer);
        if (communicator.rank() == shift % communicator.worldSize())
          usleep(20000);
        std::string wrong = first.check(shift) + second.check(shift + 10);
        if (!wrong.empty())
          return wrong;
        communicator.settle();
        first.overwriteInputs();
        second.overwriteInputs();
      }
    }
    return std::string();
  });
}

TEST_P(KeptGather, copies_no_whole_pages_of_shared_memory) {
  bool mayMap = kind() == "shared_memory";
  expectRight([&](Communicator &communicator) {
    for (bool isShared : {true, false}) {
      Gather gather(communicator, communicator.world(), isShared);
      gather.start(communicator, 0);
      communicator.finish(gather.transfer);
      for (size_t i = 0; i < std::size(shapes); ++i) {
        bool isMapped = mayMap && isShared && shapes[i].isMapped;
        if (gather.isMapped(i) != isMapped || gather.isUntouched(i) != isMapped)
          return "operand " + std::to_string(i) +
                 (isMapped ? " is copied" : " is not where it should be");
      }
      communicator.settle();
    }
    return std::string();
  });
}

INSTANTIATE_TEST_SUITE_P(Local, KeptGather,
                         testing::Combine(testing::Values("in_process",
                                                          "shared_memory"),
                                          testing::Values(2, 3)),
                         worldName);
INSTANTIATE_TEST_SUITE_P(Hosts, KeptGather,
                         testing::Combine(testing::Values("gloo", "two_hosts"),
                                          testing::Values(4)),
                         worldName);

} // namespace
