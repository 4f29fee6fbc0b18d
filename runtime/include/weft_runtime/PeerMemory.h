// SPDX-License-Identifier: Apache-2.0
//
// PeerMemoryCommunicator: the collectives of ranks that can read and write each
// other's memory. InProcess and SharedMemory say where heads (Posts.h) and
// buffers lie; the algorithms are here, once.
//
// start() posts that the inputs are ready, finish() waits for the peers' posts
// and moves the data, so a rank waits only for peers that are later than its
// own wait. A bucket is one of
//   staged    up to a slot in size: start() packs the inputs into a slot of the
//             rank's head, peers read them there; no second synchronisation,
//             since the next slot is another one.
//   in place  start() puts the operands' addresses into the slot; finish()
//             reads the peers' buffers where they are, in their strides, posts,
//             and waits until all have read, so that inputs may be overwritten.
//             An all_gather that keeps its inputs does not wait; where a rank
//             can map the members' pieces one behind the other, it does not
//             read either.
//   chunked   in place is refused by a rank whose memory its peers cannot
//             reach: repeated staged exchanges within finish().
// In an all_reduce in place each rank combines its part of all inputs and
// writes it to the outputs of all.
#ifndef WEFT_RUNTIME_PEERMEMORY_H
#define WEFT_RUNTIME_PEERMEMORY_H

#include "weft_runtime/Posts.h"

#include <array>

namespace weft {

class PeerMemoryCommunicator : public Communicator {
public:
  void leave(ExitCode code, int culprit) override {
    posts.leave(code, culprit);
  }
  void settle() override;

protected:
  /// `names` are the ranks as messages call them; their number is the size of
  /// the world.
  PeerMemoryCommunicator(int rank, const std::vector<int> &names,
                         double timeoutSeconds)
      : Communicator(rank, static_cast<int>(names.size())),
        posts(rank, names, timeoutSeconds) {}

  /// An address as it is told to peers; nothing if they cannot reach it.
  virtual std::optional<int64_t> publish(const void *address) const = 0;
  /// What `rank` has published, in this rank's address space.
  virtual std::byte *resolve(int rank, int64_t published) const = 0;
  /// Addresses at which the pieces of `bytes` that the members of `group` have
  /// published can be read one behind the other; null if there are none.
  virtual const std::byte *join(const Group &group,
                                const std::vector<int64_t> &published,
                                int64_t bytes) {
    return nullptr;
  }

  void onGroupAdded(const Group &group) override {
    posts.open(group);
    queueOf(group).group = group;
  }
  void doStart(Transfer &transfer) override;
  void doFinish(Transfer &transfer) override;
  void doAllGather(const Group &group, const void *input, void *output,
                   int64_t bytes) override;
  void doAllReduce(const Group &group, DType dtype, ReduceKind kind,
                   const void *input, void *output, int64_t count) override;
  void doReduceScatter(const Group &group, DType dtype, ReduceKind kind,
                       const void *input, void *output, int64_t count) override;
  void doAllToAll(const Group &group, const void *input, void *output,
                  int64_t bytes) override;
  void doPermute(const Group &group, const RankPairs &pairs, const void *input,
                 void *output, int64_t bytes) override;
  void doBroadcast(const Group &group, int root, void *data,
                   int64_t bytes) override;
  void doBarrier(const Group &group) override;

  Posts posts;

private:
  /// This rank's slots of one group.
  struct Queue {
    Group group;
    int next = 0;
    /// The post of the peers by which they have read a slot.
    std::array<uint32_t, Posts::numSlots> readAt{};
    std::vector<Transfer *> underWay;
    bool isUnsettled = false; // peers may read kept inputs of this rank
  };
  /// Where an operand lies at all members (`bases`): how its blocks lie, and
  /// the byte of a block to begin with.
  struct Source {
    Blocks blocks;
    int64_t begin;
  };
  /// The published addresses of an operand, in the slot of a rank.
  struct Offer {
    int64_t input, output;
  };
  Queue &queueOf(const Group &group);
  int takeSlot(const Group &group);
  void run(const Group &group, Bucket bucket, const void *input, void *output);
  /// The slots of all members that hold the transfer.
  std::span<std::byte *const> slots(const Transfer &transfer);
  void stage(const Transfer &transfer, size_t operand, std::byte *slot,
             int64_t begin, int64_t bytes) const;
  void offer(Transfer &transfer);
  bool isReachable(const Transfer &transfer);
  void readStaged(const Transfer &transfer);
  void readInPlace(Transfer &transfer);
  void reduceInPlace(const Transfer &transfer);
  void runChunked(const Transfer &transfer);
  void read(const Transfer &transfer, size_t operand, const Source &source,
            int64_t begin, int64_t bytes);

  std::vector<Queue> queues; // by group id
  // Scratch, by member: a call allocates nothing.
  std::vector<std::byte *> peerSlots;
  std::vector<const std::byte *> bases;
  std::vector<const void *> inputs;
  std::vector<void *> outputs;
  std::vector<int64_t> pieces;
};

} // namespace weft

#endif // WEFT_RUNTIME_PEERMEMORY_H
