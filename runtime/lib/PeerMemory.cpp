// SPDX-License-Identifier: Apache-2.0
//
// PeerMemoryCommunicator: collectives as reads of peers' memory.
#include "weft_runtime/PeerMemory.h"

#include <algorithm>
#include <cstring>
#include <utility>

using namespace weft;

/// Staged operands and chunks begin on multiples of this: no element is cut in
/// two, and vectors are aligned.
static constexpr int64_t alignment = 64;
static constexpr int64_t isPrivate = -1; // published instead of an address

static int64_t aligned(int64_t bytes) {
  return (bytes + alignment - 1) / alignment * alignment;
}

static int64_t stagedBytes(const BucketOperand &operand) {
  return aligned(operand.input.count * operand.input.bytes());
}

static int64_t stagedBytes(const Bucket &bucket) {
  int64_t total = 0;
  for (const BucketOperand &operand : bucket.operands)
    total += stagedBytes(operand);
  return total;
}

//===----------------------------------------------------------------------===//
// Slots
//===----------------------------------------------------------------------===//

PeerMemoryCommunicator::Queue &
PeerMemoryCommunicator::queueOf(const Group &group) {
  if (queues.size() <= static_cast<size_t>(group.id))
    queues.resize(group.id + 1);
  return queues[group.id];
}

/// The next slot to write, once all peers have read what is in it. All members
/// take slots in the same order, and so finish the same transfer early or post
/// once more where that is needed.
int PeerMemoryCommunicator::takeSlot(const Group &group) {
  int slot = queueOf(group).next;
  queueOf(group).next = (slot + 1) % Posts::numSlots;
  for (Transfer *transfer : queueOf(group).underWay)
    if (transfer->slot == slot) {
      doFinish(*transfer);
      break;
    }
  uint32_t readAt = queueOf(group).readAt[slot];
  if (readAt == posts.count(group) + 1)
    posts.post(group);
  posts.await(group, readAt);
  return slot;
}

std::span<std::byte *const>
PeerMemoryCommunicator::slots(const Transfer &transfer) {
  peerSlots.clear();
  for (int rank : transfer.group.ranks)
    peerSlots.push_back(posts.slot(rank, transfer.group, transfer.slot));
  return peerSlots;
}

/// Packs bytes [begin, begin + bytes) of each input block into `slot`.
void PeerMemoryCommunicator::stage(const Transfer &transfer, size_t operand,
                                   std::byte *slot, int64_t begin,
                                   int64_t bytes) const {
  const Blocks &blocks = transfer.bucket.operands[operand].input;
  const auto *data = static_cast<const std::byte *>(transfer.inputs[operand]);
  for (int64_t block = 0; block < blocks.count; ++block)
    copyBlock(slot, {{blocks.count, 1, bytes}, block, 0}, data,
              {blocks, block, begin}, bytes);
}

void PeerMemoryCommunicator::offer(Transfer &transfer) {
  size_t numOperands = transfer.bucket.operands.size();
  if (numOperands * sizeof(Offer) > Posts::slotBytes)
    throw Error(ExitCode::Internal,
                "a bucket has too many operands: got " +
                    std::to_string(numOperands) + ", expected at most " +
                    std::to_string(Posts::slotBytes / sizeof(Offer)));
  auto *offers = reinterpret_cast<Offer *>(
      posts.slot(rank(), transfer.group, transfer.slot));
  for (size_t i = 0; i < numOperands; ++i)
    offers[i] = {publish(transfer.inputs[i]).value_or(isPrivate),
                 publish(transfer.outputs[i]).value_or(isPrivate)};
}

