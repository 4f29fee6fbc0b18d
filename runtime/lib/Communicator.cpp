// SPDX-License-Identifier: Apache-2.0
//
// Communicator: groups, memory, and the calls that no implementation sees
// because the group has one member.
#include "weft_runtime/Communicator.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
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
  onGroupAdded(group);
  return group;
}

void *Communicator::allocate(int64_t bytes, int64_t) {
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

//===----------------------------------------------------------------------===//
// Buckets
//===----------------------------------------------------------------------===//

void Communicator::start(Transfer &transfer, const void *const *inputs,
                         void *const *outputs) {
  if (transfer.isUnderWay)
    throw Error(ExitCode::Internal,
                "a collective is started again before it is finished");
  const std::vector<BucketOperand> &operands = transfer.bucket.operands;
  transfer.inputs.assign(inputs, inputs + operands.size());
  transfer.outputs.assign(outputs, outputs + operands.size());
  if (transfer.keepsInputs)
    transfer.gathered.assign(outputs, outputs + operands.size());
  if (transfer.group.size() > 1)
    return doStart(transfer);
  bool isNothing = transfer.bucket.kind == CollectiveKind::Permute &&
                   sourceOf(transfer.bucket.pairs, 0) < 0;
  for (size_t i = 0; i < operands.size(); ++i) {
    int64_t bytes = operands[i].input.bytes();
    if (isNothing)
      std::memset(outputs[i], 0, bytes);
    else
      copy(outputs[i], inputs[i], bytes);
  }
}

void Communicator::finish(Transfer &transfer) {
  if (transfer.isUnderWay)
    doFinish(transfer);
}

void Communicator::doStart(Transfer &transfer) {
  // Only a reduction cares about the types of what it packs.
  std::map<DType, std::vector<size_t>> batches;
  const Bucket &bucket = transfer.bucket;
  for (size_t i = 0; i < bucket.operands.size(); ++i)
    batches[bucket.isReduction() ? bucket.operands[i].dtype : DType::I1]
        .push_back(i);
  for (const auto &[dtype, operands] : batches)
    exchange(transfer, operands);
}

/// Exchanges some operands by one call. A packed buffer holds, per block, the
/// operands one after the other.
void Communicator::exchange(const Transfer &transfer,
                            const std::vector<size_t> &operands) {
  const Bucket &bucket = transfer.bucket;
  const BucketOperand &first = bucket.operands[operands[0]];
  if (operands.size() == 1 && first.input.areContiguous() &&
      first.output.areContiguous())
    return call(transfer, first.dtype, transfer.inputs[operands[0]],
                transfer.outputs[operands[0]], first.input.bytes());
  int64_t blockBytes = 0;
  for (size_t i : operands)
    blockBytes += bucket.operands[i].input.bytes();
  packedInput.resize(first.input.count * blockBytes);
  packedOutput.resize(first.output.count * blockBytes);
  auto forEachBlock = [&](Blocks BucketOperand::*side, auto body) {
    int64_t offset = 0; // of the operand in a block
    for (size_t i : operands) {
      const Blocks &blocks = bucket.operands[i].*side;
      for (int64_t block = 0; block < blocks.count; ++block)
        body(i, BlockCursor(blocks, block, 0), block * blockBytes + offset,
             BlockCursor({1, 1, blocks.bytes()}, 0, 0), blocks.bytes());
      offset += blocks.bytes();
    }
  };
  forEachBlock(&BucketOperand::input,
               [&](size_t i, BlockCursor strided, int64_t offset,
                   BlockCursor packed, int64_t bytes) {
                 copyBlock(packedInput.data() + offset, packed,
                           static_cast<const std::byte *>(transfer.inputs[i]),
                           strided, bytes);
               });
  call(transfer, first.dtype, packedInput.data(), packedOutput.data(),
       blockBytes);
  forEachBlock(&BucketOperand::output, [&](size_t i, BlockCursor strided,
                                           int64_t offset, BlockCursor packed,
                                           int64_t bytes) {
    copyBlock(static_cast<std::byte *>(transfer.outputs[i]), strided,
              packedOutput.data() + offset, packed, bytes);
  });
}

void Communicator::call(const Transfer &transfer, DType dtype,
                        const void *input, void *output, int64_t blockBytes) {
  const Group &group = transfer.group;
  const Bucket &bucket = transfer.bucket;
  int64_t count = blockBytes / byteSize(dtype);
  switch (bucket.kind) {
  case CollectiveKind::AllGather:
    return doAllGather(group, input, output, blockBytes);
  case CollectiveKind::AllReduce:
    return doAllReduce(group, dtype, bucket.reduce, input, output, count);
  case CollectiveKind::ReduceScatter:
    return doReduceScatter(group, dtype, bucket.reduce, input, output, count);
  case CollectiveKind::AllToAll:
    return doAllToAll(group, input, output, blockBytes);
  case CollectiveKind::Permute:
    return doPermute(group, bucket.pairs, input, output, blockBytes);
  }
}
