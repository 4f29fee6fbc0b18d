// SPDX-License-Identifier: Apache-2.0
//
// SharedMemory: arenas, the counters that order reads after writes, and the
// watcher. Layout of an arena: Control, staging buffers, then what allocate()
// hands out.
#include "weft_runtime/SharedMemory.h"

#include <chrono>
#include <climits>
#include <cstring>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace weft;
using Clock = std::chrono::steady_clock;

static constexpr int maxGroups = 64;
static constexpr int64_t stageSize = 32 * 1024;
/// The heap begins on a huge page.
static constexpr int64_t hugePage = 2 * 1024 * 1024;
/// Published instead of an offset into the arena.
static constexpr int64_t offersNothing = 0;
static constexpr int64_t isPrivate = -1;
static constexpr int32_t isRunning = -1;

namespace {
/// What one rank posts to one group. A futex sleeps on `posts`; `waiters` lets
/// the poster skip the wake-up call. The last two posts are kept, because a
/// peer may still read the one before.
struct alignas(64) Mailbox {
  std::atomic<uint32_t> posts;
  std::atomic<uint32_t> waiters;
  std::atomic<int64_t> inputs[2];
  std::atomic<int64_t> outputs[2];
};
static_assert(std::atomic<int64_t>::is_always_lock_free);
} // namespace

/// The head of an arena: zero bytes are its initial state but for `leftWith`.
struct SharedMemoryCommunicator::Control {
  std::atomic<int32_t> leftWith;
  std::atomic<int32_t> culprit;
  Mailbox mailboxes[maxGroups];
};

static constexpr int64_t stagingBegin(int64_t controlBytes) {
  return (controlBytes + 4095) / 4096 * 4096;
}

template <typename Control> static constexpr int64_t heapBegin() {
  int64_t staging = stagingBegin(sizeof(Control)) + maxGroups * 2 * stageSize;
  return (staging + hugePage - 1) / hugePage * hugePage;
}

static int numUsableCpus() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

/// Tells the core that this is a spin.
static void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

[[noreturn]] static void failCall(const char *call) {
  throw Error(ExitCode::Internal,
              std::string(call) + " failed: " + std::strerror(errno));
}

SharedMemoryCommunicator::SharedMemoryCommunicator(
    const Bootstrap &bootstrap, SharedMemoryOptions givenOptions)
    : PeerMemoryCommunicator(bootstrap.rank, bootstrap.worldSize),
      options(std::move(givenOptions)),
      timeoutSeconds(bootstrap.timeoutSeconds),
      // Spinning only pays while the peer can run at the same time.
      spins(numUsableCpus() >= bootstrap.worldSize ? 4000 : 50),
      arenas(bootstrap.worldSize), used(heapBegin<Control>()) {
  int arena = memfd_create("weft-arena", MFD_CLOEXEC);
  if (arena < 0)
    failCall("memfd_create");
  if (ftruncate(arena, used + options.arenaBytes) != 0)
    failCall("ftruncate");
  mapArenas(bootstrap, arena);
  wakeWatcher = eventfd(0, EFD_CLOEXEC);
  watcher = std::thread([this] { watch(); });
}

void SharedMemoryCommunicator::mapArenas(const Bootstrap &bootstrap,
                                         int ownArena) {
  auto map = [](int descriptor, Arena &arena) {
    struct stat status{};
    if (fstat(descriptor, &status) != 0)
      failCall("fstat");
    arena.bytes = status.st_size;
    void *base = mmap(nullptr, arena.bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                      descriptor, 0);
    if (base == MAP_FAILED)
      failCall("mmap");
    arena.base = static_cast<std::byte *>(base);
    madvise(base, arena.bytes, MADV_HUGEPAGE);
    close(descriptor);
  };
  auto process = static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0));
  if (process < 0)
    failCall("pidfd_open");
  map(dup(ownArena), arenas[rank()]);
  control(rank()).leftWith = isRunning;
  control(rank()).culprit = -1;

  std::vector<PeerHandles> handles =
      exchangeHandles(bootstrap, {ownArena, process});
  close(ownArena);
  close(process);
  for (int peer = 0; peer < worldSize(); ++peer) {
    if (peer == rank())
      continue;
    map(handles[peer].arena, arenas[peer]);
    arenas[peer].process = handles[peer].process;
  }
}

SharedMemoryCommunicator::~SharedMemoryCommunicator() {
  if (control(rank()).leftWith == isRunning)
    leave(ExitCode::Done, /*culprit=*/-1);
  {
    std::lock_guard lock(watcherMutex);
    isStopping = true;
  }
  watcherChanged.notify_all();
  eventfd_write(wakeWatcher, 1);
  watcher.join();
  close(wakeWatcher);
  for (const Arena &arena : arenas) {
    munmap(arena.base, arena.bytes);
    if (arena.process >= 0)
      close(arena.process);
  }
}

SharedMemoryCommunicator::Control &
SharedMemoryCommunicator::control(int rank) const {
  return *reinterpret_cast<Control *>(arenas[rank].base);
}

void *SharedMemoryCommunicator::allocate(int64_t bytes) {
  int64_t rounded = (bytes + 63) / 64 * 64;
  const Arena &own = arenas[rank()];
  if (used + rounded > own.bytes)
    return Communicator::allocate(bytes);
  std::byte *memory = own.base + used;
  used += rounded;
  return memory;
}

void SharedMemoryCommunicator::leave(ExitCode code, int culprit) {
  control(rank()).culprit = culprit;
  control(rank()).leftWith = static_cast<int32_t>(code);
}

