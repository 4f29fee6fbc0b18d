// SPDX-License-Identifier: Apache-2.0
//
// Communicator: how the ranks of a run exchange data. The one abstract class
// of the runtime; implementations are InProcess (threads), Recording (a list
// of calls), SharedMemory (processes of one host), Gloo and NCCL (providers
// over LibTorch's c10d).
//
// Rules for all of them
//   - Buffers are contiguous. Every member of the group calls the same methods
//     in the same order with the same sizes, types and reductions.
//   - A call returns when its output is complete and its input may be
//     overwritten (on CPU; a CUDA communicator orders both on its stream). A
//     transfer does so at finish(); until then its inputs may be read and its
//     outputs written at any time, also by peers. Inputs that are to be kept
//     may be read until settle().
//   - Reductions combine in ascending rank order (`combine`), so that all
//     implementations but NCCL give the same bits.
//   - A group of one rank copies input to output; no implementation sees it.
//   - A peer that is gone ends the call with PeerFailed naming it.
#ifndef WEFT_RUNTIME_COMMUNICATOR_H
#define WEFT_RUNTIME_COMMUNICATOR_H

#include "weft_runtime/Bucket.h"
#include "weft_runtime/Error.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace weft {

/// Some ranks of the run, in the order of their blocks.
struct Group {
  int id = 0; // the same on all ranks of the run for the n-th added group
  std::vector<int> ranks;
  int index = 0; // of this rank in `ranks`

  int size() const { return static_cast<int>(ranks.size()); }
};

/// A bucket over a group, prepared once and then started and finished in turn.
struct Transfer {
  Group group;
  Bucket bucket;
  /// Of an all_gather: inputs stay as they are until settle(), and `gathered`
  /// says after finish() where outputs can be read until then: they need not
  /// have been written.
  bool keepsInputs = false;
  std::vector<const void *> gathered;
  // Of the communicator, from start() to finish(): the buffers by operand, and
  // how far it is.
  std::vector<const void *> inputs;
  std::vector<void *> outputs;
  bool isUnderWay = false;
  bool isStaged = false;
  int slot = 0;
  uint32_t arrival = 0;
  std::shared_ptr<Transfer> inner; // of a communicator below
};

class Communicator {
public:
  Communicator(int rank, int worldSize);
  virtual ~Communicator();
  Communicator(const Communicator &) = delete;
  Communicator &operator=(const Communicator &) = delete;

  int rank() const { return ownRank; }
  int worldSize() const { return numRanks; }
  /// "shared_memory": the name in a descriptor.
  virtual std::string_view name() const = 0;

  /// The group of all ranks.
  const Group &world() const { return worldGroup; }
  /// Makes a group of `ranks`, which hold this rank. All ranks of the run add
  /// their groups in the same order, each the one it belongs to.
  Group addGroup(std::vector<int> ranks);

  /// 64-byte aligned zeroed memory that lives as long as the communicator.
  /// Exchanging from and to its first `exchanged` bytes may save a copy.
  virtual void *allocate(int64_t bytes, int64_t exchanged);

  /// Begins a transfer on one pointer per operand; the arrays are read before
  /// it returns. Several transfers may be under way at once.
  void start(Transfer &transfer, const void *const *inputs,
             void *const *outputs);
  /// Ends it: outputs are complete, inputs that are not to be kept may be
  /// overwritten. Without a
  /// start() before, does nothing.
  void finish(Transfer &transfer);

  /// Returns when no peer reads inputs of this rank that were to be kept. All
  /// ranks that share a transfer which keeps its inputs call it at the same
  /// place between transfers.
  virtual void settle() {}

  /// output[i * bytes ...] = input of the i-th member. (ncclAllGather)
  void allGather(const Group &group, const void *input, void *output,
                 int64_t bytes);
  /// output = the members' inputs combined; `output` may be `input`.
  /// (ncclAllReduce)
  void allReduce(const Group &group, DType dtype, ReduceKind kind,
                 const void *input, void *output, int64_t count);
  /// output = block `index` of the members' inputs combined; an input holds
  /// one block of `count` elements per member. (ncclReduceScatter)
  void reduceScatter(const Group &group, DType dtype, ReduceKind kind,
                     const void *input, void *output, int64_t count);
  /// Block j of the input goes to member j; output block i came from member i.
  /// (grouped ncclSend / ncclRecv)
  void allToAll(const Group &group, const void *input, void *output,
                int64_t bytes);
  /// For each pair (from, to), output of `to` = input of `from`; members that
  /// receive nothing get zeros. No member occurs twice on one side. (grouped
  /// ncclSend / ncclRecv)
  void permute(const Group &group, const RankPairs &pairs, const void *input,
               void *output, int64_t bytes);
  /// data = data of member `root`. (ncclBroadcast)
  void broadcast(const Group &group, int root, void *data, int64_t bytes);
  /// Returns when all members have called it.
  void barrier(const Group &group);

  /// Tells the peers that this rank ends with `code`, because of `culprit`
  /// where that is a rank; its absence is then no death. Called at most once,
  /// no collective follows.
  virtual void leave(ExitCode code, int culprit = -1);

protected:
  /// Called for each group, also of one member.
  virtual void onGroupAdded(const Group &group) {}
  /// By default the bucket is packed, exchanged by the methods below, and
  /// unpacked, all in the start.
  virtual void doStart(Transfer &transfer);
  /// Called for a transfer that doStart has left under way.
  virtual void doFinish(Transfer &transfer) {}
  virtual void doAllGather(const Group &group, const void *input, void *output,
                           int64_t bytes) = 0;
  virtual void doAllReduce(const Group &group, DType dtype, ReduceKind kind,
                           const void *input, void *output, int64_t count) = 0;
  virtual void doReduceScatter(const Group &group, DType dtype, ReduceKind kind,
                               const void *input, void *output,
                               int64_t count) = 0;
  virtual void doAllToAll(const Group &group, const void *input, void *output,
                          int64_t bytes) = 0;
  virtual void doPermute(const Group &group, const RankPairs &pairs,
                         const void *input, void *output, int64_t bytes) = 0;
  virtual void doBroadcast(const Group &group, int root, void *data,
                           int64_t bytes) = 0;
  virtual void doBarrier(const Group &group) = 0;

private:
  void exchange(const Transfer &transfer, const std::vector<size_t> &operands);
  void call(const Transfer &transfer, DType dtype, const void *input,
            void *output, int64_t blockBytes);

  int ownRank;
  int numRanks;
  int nextGroup = 1;
  Group worldGroup;
  std::vector<std::unique_ptr<std::byte, void (*)(void *)>> owned;
  std::vector<std::byte> packedInput, packedOutput; // of buckets
};

} // namespace weft

#endif // WEFT_RUNTIME_COMMUNICATOR_H
