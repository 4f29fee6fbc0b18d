// SPDX-License-Identifier: Apache-2.0
//
// Posts: counters, bells and who is gone.
#include "weft_runtime/Posts.h"

#include <algorithm>
#include <chrono>
#include <climits>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace weft;
using Clock = std::chrono::steady_clock;

/// What one rank posts to one group, and the group's bell (of its first
/// member). The counter and the bell lie in lines of their own: peers poll the
/// first, and all post to the second.
struct Posts::Mailbox {
  alignas(64) std::atomic<uint32_t> posts;
  alignas(64) std::atomic<uint32_t> bell;
  std::atomic<uint32_t> sleepers;
};

struct Posts::Head {
  std::atomic<int32_t> hasLeft;
  std::atomic<int32_t> leftWith;
  std::atomic<int32_t> culprit;
  // For whom this rank waits, plus 1, and when it last said so (ms): a rank
  // that waits is not the one to blame, unless it has stopped saying so.
  std::atomic<int32_t> waitsFor;
  std::atomic<int64_t> beat;
  Mailbox mailboxes[maxGroups];
};
static_assert(std::atomic<int32_t>::is_always_lock_free);

static constexpr int64_t rounded(int64_t bytes, int64_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

static constexpr int64_t page = 4096;
static constexpr int numYields = 20;

int64_t Posts::headBytes() {
  return rounded(sizeof(Head), page) + maxGroups * numSlots * slotBytes;
}

/// Tells the core that this is a spin.
static void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

static int numUsableCpus() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

/// The clock that all processes of a host share.
static int64_t milliseconds() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             Clock::now().time_since_epoch())
      .count();
}