void SharedMemoryCommunicator::onGroupAdded(const Group &group) {
  if (group.id >= maxGroups)
    throw Error(ExitCode::Internal, "the program has too many groups: got " +
                                        std::to_string(group.id) +
                                        ", expected less than " +
                                        std::to_string(maxGroups));
}

int64_t SharedMemoryCommunicator::stagingBytes() const { return stageSize; }

std::byte *SharedMemoryCommunicator::staging(const Group &group) {
  uint32_t next = control(rank()).mailboxes[group.id].posts + 1;
  return arenas[rank()].base + stagingBegin(sizeof(Control)) +
         (2 * group.id + next % 2) * stageSize;
}

//===----------------------------------------------------------------------===//
// Posting
//===----------------------------------------------------------------------===//

int64_t SharedMemoryCommunicator::publish(const void *address) const {
  if (!address)
    return offersNothing;
  const Arena &own = arenas[rank()];
  auto offset = static_cast<int64_t>(reinterpret_cast<intptr_t>(address) -
                                     reinterpret_cast<intptr_t>(own.base));
  return offset > 0 && offset < own.bytes ? offset : isPrivate;
}

PeerMemoryCommunicator::Peers SharedMemoryCommunicator::post(const Group &group,
                                                             const void *input,
                                                             void *output) {
  Mailbox &own = control(rank()).mailboxes[group.id];
  uint32_t posts = own.posts.load(std::memory_order_relaxed) + 1;
  own.inputs[posts % 2].store(publish(input), std::memory_order_relaxed);
  own.outputs[posts % 2].store(publish(output), std::memory_order_relaxed);
  // Sequentially consistent against `waiters`: either the waiter sees the
  // post, or the poster sees the waiter.
  own.posts.store(posts);
  if (own.waiters.load() > 0)
    syscall(SYS_futex, &own.posts, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);

  Peers peers;
  for (int peer : group.ranks) {
    if (peer != rank())
      awaitPost(peer, group, posts);
    const Mailbox &mailbox = control(peer).mailboxes[group.id];
    int64_t in = mailbox.inputs[posts % 2].load(std::memory_order_relaxed);
    int64_t out = mailbox.outputs[posts % 2].load(std::memory_order_relaxed);
    peers.reachable &= in != isPrivate && out != isPrivate;
    peers.inputs.push_back(in > 0 ? arenas[peer].base + in : nullptr);
    peers.outputs.push_back(out > 0 ? arenas[peer].base + out : nullptr);
  }
  return peers;
}

void SharedMemoryCommunicator::awaitPost(int peer, const Group &group,
                                         uint32_t posts) {
  Mailbox &mailbox = control(peer).mailboxes[group.id];
  auto hasPosted = [&] {
    return static_cast<int32_t>(mailbox.posts.load() - posts) >= 0;
  };
  for (int i = 0; i < spins; ++i) {
    if (hasPosted())
      return;
    relax();
  }
  Clock::time_point begin = Clock::now();
  mailbox.waiters.fetch_add(1);
  while (true) {
    uint32_t seen = mailbox.posts.load();
    if (static_cast<int32_t>(seen - posts) >= 0)
      break;
    // Read before the check below, so that a peer which posts and then leaves
    // is not taken for one that left without posting.
    bool isGone = control(peer).leftWith != isRunning || dead >= 0;
    if (isGone && !hasPosted())
      throwGone(peer, group);
    if (Clock::now() - begin > std::chrono::duration<double>(timeoutSeconds))
      throw Error(ExitCode::Hang, "rank " + std::to_string(peer) +
                                      " did not come to a collective within " +
                                      std::to_string(int(timeoutSeconds)) +
                                      " s");
    timespec slice{0, 50'000'000};
    syscall(SYS_futex, &mailbox.posts, FUTEX_WAIT, seen, &slice, nullptr, 0);
  }
  mailbox.waiters.fetch_sub(1);
}

void SharedMemoryCommunicator::throwGone(int peer, const Group &group) {
  int leftWith = control(peer).leftWith;
  int culprit = control(peer).culprit;
  if (dead >= 0) { // a death outranks a leave
    culprit = dead;
    leftWith = isRunning;
  }
  if (culprit < 0)
    culprit = peer;
  std::string how = leftWith == isRunning
                        ? " died"
                        : " left with exit code " + std::to_string(leftWith);
  if (culprit != peer && leftWith != isRunning)
    how = " is gone";
  throw PeerFailed(culprit, leftWith, "rank " + std::to_string(culprit) + how);
}

//===----------------------------------------------------------------------===//
// Watching
//===----------------------------------------------------------------------===//

void SharedMemoryCommunicator::watch() {
  std::vector<pollfd> polled{{wakeWatcher, POLLIN, 0}};
  std::vector<int> ranks{-1};
  for (int peer = 0; peer < worldSize(); ++peer)
    if (peer != rank()) {
      polled.push_back({arenas[peer].process, POLLIN, 0});
      ranks.push_back(peer);
    }
  while (dead < 0) {
    poll(polled.data(), polled.size(), -1);
    if (polled[0].revents)
      return;
    for (size_t i = 1; i < polled.size(); ++i) {
      if (!polled[i].revents)
        continue;
      polled[i].fd = -1; // its end is known now
      if (control(ranks[i]).leftWith == isRunning && dead < 0)
        dead = ranks[i];
    }
  }
  std::unique_lock lock(watcherMutex);
  bool ended = watcherChanged.wait_for(
      lock, std::chrono::duration<double>(options.patienceSeconds),
      [&] { return isStopping; });
  if (!ended && options.onAbandoned)
    options.onAbandoned(dead);
}
