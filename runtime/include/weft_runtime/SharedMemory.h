// SPDX-License-Identifier: Apache-2.0
//
// SharedMemory: the ranks are processes of one host. Each has an arena, a
// memfd that all ranks map; the rank's regions lie in it, so peers read each
// other's data in place.
//
// Life
//   1. Rendezvous: rank 0 listens on an abstract unix socket; the others send
//      it their arena's descriptor and a pidfd of themselves; rank 0 sends all
//      of them to everyone.
//   2. Collectives are PeerMemory's; the head of a rank (Posts.h) is the begin
//      of its arena, addresses are told as offsets.
//   3. Where a piece of data of each member of a group fills whole pages, their
//      pages are mapped once more, one piece behind the other, read-only: an
//      all_gather that keeps its inputs copies nothing (`join`).
//   4. A watcher thread polls the pidfds. A peer that ends without having
//      called leave() is dead; a rank that waits for it throws at once, one
//      that is busy for `patience` more is ended by `onAbandoned`.
#ifndef WEFT_RUNTIME_SHAREDMEMORY_H
#define WEFT_RUNTIME_SHAREDMEMORY_H

#include "weft_runtime/Bootstrap.h"
#include "weft_runtime/PeerMemory.h"

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

namespace weft {

/// File descriptors of one rank.
struct PeerHandles {
  int arena = -1;
  int process = -1; // pidfd
};

/// Gives this rank's handles to all and returns everybody's, by rank; the
/// entries of this rank are its own. Throws Error(Hang) naming the ranks that
/// did not come within the timeout.
std::vector<PeerHandles> exchangeHandles(const Bootstrap &bootstrap,
                                         const PeerHandles &own);

struct SharedMemoryOptions {
  /// What allocate() can serve; beyond it memory is private and is staged.
  int64_t arenaBytes = 0;
  /// The ranks as messages and `onAbandoned` call them; empty: as they are.
  std::vector<int> names;
  /// How long after a peer's death this process may go on computing.
  double patienceSeconds = 1.0;
  /// Called on the watcher's thread when patience is over; should not return.
  std::function<void(int rank)> onAbandoned;
};

class SharedMemoryCommunicator final : public PeerMemoryCommunicator {
public:
  /// Returns when all ranks of `bootstrap` have come.
  SharedMemoryCommunicator(const Bootstrap &bootstrap,
                           SharedMemoryOptions options);
  ~SharedMemoryCommunicator() override;
  std::string_view name() const override { return "shared_memory"; }
  void *allocate(int64_t bytes, int64_t exchanged) override;

protected:
  std::optional<int64_t> publish(const void *address) const override;
  std::byte *resolve(int rank, int64_t offset) const override {
    return arenas[rank].base + offset;
  }
  const std::byte *join(const Group &group, const std::vector<int64_t> &offsets,
                        int64_t bytes) override;

private:
  struct Arena {
    std::byte *base = nullptr;
    int64_t bytes = 0;
    int memory = -1;  // memfd
    int process = -1; // pidfd
  };
  /// Pieces of members, mapped one behind the other.
  struct Joined {
    std::vector<int64_t> offsets; // by member
    int64_t bytes = 0;            // of a piece
    std::byte *base = nullptr;    // null: this cannot be mapped
  };
  void mapJoined(const Group &group, Joined &joined) const;
  static void unmap(const Joined &joined);
  static void map(int descriptor, Arena &arena);
  void makePrivate(std::byte *begin, std::byte *end);
  void watch();
  void mapArenas(const Bootstrap &bootstrap, int ownArena);

  SharedMemoryOptions options;
  std::vector<Arena> arenas; // by rank
  int64_t used;              // of the own arena
  /// Parts of it that are this process's own pages.
  std::vector<std::pair<std::byte *, std::byte *>> privateParts;
  std::map<std::pair<int, int64_t>, Joined> joins; // by group, own offset
  std::mutex watcherMutex;
  std::condition_variable watcherChanged;
  bool isStopping = false;
  int wakeWatcher = -1; // eventfd
  std::thread watcher;
};

} // namespace weft

#endif // WEFT_RUNTIME_SHAREDMEMORY_H