/// All members come to the same answer. Only an all_reduce writes to peers.
bool PeerMemoryCommunicator::isReachable(const Transfer &transfer) {
  bool isWritten = transfer.bucket.kind == CollectiveKind::AllReduce;
  for (const std::byte *slot : slots(transfer)) {
    const auto *offers = reinterpret_cast<const Offer *>(slot);
    for (size_t i = 0; i < transfer.bucket.operands.size(); ++i)
      if (offers[i].input == isPrivate ||
          (isWritten && offers[i].output == isPrivate))
        return false;
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Buckets
//===----------------------------------------------------------------------===//

void PeerMemoryCommunicator::doStart(Transfer &transfer) {
  int64_t bytes = stagedBytes(transfer.bucket);
  if (bytes == 0)
    return;
  transfer.slot = takeSlot(transfer.group);
  transfer.isStaged = bytes <= Posts::slotBytes;
  if (transfer.isStaged) {
    std::byte *slot = posts.slot(rank(), transfer.group, transfer.slot);
    for (size_t i = 0; i < transfer.bucket.operands.size(); ++i) {
      const BucketOperand &operand = transfer.bucket.operands[i];
      stage(transfer, i, slot, 0, operand.input.bytes());
      slot += stagedBytes(operand);
    }
  } else {
    offer(transfer);
  }
  transfer.arrival = posts.post(transfer.group);
  transfer.isUnderWay = true;
  queueOf(transfer.group).underWay.push_back(&transfer);
}

void PeerMemoryCommunicator::doFinish(Transfer &transfer) {
  const Group &group = transfer.group;
  std::erase(queueOf(group).underWay, &transfer);
  transfer.isUnderWay = false;
  posts.await(group, transfer.arrival);
  // A peer that has posted what follows here has read the slot.
  queueOf(group).readAt[transfer.slot] = posts.count(group) + 1;
  if (transfer.isStaged)
    return readStaged(transfer);
  if (!isReachable(transfer))
    return runChunked(transfer);
  if (transfer.bucket.kind == CollectiveKind::AllReduce)
    reduceInPlace(transfer);
  else
    readInPlace(transfer);
  if (transfer.keepsInputs)
    queueOf(group).isUnsettled = true;
  else
    posts.await(group, posts.post(group));
}

/// Posts to all groups before it waits for one: ranks may know them in
/// different orders.
void PeerMemoryCommunicator::settle() {
  for (const Queue &queue : queues)
    if (queue.isUnsettled)
      posts.post(queue.group);
  for (Queue &queue : queues)
    if (std::exchange(queue.isUnsettled, false))
      posts.await(queue.group, posts.count(queue.group));
}

void PeerMemoryCommunicator::readStaged(const Transfer &transfer) {
  std::span<std::byte *const> staged = slots(transfer);
  bases.assign(staged.begin(), staged.end());
  for (size_t i = 0; i < transfer.bucket.operands.size(); ++i) {
    const BucketOperand &operand = transfer.bucket.operands[i];
    Blocks packed{operand.input.count, 1, operand.input.bytes()};
    read(transfer, i, {packed, 0}, 0, packed.rowBytes);
    for (const std::byte *&base : bases)
      base += stagedBytes(operand);
  }
}

void PeerMemoryCommunicator::readInPlace(Transfer &transfer) {
  const Group &group = transfer.group;
  std::span<std::byte *const> offers = slots(transfer);
  bases.resize(group.size());
  pieces.resize(group.size());
  for (size_t i = 0; i < transfer.bucket.operands.size(); ++i) {
    for (int r = 0; r < group.size(); ++r) {
      pieces[r] = reinterpret_cast<const Offer *>(offers[r])[i].input;
      bases[r] = resolve(group.ranks[r], pieces[r]);
    }
    const Blocks &blocks = transfer.bucket.operands[i].input;
    if (transfer.keepsInputs &&
        transfer.bucket.operands[i].output.areContiguous())
      if (const std::byte *joined = join(group, pieces, blocks.bytes())) {
        transfer.gathered[i] = joined;
        continue;
      }
    read(transfer, i, {blocks, 0}, 0, blocks.bytes());
  }
}

/// Part r of each operand belongs to member r: only it reads part r of the
/// inputs, so it may write part r of outputs that are inputs.
void PeerMemoryCommunicator::reduceInPlace(const Transfer &transfer) {
  const Group &group = transfer.group;
  int n = group.size();
  std::span<std::byte *const> offers = slots(transfer);
  inputs.resize(n);
  outputs.resize(n);
  for (size_t i = 0; i < transfer.bucket.operands.size(); ++i) {
    const BucketOperand &operand = transfer.bucket.operands[i];
    int64_t bytes = operand.input.bytes();
    int64_t part = aligned((bytes + n - 1) / n);
    int64_t begin = std::min(group.index * part, bytes);
    int64_t end = std::min(begin + part, bytes);
    for (int r = 0; r < n; ++r) {
      Offer offer = reinterpret_cast<const Offer *>(offers[r])[i];
      inputs[r] = resolve(group.ranks[r], offer.input) + begin;
      outputs[r] = resolve(group.ranks[r], offer.output) + begin;
    }
    combine(operand.dtype, transfer.bucket.reduce, inputs, outputs,
            (end - begin) / byteSize(operand.dtype));
  }
}

void PeerMemoryCommunicator::runChunked(const Transfer &transfer) {
  Transfer round = transfer;
  for (size_t i = 0; i < transfer.bucket.operands.size(); ++i) {
    const Blocks &blocks = transfer.bucket.operands[i].input;
    int64_t bytes = blocks.bytes();
    int64_t chunk = std::min(
        Posts::slotBytes / blocks.count / alignment * alignment, bytes);
    if (chunk == 0 && bytes > 0)
      throw Error(ExitCode::Internal, "a group is too large to stage: got " +
                                          std::to_string(blocks.count) +
                                          " ranks");
    for (int64_t begin = 0; begin < bytes; begin += chunk) {
      int64_t size = std::min(chunk, bytes - begin);
      round.slot = takeSlot(round.group);
      stage(round, i, posts.slot(rank(), round.group, round.slot), begin, size);
      posts.await(round.group, posts.post(round.group));
      std::span<std::byte *const> staged = slots(round);
      bases.assign(staged.begin(), staged.end());
      read(round, i, {{blocks.count, 1, size}, 0}, begin, size);
      queueOf(round.group).readAt[round.slot] = posts.count(round.group) + 1;
    }
  }
}

/// Makes bytes [begin, begin + bytes) of each output block of this rank from
/// what lies at `bases`.
void PeerMemoryCommunicator::read(const Transfer &transfer, size_t operand,
                                  const Source &source, int64_t begin,
                                  int64_t bytes) {
  const Bucket &bucket = transfer.bucket;
  const Blocks &target = bucket.operands[operand].output;
  int n = transfer.group.size(), own = transfer.group.index;
  auto *output = static_cast<std::byte *>(transfer.outputs[operand]);
  BlockCursor from(source.blocks, source.blocks.count > 1 ? own : 0,
                   source.begin);
  if (bucket.isReduction()) {
    DType dtype = bucket.operands[operand].dtype;
    inputs.resize(n);
    forEachRun({target, 0, begin}, from, bytes,
               [&](int64_t out, int64_t in, int64_t run) {
                 for (int r = 0; r < n; ++r)
                   inputs[r] = bases[r] + in;
                 void *results[] = {output + out};
                 combine(dtype, bucket.reduce, inputs, results,
                         run / byteSize(dtype));
               });
  } else if (bucket.kind == CollectiveKind::Permute) {
    int sender = sourceOf(bucket.pairs, own);
    if (sender < 0)
      std::memset(output + begin, 0, bytes);
    else
      copyBlock(output, {target, 0, begin}, bases[sender], from, bytes);
  } else {
    // Each begins with the block of another member.
    for (int k = 0; k < n; ++k) {
      int r = (own + k) % n;
      copyBlock(output, {target, r, begin}, bases[r], from, bytes);
    }
  }
}

//===----------------------------------------------------------------------===//
// One contiguous operand
//===----------------------------------------------------------------------===//

void PeerMemoryCommunicator::run(const Group &group, Bucket bucket,
                                 const void *input, void *output) {
  Transfer transfer;
  transfer.group = group;
  transfer.bucket = std::move(bucket);
  transfer.inputs = {input};
  transfer.outputs = {output};
  doStart(transfer);
  if (transfer.isUnderWay)
    doFinish(transfer);
}

void PeerMemoryCommunicator::doAllGather(const Group &group, const void *input,
                                         void *output, int64_t bytes) {
  BucketOperand operand{DType::I1, {1, 1, bytes}, {group.size(), 1, bytes}};
  run(group, {CollectiveKind::AllGather, {}, {}, {operand}}, input, output);
}

void PeerMemoryCommunicator::doReduceScatter(const Group &group, DType dtype,
                                             ReduceKind kind, const void *input,
                                             void *output, int64_t count) {
  int64_t bytes = count * byteSize(dtype);
  BucketOperand operand{dtype, {group.size(), 1, bytes}, {1, 1, bytes}};
  run(group, {CollectiveKind::ReduceScatter, kind, {}, {operand}}, input,
      output);
}

void PeerMemoryCommunicator::doAllReduce(const Group &group, DType dtype,
                                         ReduceKind kind, const void *input,
                                         void *output, int64_t count) {
  Blocks whole{1, 1, count * byteSize(dtype)};
  run(group, {CollectiveKind::AllReduce, kind, {}, {{dtype, whole, whole}}},
      input, output);
}

void PeerMemoryCommunicator::doAllToAll(const Group &group, const void *input,
                                        void *output, int64_t bytes) {
  Blocks blocks{group.size(), 1, bytes};
  run(group, {CollectiveKind::AllToAll, {}, {}, {{DType::I1, blocks, blocks}}},
      input, output);
}

void PeerMemoryCommunicator::doPermute(const Group &group,
                                       const RankPairs &pairs,
                                       const void *input, void *output,
                                       int64_t bytes) {
  Blocks whole{1, 1, bytes};
  run(group, {CollectiveKind::Permute, {}, pairs, {{DType::I1, whole, whole}}},
      input, output);
}

/// A permute that takes everything from one member.
void PeerMemoryCommunicator::doBroadcast(const Group &group, int root,
                                         void *data, int64_t bytes) {
  RankPairs pairs;
  for (int to = 0; to < group.size(); ++to)
    pairs.emplace_back(root, to);
  doPermute(group, pairs, data, data, bytes);
}

void PeerMemoryCommunicator::doBarrier(const Group &group) {
  posts.await(group, posts.post(group));
}