static void ring(std::atomic<uint32_t> &bell) {
  bell.fetch_add(1);
  syscall(SYS_futex, &bell, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

static bool isAtLeast(uint32_t counter, uint32_t posts) {
  return static_cast<int32_t>(counter - posts) >= 0; // it may wrap
}

Posts::Posts(int rank, std::vector<int> givenNames, double timeoutSeconds)
    : ownRank(rank), names(std::move(givenNames)),
      timeoutSeconds(timeoutSeconds),
      // About 100 us where each rank has a core, none where they share cores.
      numPauses(numUsableCpus() >= static_cast<int>(names.size()) ? 2000 : 0) {}

void Posts::connect(std::vector<std::byte *> rankHeads) {
  heads = std::move(rankHeads);
}

Posts::Head &Posts::head(int rank) const {
  return *reinterpret_cast<Head *>(heads[rank]);
}

Posts::Mailbox &Posts::mailbox(int rank, const Group &group) const {
  return head(rank).mailboxes[group.id];
}

std::byte *Posts::slot(int rank, const Group &group, int number) const {
  return heads[rank] + rounded(sizeof(Head), page) +
         (group.id * numSlots + number) * slotBytes;
}

void Posts::open(const Group &group) {
  if (group.id >= maxGroups)
    throw Error(ExitCode::Internal, "the program has too many groups: got " +
                                        std::to_string(group.id) +
                                        ", expected less than " +
                                        std::to_string(maxGroups));
  groups.push_back(group);
}

//===----------------------------------------------------------------------===//
// Posting and awaiting
//===----------------------------------------------------------------------===//

uint32_t Posts::count(const Group &group) const {
  return mailbox(ownRank, group).posts.load(std::memory_order_relaxed);
}

bool Posts::hasPosted(int rank, const Group &group, uint32_t posts) const {
  return isAtLeast(mailbox(rank, group).posts.load(), posts);
}

uint32_t Posts::post(const Group &group) {
  uint32_t posts = count(group) + 1;
  mailbox(ownRank, group).posts.store(posts);
  // Sequentially consistent: either the sleeper sees the post, or the poster
  // sees the sleeper; and of several last posters one sees all posts.
  Mailbox &first = mailbox(group.ranks.front(), group);
  if (first.sleepers.load() > 0) {
    bool isLast = true;
    for (int peer : group.ranks)
      isLast = isLast && hasPosted(peer, group, posts);
    if (isLast)
      ring(first.bell);
  }
  return posts;
}

void Posts::await(const Group &group, uint32_t posts) {
  size_t next = 0; // the members before it have posted
  for (int i = 0; i < numPauses + numYields; ++i) {
    while (hasPosted(group.ranks[next], group, posts))
      if (++next == group.ranks.size())
        return;
    if (i < numPauses)
      relax();
    else
      sched_yield();
  }
  sleep(group, posts);
}

void Posts::sleep(const Group &group, uint32_t posts) {
  Mailbox &first = mailbox(group.ranks.front(), group);
  Clock::time_point begin = Clock::now();
  first.sleepers.fetch_add(1);
  sleepsAt = &first.bell;
  while (true) {
    uint32_t heard = first.bell.load();
    // Who is gone is read before the counters, so that a peer which posts and
    // then leaves is not taken for one that left without posting.
    int missing = -1, gone = dead >= 0 ? dead.load() : -1;
    for (int peer : group.ranks) {
      bool left = hasLeft(peer);
      if (hasPosted(peer, group, posts))
        continue;
      missing = peer;
      if (left && gone < 0)
        gone = peer;
    }
    head(ownRank).waitsFor = missing + 1;
    head(ownRank).beat = milliseconds();
    bool isLate =
        Clock::now() - begin > std::chrono::duration<double>(timeoutSeconds);
    if (missing >= 0 && gone < 0 && !isLate) {
      timespec slice{0, 50'000'000};
      syscall(SYS_futex, &first.bell, FUTEX_WAIT, heard, &slice, nullptr, 0);
      continue;
    }
    sleepsAt = nullptr;
    first.sleepers.fetch_sub(1);
    if (missing < 0)
      return;
    if (gone >= 0)
      throwGone(gone);
    throwLate(missing);
  }
}

//===----------------------------------------------------------------------===//
// Leaving
//===----------------------------------------------------------------------===//

void Posts::leave(ExitCode code, int culprit) {
  Head &own = head(ownRank);
  if (own.hasLeft)
    return;
  own.culprit = culprit;
  own.leftWith = static_cast<int32_t>(code);
  own.hasLeft = 1;
  for (const Group &group : groups)
    ring(mailbox(group.ranks.front(), group).bell);
}

bool Posts::hasLeft(int rank) const { return head(rank).hasLeft != 0; }

void Posts::noteDeath(int rank) {
  dead = rank;
  if (std::atomic<uint32_t> *bell = sleepsAt)
    ring(*bell);
}

/// Blames the rank at the end of the chain of waiting ones: `rank`, or whom it
/// waits for in turn.
void Posts::throwLate(int rank) const {
  double freshMs = 1e3 * std::min(1.0, timeoutSeconds / 2);
  int named = names[rank];
  for (size_t hop = 0; hop < heads.size(); ++hop) {
    const Head &state = head(rank);
    bool isHang = state.leftWith == static_cast<int32_t>(ExitCode::Hang);
    // One that left for this reason has followed the chain itself.
    named = state.hasLeft && isHang ? state.culprit.load() : names[rank];
    bool isWaiting = state.waitsFor > 0 &&
                     static_cast<double>(milliseconds() - state.beat) < freshMs;
    if (!isWaiting || state.hasLeft)
      break;
    rank = state.waitsFor - 1;
  }
  char seconds[32];
  std::snprintf(seconds, sizeof(seconds), "%g", timeoutSeconds);
  throw PeerFailed(named, static_cast<int>(ExitCode::Hang),
                   "rank " + std::to_string(named) +
                       " did not come to a collective within " + seconds +
                       " s");
}

/// What the rank at fault has said itself comes before what `rank` made of it.
void Posts::throwGone(int rank) const {
  const Head &state = head(rank);
  int named = names[rank];
  if (state.hasLeft && state.culprit >= 0)
    named = state.culprit;
  auto found = std::find(names.begin(), names.end(), named);
  std::string how = " is gone"; // on another host
  int leftWith = state.leftWith;
  if (state.hasLeft && leftWith == static_cast<int>(ExitCode::Hang)) {
    how = " did not come to a collective";
  } else if (found != names.end()) {
    const Head &own = head(static_cast<int>(found - names.begin()));
    leftWith = own.hasLeft ? own.leftWith.load() : -1;
    how = leftWith < 0 ? " died"
                       : " left with exit code " + std::to_string(leftWith);
  }
  throw PeerFailed(named, leftWith, "rank " + std::to_string(named) + how);
}
