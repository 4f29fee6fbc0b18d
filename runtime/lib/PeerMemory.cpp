// SPDX-License-Identifier: Apache-2.0
//
// PeerMemoryCommunicator: collectives as reads of peers' memory.
#include "weft_runtime/PeerMemory.h"

#include <algorithm>
#include <cstring>

using namespace weft;

/// Chunks begin on multiples of this, so that no element is cut in two.
static constexpr int64_t chunkAlignment = 64;

void PeerMemoryCommunicator::exchangeStaged(const Group &group,
                                            const Message &message,
                                            const Reader &reader) {
  int64_t chunk = stagingBytes() / message.numBlocks;
  if (chunk < message.blockBytes)
    chunk = chunk / chunkAlignment * chunkAlignment;
  chunk = std::min(chunk, message.blockBytes);
  if (chunk == 0)
    throw Error(ExitCode::Internal, "a group is too large to stage: got " +
                                        std::to_string(group.size()) +
                                        " ranks");
  for (int64_t begin = 0; begin < message.blockBytes; begin += chunk) {
    int64_t end = std::min(begin + chunk, message.blockBytes);
    std::byte *buffer = staging(group);
    if (message.data)
      for (int64_t block = 0; block < message.numBlocks; ++block)
        std::memcpy(buffer + block * (end - begin),
                    static_cast<const std::byte *>(message.data) +
                        block * message.blockBytes + begin,
                    end - begin);
    Peers peers = post(group, buffer, nullptr);
    reader(peers.inputs, end - begin, begin, end);
  }
}

void PeerMemoryCommunicator::exchange(const Group &group,
                                      const Message &message,
                                      const Reader &reader) {
  int64_t bytes = message.numBlocks * message.blockBytes;
  if (bytes == 0)
    return;
  if (bytes <= stagingBytes())
    return exchangeStaged(group, message, reader);
  Peers peers = post(group, message.data, nullptr);
  if (!peers.reachable)
    return exchangeStaged(group, message, reader);
  reader(peers.inputs, message.blockBytes, 0, message.blockBytes);
  post(group, nullptr, nullptr);
}

void PeerMemoryCommunicator::doAllGather(const Group &group, const void *input,
                                         void *output, int64_t bytes) {
  exchange(group, {input, 1, bytes},
           [&](const auto &sources, int64_t, int64_t begin, int64_t end) {
             for (int r = 0; r < group.size(); ++r)
               std::memcpy(static_cast<std::byte *>(output) + r * bytes + begin,
                           sources[r], end - begin);
           });
}

void PeerMemoryCommunicator::doReduceScatter(const Group &group, DType dtype,
                                             ReduceKind kind, const void *input,
                                             void *output, int64_t count) {
  int64_t element = byteSize(dtype);
  exchange(
      group, {input, group.size(), count * element},
      [&](const auto &sources, int64_t stride, int64_t begin, int64_t end) {
        std::vector<const void *> blocks;
        for (const std::byte *source : sources)
          blocks.push_back(source + group.index * stride);
        combine(dtype, kind, blocks, static_cast<std::byte *>(output) + begin,
                (end - begin) / element);
      });
}

void PeerMemoryCommunicator::doAllReduce(const Group &group, DType dtype,
                                         ReduceKind kind, const void *input,
                                         void *output, int64_t count) {
  int64_t element = byteSize(dtype);
  Message message{input, 1, count * element};
  Reader combineAll = [&](const auto &sources, int64_t, int64_t begin,
                          int64_t end) {
    combine(dtype, kind, {sources.begin(), sources.end()},
            static_cast<std::byte *>(output) + begin, (end - begin) / element);
  };
  if (count == 0)
    return;
  if (message.blockBytes <= stagingBytes())
    return exchangeStaged(group, message, combineAll);
  Peers peers = post(group, input, output);
  if (!peers.reachable)
    return exchangeStaged(group, message, combineAll);

  // Part r belongs to member r: only it reads part r of the inputs, so it may
  // write part r of an output that is an input.
  int64_t part = (count + group.size() - 1) / group.size();
  auto begin = [&](int r) { return std::min(r * part, count) * element; };
  int64_t own = begin(group.index);
  std::vector<const void *> parts;
  for (const std::byte *source : peers.inputs)
    parts.push_back(source + own);
  combine(dtype, kind, parts, static_cast<std::byte *>(output) + own,
          (begin(group.index + 1) - own) / element);
  post(group, nullptr, nullptr);
  for (int r = 0; r < group.size(); ++r)
    if (r != group.index)
      std::memcpy(static_cast<std::byte *>(output) + begin(r),
                  peers.outputs[r] + begin(r), begin(r + 1) - begin(r));
  post(group, nullptr, nullptr);
}

void PeerMemoryCommunicator::doAllToAll(const Group &group, const void *input,
                                        void *output, int64_t bytes) {
  exchange(
      group, {input, group.size(), bytes},
      [&](const auto &sources, int64_t stride, int64_t begin, int64_t end) {
        for (int r = 0; r < group.size(); ++r)
          std::memcpy(static_cast<std::byte *>(output) + r * bytes + begin,
                      sources[r] + group.index * stride, end - begin);
      });
}

void PeerMemoryCommunicator::doPermute(const Group &group,
                                       const RankPairs &pairs,
                                       const void *input, void *output,
                                       int64_t bytes) {
  int from = sourceOf(pairs, group.index);
  exchange(group, {input, 1, bytes},
           [&](const auto &sources, int64_t, int64_t begin, int64_t end) {
             std::byte *target = static_cast<std::byte *>(output) + begin;
             if (from < 0)
               std::memset(target, 0, end - begin);
             else
               std::memcpy(target, sources[from], end - begin);
           });
}

void PeerMemoryCommunicator::doBroadcast(const Group &group, int root,
                                         void *data, int64_t bytes) {
  const void *offer = group.index == root ? data : nullptr;
  exchange(group, {offer, 1, bytes},
           [&](const auto &sources, int64_t, int64_t begin, int64_t end) {
             if (group.index != root)
               std::memcpy(static_cast<std::byte *>(data) + begin,
                           sources[root], end - begin);
           });
}

void PeerMemoryCommunicator::doBarrier(const Group &group) {
  post(group, nullptr, nullptr);
}
