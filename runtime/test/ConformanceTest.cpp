// SPDX-License-Identifier: Apache-2.0
//
// Conformance: what every communicator must do, against plain loops. The
// reference combines in ascending rank order in the wide type, so a match in
// every bit also says that all implementations agree with each other.
#include "Reference.h"
#include "Worlds.h"

#include <gtest/gtest.h>

#include <cstring>

using namespace weft;
using namespace weft::test;

namespace {

/// What one case is about, for messages.
struct Case {
  Communicator &communicator;
  Group group;
  DType dtype;
  int64_t count;
  bool isShared;

  std::string complain(const std::string &what, int64_t i) const {
    return what + " of " + std::to_string(count) + " " +
           std::string(toString(dtype)) + " in a group of " +
           std::to_string(group.size()) + " is wrong at " + std::to_string(i);
  }
  Buffer buffer(int64_t blocks = 1) const {
    return Buffer(communicator, dtype, count * blocks, isShared);
  }
  int own() const { return group.ranks[group.index]; }
};

/// Compares element i of `actual` with what rank `from` has at `index`.
bool isFrom(const Buffer &actual, int64_t i, int from, int64_t index) {
  std::byte expected[8] = {};
  double value = valueOf(actual.dtype, from, index);
  convert(DType::F64, &value, actual.dtype, expected, 1);
  int64_t size = byteSize(actual.dtype);
  return std::memcmp(expected, actual.data + i * size, size) == 0;
}

std::string checkAllGather(const Case &c) {
  Buffer in = c.buffer(), out = c.buffer(c.group.size());
  in.fill(c.own());
  c.communicator.allGather(c.group, in.data, out.data,
                           c.count * byteSize(c.dtype));
  for (int64_t i = 0; i < out.count; ++i)
    if (!isFrom(out, i, c.group.ranks[i / c.count], i % c.count))
      return c.complain("all_gather", i);
  return "";
}

std::string checkReductions(const Case &c, ReduceKind kind) {
  int64_t size = byteSize(c.dtype);
  Buffer in = c.buffer(), out = c.buffer();
  Buffer wide = c.buffer(c.group.size()), part = c.buffer();
  std::byte expected[8];
  in.fill(c.own());
  wide.fill(c.own());
  c.communicator.allReduce(c.group, c.dtype, kind, in.data, out.data, c.count);
  c.communicator.allReduce(c.group, c.dtype, kind, in.data, in.data, c.count);
  c.communicator.reduceScatter(c.group, c.dtype, kind, wide.data, part.data,
                               c.count);
  for (int64_t i = 0; i < c.count; ++i) {
    combined(c.dtype, kind, c.group.ranks, i, expected);
    if (std::memcmp(expected, out.data + i * size, size) != 0)
      return c.complain("all_reduce", i);
    if (std::memcmp(expected, in.data + i * size, size) != 0)
      return c.complain("all_reduce in place", i);
    combined(c.dtype, kind, c.group.ranks, c.group.index * c.count + i,
             expected);
    if (std::memcmp(expected, part.data + i * size, size) != 0)
      return c.complain("reduce_scatter", i);
  }
  return "";
}

std::string checkAllToAll(const Case &c) {
  Buffer in = c.buffer(c.group.size()), out = c.buffer(c.group.size());
  in.fill(c.own());
  c.communicator.allToAll(c.group, in.data, out.data,
                          c.count * byteSize(c.dtype));
  for (int64_t i = 0; i < out.count; ++i)
    if (!isFrom(out, i, c.group.ranks[i / c.count],
                c.group.index * c.count + i % c.count))
      return c.complain("all_to_all", i);
  return "";
}

/// A ring, then a line whose first member receives nothing.
std::string checkPermute(const Case &c) {
  int64_t bytes = c.count * byteSize(c.dtype);
  int n = c.group.size();
  Buffer in = c.buffer(), out = c.buffer();
  in.fill(c.own());
  RankPairs ring, line;
  for (int i = 0; i < n; ++i) {
    ring.emplace_back(i, (i + 1) % n);
    if (i + 1 < n)
      line.emplace_back(i, i + 1);
  }
  c.communicator.permute(c.group, ring, in.data, out.data, bytes);
  for (int64_t i = 0; i < c.count; ++i)
    if (!isFrom(out, i, c.group.ranks[(c.group.index + n - 1) % n], i))
      return c.complain("permute in a ring", i);
  c.communicator.permute(c.group, line, in.data, out.data, bytes);
  for (int64_t i = 0; i < bytes && c.group.index == 0; ++i)
    if (out.data[i] != std::byte(0))
      return c.complain("permute to nobody", i);
  return "";
}

std::string checkBroadcast(const Case &c) {
  for (int root = 0; root < c.group.size(); ++root) {
    Buffer data = c.buffer();
    data.fill(c.own());
    c.communicator.broadcast(c.group, root, data.data,
                             c.count * byteSize(c.dtype));
    for (int64_t i = 0; i < c.count; ++i)
      if (!isFrom(data, i, c.group.ranks[root], i))
        return c.complain("broadcast", i);
  }
  c.communicator.barrier(c.group);
  return "";
}

std::string checkAll(const Case &c) {
  std::string wrong = checkAllGather(c);
  for (ReduceKind kind : {ReduceKind::Sum, ReduceKind::Max, ReduceKind::Min})
    if (wrong.empty())
      wrong = checkReductions(c, kind);
  if (wrong.empty())
    wrong = checkAllToAll(c);
  if (wrong.empty())
    wrong = checkPermute(c);
  return wrong.empty() ? checkBroadcast(c) : wrong;
}

class Conformance : public WorldTest {};

// Sizes on both sides of every boundary: one element, one staging buffer of
// 32 KiB, parts that do not divide. Gloo shares no memory.
TEST_P(Conformance, every_collective_equals_plain_loops) {
  bool mayShare = kind() != "gloo";
  expectRight([mayShare](Communicator &communicator) {
    for (DType dtype : {DType::F32, DType::F64, DType::I64, DType::BF16})
      for (int64_t count : {1, 7, 4096, 20021})
        for (bool isShared : {false, true}) {
          if (isShared && !mayShare)
            continue;
          Case c{communicator, communicator.world(), dtype, count, isShared};
          if (std::string wrong = checkAll(c); !wrong.empty())
            return wrong;
        }
    return std::string();
  });
}

TEST_P(Conformance, subgroups_work_side_by_side) {
  expectRight([](Communicator &communicator) {
    int rank = communicator.rank(), size = communicator.worldSize();
    std::vector<int> same, reversed, alone{rank};
    for (int r = 0; r < size; ++r)
      if (r % 2 == rank % 2)
        same.push_back(r);
    for (int r = size - 1; r >= 0; --r)
      reversed.push_back(r);
    std::vector<Group> groups{communicator.addGroup(same),
                              communicator.addGroup(alone),
                              communicator.addGroup(reversed)};
    for (int repeat = 0; repeat < 3; ++repeat)
      for (const Group &group : groups)
        for (int64_t count : {3, 20000}) {
          Case c{communicator, group, DType::F32, count, repeat % 2 == 0};
          if (std::string wrong = checkAll(c); !wrong.empty())
            return wrong;
        }
    return std::string();
  });
}

TEST_P(Conformance, repeated_calls_do_not_mix) {
  bool isFast = kind() == "in_process" || kind() == "shared_memory";
  int repeats = isFast ? 500 : 50;
  expectRight([repeats](Communicator &communicator) {
    const Group &world = communicator.world();
    for (int64_t repeat = 0; repeat < repeats; ++repeat) {
      std::vector<int64_t> values(repeat % 3 == 0 ? 9000 : 1 + repeat % 17,
                                  repeat + communicator.rank());
      communicator.allReduce(world, DType::I64, ReduceKind::Sum, values.data(),
                             values.data(), int64_t(values.size()));
      int64_t n = communicator.worldSize();
      for (int64_t value : values)
        if (value != n * repeat + n * (n - 1) / 2)
          return "call " + std::to_string(repeat) + " gave " +
                 std::to_string(value);
    }
    return std::string();
  });
}

TEST_P(Conformance, memory_behind_the_exchanged_part_works_too) {
  expectRight([](Communicator &communicator) -> std::string {
    // Some huge pages; what is reduced lies in the middle of them.
    constexpr int64_t all = 2 << 20, count = 1 << 15;
    auto *begin = static_cast<float *>(
        communicator.allocate(all * sizeof(float), /*exchanged=*/1 << 10));
    for (int64_t i = 0; i < all; ++i)
      if (begin[i] != 0)
        return "element " + std::to_string(i) + " is not zero at first";
    float *memory = begin + all / 2 - count;
    for (int64_t i = 0; i < count; ++i)
      memory[count + i] = static_cast<float>(communicator.rank() + i % 1000);
    const Group &world = communicator.world();
    communicator.allReduce(world, DType::F32, ReduceKind::Sum, memory + count,
                           memory, count);
    auto n = static_cast<float>(world.size());
    for (int64_t i = 0; i < count; ++i)
      if (memory[i] != n * static_cast<float>(i % 1000) + n * (n - 1) / 2)
        return "element " + std::to_string(i) + " is wrong";
    return "";
  });
}

TEST_P(Conformance, an_empty_message_is_nothing) {
  expectRight([](Communicator &communicator) {
    const Group &world = communicator.world();
    communicator.allGather(world, nullptr, nullptr, 0);
    communicator.allReduce(world, DType::F32, ReduceKind::Sum, nullptr, nullptr,
                           0);
    communicator.allToAll(world, nullptr, nullptr, 0);
    communicator.barrier(world);
    return std::string();
  });
}

// The negative twin of the suite: it can see the order of a sum.
TEST(ConformanceTwin, descending_order_gives_other_bits) {
  int numDifferent = 0;
  for (int64_t i = 0; i < 1000; ++i) {
    float ascending = 0, descending = 0;
    combined(DType::F32, ReduceKind::Sum, {0, 1, 2}, i, &ascending);
    combined(DType::F32, ReduceKind::Sum, {2, 1, 0}, i, &descending);
    numDifferent += ascending != descending;
  }
  EXPECT_GT(numDifferent, 50);
}

INSTANTIATE_TEST_SUITE_P(Local, Conformance,
                         testing::Combine(testing::Values("in_process",
                                                          "shared_memory"),
                                          testing::Values(1, 2, 3, 4)),
                         worldName);
INSTANTIATE_TEST_SUITE_P(Provider, Conformance,
                         testing::Combine(testing::Values("gloo"),
                                          testing::Values(2, 3, 4)),
                         worldName);
// An uneven group, which goes flat, and grids.
INSTANTIATE_TEST_SUITE_P(Hosts, Conformance,
                         testing::Values(std::tuple("two_hosts", 3),
                                         std::tuple("two_hosts", 4),
                                         std::tuple("mixed_hosts", 4)),
                         worldName);

} // namespace
