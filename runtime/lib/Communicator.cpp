// SPDX-License-Identifier: Apache-2.0
//
// Communicator: groups, memory, and the calls that no implementation sees
// because the group has one member.
#include "weft_runtime/Communicator.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <sys/mman.h>

using namespace weft;

Communicator::Communicator(int rank, int worldSize)
    : ownRank(rank), numRanks(worldSize) {
  worldGroup.ranks.resize(worldSize);
  std::iota(worldGroup.ranks.begin(), worldGroup.ranks.end(), 0);
  worldGroup.index = rank;
}

Communicator::~Communicator() = default;

Group Communicator::addGroup(std::vector<int> ranks) {
  Group group{nextGroup++, std::move(ranks), 0};
  auto own = std::find(group.ranks.begin(), group.ranks.end(), ownRank);
  if (own == group.ranks.end())
    throw Error(ExitCode::Internal, "rank " + std::to_string(ownRank) +
                                        " is no member of its own group");
  group.index = static_cast<int>(own - group.ranks.begin());
  if (group.size() > 1)
    onGroupAdded(group);
  return group;
}

void *Communicator::allocate(int64_t bytes) {
  // Huge pages, where the host lends them: parameters and activations are
  // walked in strides that exhaust the TLB.
  constexpr size_t hugePage = 2 << 20;
  auto wanted = static_cast<size_t>(std::max<int64_t>(bytes, 1));
  size_t alignment = wanted < hugePage ? 64 : hugePage;
  size_t rounded = (wanted + alignment - 1) / alignment * alignment;
  auto *memory =
      static_cast<std::byte *>(std::aligned_alloc(alignment, rounded));
  if (!memory)
    throw Error(ExitCode::Internal, "memory is exhausted: got a request for " +
                                        std::to_string(bytes) + " bytes");
  if (alignment == hugePage)
    madvise(memory, rounded, MADV_HUGEPAGE);
  std::memset(memory, 0, rounded);
  owned.emplace_back(memory, std::free);
  return memory;
}

static void copy(void *output, const void *input, int64_t bytes) {
  if (output != input && bytes > 0)
    std::memcpy(output, input, bytes);
}

void Communicator::allGather(const Group &group, const void *input,
                             void *output, int64_t bytes) {
  if (group.size() == 1)
    return copy(output, input, bytes);
  doAllGather(group, input, output, bytes);
}

void Communicator::allReduce(const Group &group, DType dtype, ReduceKind kind,
                             const void *input, void *output, int64_t count) {
  if (group.size() == 1)
    return copy(output, input, count * byteSize(dtype));
  doAllReduce(group, dtype, kind, input, output, count);
}

void Communicator::reduceScatter(const Group &group, DType dtype,
                                 ReduceKind kind, const void *input,
                                 void *output, int64_t count) {
  if (group.size() == 1)
    return copy(output, input, count * byteSize(dtype));
  doReduceScatter(group, dtype, kind, input, output, count);
}

void Communicator::allToAll(const Group &group, const void *input, void *output,
                            int64_t bytes) {
  if (group.size() == 1)
    return copy(output, input, bytes);
  doAllToAll(group, input, output, bytes);
}

void Communicator::permute(const Group &group, const RankPairs &pairs,
                           const void *input, void *output, int64_t bytes) {
  if (group.size() > 1)
    return doPermute(group, pairs, input, output, bytes);
  if (sourceOf(pairs, 0) == 0)
    return copy(output, input, bytes);
  std::memset(output, 0, bytes);
}

void Communicator::broadcast(const Group &group, int root, void *data,
                             int64_t bytes) {
  if (group.size() > 1)
    doBroadcast(group, root, data, bytes);
}

void Communicator::barrier(const Group &group) {
  if (group.size() > 1)
    doBarrier(group);
}

void Communicator::leave(ExitCode code, int culprit) {}

int weft::sourceOf(const RankPairs &pairs, int index) {
  for (const auto &[from, to] : pairs)
    if (to == index)
      return from;
  return -1;
}

int weft::targetOf(const RankPairs &pairs, int index) {
  for (const auto &[from, to] : pairs)
    if (from == index)
      return to;
  return -1;
}
