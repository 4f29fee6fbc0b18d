// SPDX-License-Identifier: Apache-2.0
//
// PeerMemoryCommunicator: the collectives of ranks that can read each other's
// memory. InProcess and SharedMemory differ only in how addresses are
// published and awaited (`post`); the algorithms are here, once.
//
// A collective is one of
//   staged    each rank copies its input to a staging buffer, posts, and reads
//             all of them: one synchronisation, for small messages. Two
//             buffers alternate, so the next message needs no second one.
//   in place  each rank posts the address of its input, reads its peers', and
//             posts again so that nobody overwrites what is being read.
//   chunked   in place is refused by a rank whose memory its peers cannot
//             read: repeated staged exchanges.
// A large all_reduce is in place with two steps: each rank combines its part
// of all inputs, then copies the other parts from the other outputs.
#ifndef WEFT_RUNTIME_PEERMEMORY_H
#define WEFT_RUNTIME_PEERMEMORY_H

#include "weft_runtime/Communicator.h"

#include <functional>

namespace weft {

class PeerMemoryCommunicator : public Communicator {
public:
  using Communicator::Communicator;
  /// Packing costs two more copies, a call only a synchronisation.
  int64_t packingLimit() const override { return 64 * 1024; }

protected:
  /// Where the members' buffers lie in this rank's address space.
  struct Peers {
    std::vector<const std::byte *> inputs;
    std::vector<std::byte *> outputs;
    /// False if some member offered memory that this rank cannot reach; all
    /// members come to the same answer.
    bool reachable = true;
  };

  /// Publishes the two addresses (null: nothing is offered) and returns those
  /// of all members once all of them have called it as many times as this.
  virtual Peers post(const Group &group, const void *input, void *output) = 0;
  /// The size of a staging buffer; 0: nothing is ever staged.
  virtual int64_t stagingBytes() const = 0;
  /// The staging buffer that the next `post` may publish.
  virtual std::byte *staging(const Group &group) = 0;

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

private:
  /// What each member offers: `numBlocks` blocks of `blockBytes`. A null
  /// `data` offers nothing; sizes are the same on all members.
  struct Message {
    const void *data;
    int64_t numBlocks;
    int64_t blockBytes;
  };
  /// Reads bytes [begin, end) of the blocks: byte `begin` of block b of member
  /// r is at sources[r] + b * stride.
  using Reader =
      std::function<void(const std::vector<const std::byte *> &sources,
                         int64_t stride, int64_t begin, int64_t end)>;
  void exchange(const Group &group, const Message &message,
                const Reader &reader);
  void exchangeStaged(const Group &group, const Message &message,
                      const Reader &reader);
};

} // namespace weft

#endif // WEFT_RUNTIME_PEERMEMORY_H
