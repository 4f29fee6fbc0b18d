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
//     overwritten (on CPU; a CUDA communicator orders both on its stream).
//   - Reductions combine in ascending rank order (`combine`), so that all
//     implementations but NCCL give the same bits.
//   - A group of one rank copies input to output; no implementation sees it.
//   - A peer that is gone ends the call with PeerFailed naming it.
#ifndef WEFT_RUNTIME_COMMUNICATOR_H
#define WEFT_RUNTIME_COMMUNICATOR_H

#include "weft_runtime/DType.h"
#include "weft_runtime/Error.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace weft {

/// Some ranks of the run, in the order of their blocks.
struct Group {
  int id = 0; // the same on all ranks of the run for the n-th added group
  std::vector<int> ranks;
  int index = 0; // of this rank in `ranks`

  int size() const { return static_cast<int>(ranks.size()); }
};

/// Sent and received by whom, in group indices.
using RankPairs = std::vector<std::pair<int, int>>;

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
  /// Exchanging from and to it may save a copy.
  virtual void *allocate(int64_t bytes);
  /// Of several operands, those above this size are faster exchanged one by
  /// one than packed into one call.
  virtual int64_t packingLimit() const { return INT64_MAX; }

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
  virtual void onGroupAdded(const Group &group) {}
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
  int ownRank;
  int numRanks;
  int nextGroup = 1;
  Group worldGroup;
  std::vector<std::unique_ptr<std::byte, void (*)(void *)>> owned;
};

/// The member that sends to `index`, or -1.
int sourceOf(const RankPairs &pairs, int index);
/// The member that `index` sends to, or -1.
int targetOf(const RankPairs &pairs, int index);

} // namespace weft

#endif // WEFT_RUNTIME_COMMUNICATOR_H
