// SPDX-License-Identifier: Apache-2.0
//
// InProcess: the ranks of a run are threads of one process. The reference of
// the conformance suite, and a way to debug a distributed run in one debugger.
#ifndef WEFT_RUNTIME_INPROCESS_H
#define WEFT_RUNTIME_INPROCESS_H

#include "weft_runtime/PeerMemory.h"

#include <condition_variable>
#include <map>
#include <mutex>

namespace weft {

/// What the threads share: the addresses each rank has posted. Outlives the
/// communicators.
class InProcessHub {
public:
  explicit InProcessHub(int worldSize) : ranks(worldSize) {}
  int worldSize() const { return static_cast<int>(ranks.size()); }

private:
  friend class InProcessCommunicator;
  /// What one rank posts to one group; the last two posts are kept, because a
  /// peer may still read the one before.
  struct Mailbox {
    uint64_t posts = 0;
    const std::byte *inputs[2] = {};
    std::byte *outputs[2] = {};
  };
  struct RankState {
    std::map<int, Mailbox> mailboxes; // by group id
    bool hasLeft = false;
    ExitCode leftWith = ExitCode::Done;
    int culprit = -1;
  };
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<RankState> ranks;
};

class InProcessCommunicator final : public PeerMemoryCommunicator {
public:
  InProcessCommunicator(InProcessHub &hub, int rank)
      : PeerMemoryCommunicator(rank, hub.worldSize()), hub(hub) {}
  ~InProcessCommunicator() override;
  std::string_view name() const override { return "in_process"; }
  void leave(ExitCode code, int culprit) override;

protected:
  Peers post(const Group &group, const void *input, void *output) override;
  int64_t stagingBytes() const override { return 0; }
  std::byte *staging(const Group &group) override { return nullptr; }

private:
  void awaitPost(int peer, const Group &group, uint64_t posts,
                 std::unique_lock<std::mutex> &lock);
  InProcessHub &hub;
};

} // namespace weft

#endif // WEFT_RUNTIME_INPROCESS_H
