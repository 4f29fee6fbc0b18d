// SPDX-License-Identifier: Apache-2.0
//
// Posts: how ranks that see each other's memory tell how far they are. Each
// rank has a *head*, memory that all see: per group a counter of posts, which
// only its owner raises, and a few slots to put data in. Ranks run one program,
// so the n-th post to a group means the same on all its members; to wait for
// an event is to wait until all counters have reached its number.
//
// Waiting spins where each rank has a core, then yields the core a few times,
// which lets a peer on the same core post, then sleeps on the *bell* of the
// group (a futex at its first member). Who posts last wakes all sleepers by one
// call; nobody is woken in vain.
//
// Liveness: a rank that ends says so in its head and rings its groups' bells;
// a watcher calls noteDeath(). Both end the waiting with PeerFailed.
#ifndef WEFT_RUNTIME_POSTS_H
#define WEFT_RUNTIME_POSTS_H

#include "weft_runtime/Communicator.h"

#include <atomic>

namespace weft {

class Posts {
public:
  static constexpr int numSlots = 4;
  static constexpr int64_t slotBytes = 32 * 1024;
  static constexpr int maxGroups = 64;
  /// The size of a head. Its initial state is zero bytes.
  static int64_t headBytes();

  /// `names` are the ranks as messages call them.
  Posts(int rank, std::vector<int> names, double timeoutSeconds);
  /// Gives the place of every rank's head, before anything else is called.
  void connect(std::vector<std::byte *> rankHeads);
  /// Makes a group usable; throws Error(Internal) if there are too many.
  void open(const Group &group);

  /// How often this rank has posted to the group.
  uint32_t count(const Group &group) const;
  /// Raises the own counter and returns it. What was written before is seen by
  /// who has awaited it.
  uint32_t post(const Group &group);
  /// Returns when all members have posted `posts` times. Throws PeerFailed if
  /// a rank is gone, Error(Hang) after the timeout.
  void await(const Group &group, uint32_t posts);
  /// One of numSlots pieces of slotBytes that `rank` has for the group.
  std::byte *slot(int rank, const Group &group, int number) const;

  /// Says that this rank ends; what a second call says is not heard.
  void leave(ExitCode code, int culprit);
  bool hasLeft(int rank) const;
  /// Called by a watcher: ends all waiting.
  void noteDeath(int rank);
  int deadRank() const { return dead; }
  int nameOf(int rank) const { return names[rank]; }

private:
  struct Mailbox;
  struct Head;
  Head &head(int rank) const;
  Mailbox &mailbox(int rank, const Group &group) const;
  bool hasPosted(int rank, const Group &group, uint32_t posts) const;
  void sleep(const Group &group, uint32_t posts);
  [[noreturn]] void throwGone(int rank) const;
  [[noreturn]] void throwLate(int rank) const;

  int ownRank;
  std::vector<int> names;
  double timeoutSeconds;
  int numPauses;
  std::vector<std::byte *> heads;
  std::vector<Group> groups; // that were opened
  std::atomic<int> dead = -1;
  std::atomic<std::atomic<uint32_t> *> sleepsAt = nullptr; // a bell
};

} // namespace weft

#endif // WEFT_RUNTIME_POSTS_H
