// SPDX-License-Identifier: Apache-2.0
//
// SharedMemory: arenas and the watcher. An arena is a head, then what
// allocate() hands out.
#include "weft_runtime/SharedMemory.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <numeric>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace weft;

/// The heap begins on a huge page; heads keep to small ones, of which a run
/// touches few.
static constexpr int64_t hugePage = 2 * 1024 * 1024;

static int64_t heapBegin() {
  return (Posts::headBytes() + hugePage - 1) / hugePage * hugePage;
}

[[noreturn]] static void failCall(const char *call) {
  throw Error(ExitCode::Internal,
              std::string(call) + " failed: " + std::strerror(errno));
}

static std::vector<int> namesOf(const Bootstrap &bootstrap,
                                const SharedMemoryOptions &options) {
  if (!options.names.empty())
    return options.names;
  std::vector<int> names(bootstrap.worldSize);
  std::iota(names.begin(), names.end(), 0);
  return names;
}

SharedMemoryCommunicator::SharedMemoryCommunicator(
    const Bootstrap &bootstrap, SharedMemoryOptions givenOptions)
    : PeerMemoryCommunicator(bootstrap.rank, namesOf(bootstrap, givenOptions),
                             bootstrap.timeoutSeconds),
      options(std::move(givenOptions)), arenas(bootstrap.worldSize),
      used(heapBegin()) {
  int arena = memfd_create("weft-arena", MFD_CLOEXEC);
  if (arena < 0)
    failCall("memfd_create");
  if (ftruncate(arena, used + options.arenaBytes) != 0)
    failCall("ftruncate");
  mapArenas(bootstrap, arena);
  std::vector<std::byte *> heads;
  for (const Arena &each : arenas)
    heads.push_back(each.base);
  posts.connect(std::move(heads));
  onGroupAdded(world());
  wakeWatcher = eventfd(0, EFD_CLOEXEC);
  watcher = std::thread([this] { watch(); });
}

/// Maps an arena and keeps its descriptor.
void SharedMemoryCommunicator::map(int descriptor, Arena &arena) {
  struct stat status{};
  if (fstat(descriptor, &status) != 0)
    failCall("fstat");
  arena.bytes = status.st_size;
  void *base = mmap(nullptr, arena.bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                    descriptor, 0);
  if (base == MAP_FAILED)
    failCall("mmap");
  arena.base = static_cast<std::byte *>(base);
  madvise(arena.base + heapBegin(), arena.bytes - heapBegin(), MADV_HUGEPAGE);
  arena.memory = descriptor;
}

void SharedMemoryCommunicator::mapArenas(const Bootstrap &bootstrap,
                                         int ownArena) {
  auto process = static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0));
  if (process < 0)
    failCall("pidfd_open");
  map(dup(ownArena), arenas[rank()]);
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
  leave(ExitCode::Done, /*culprit=*/-1);
  for (const auto &[place, joined] : joins)
    unmap(joined);
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
    close(arena.memory);
    if (arena.process >= 0)
      close(arena.process);
  }
}

void *SharedMemoryCommunicator::allocate(int64_t bytes, int64_t exchanged) {
  int64_t page = sysconf(_SC_PAGESIZE);
  int64_t rounded = (bytes + page - 1) / page * page;
  const Arena &own = arenas[rank()];
  if (exchanged == 0 || used + rounded > own.bytes)
    return Communicator::allocate(bytes, 0);
  std::byte *memory = own.base + used;
  used += rounded;
  makePrivate(memory + exchanged, memory + rounded);
  return memory;
}

/// Puts anonymous pages over whole huge pages of [begin, end) of the arena:
/// systems that lend those seldom lend them to memory that is shared.
void SharedMemoryCommunicator::makePrivate(std::byte *begin, std::byte *end) {
  auto address = [](std::byte *at) { return reinterpret_cast<intptr_t>(at); };
  begin += (hugePage - address(begin) % hugePage) % hugePage;
  end -= address(end) % hugePage;
  if (begin >= end)
    return;
  void *memory = mmap(begin, end - begin, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (memory == MAP_FAILED)
    failCall("mmap");
  madvise(memory, end - begin, MADV_HUGEPAGE);
  privateParts.emplace_back(begin, end);
}

std::optional<int64_t>
SharedMemoryCommunicator::publish(const void *address) const {
  const Arena &own = arenas[rank()];
  auto offset = static_cast<int64_t>(reinterpret_cast<intptr_t>(address) -
                                     reinterpret_cast<intptr_t>(own.base));
  if (offset < 0 || offset >= own.bytes)
    return std::nullopt;
  for (auto [begin, end] : privateParts)
    if (address >= begin && address < end)
      return std::nullopt;
  return offset;
}

//===----------------------------------------------------------------------===//
// Joined pieces
//===----------------------------------------------------------------------===//

const std::byte *SharedMemoryCommunicator::join(
    const Group &group, const std::vector<int64_t> &offsets, int64_t bytes) {
  Joined &joined = joins[{group.id, offsets[group.index]}];
  if (joined.offsets != offsets || joined.bytes != bytes) {
    unmap(joined);
    joined = {offsets, bytes, nullptr};
    mapJoined(group, joined);
  }
  return joined.base;
}

static bool areWholePages(const std::vector<int64_t> &offsets, int64_t bytes) {
  int64_t page = sysconf(_SC_PAGESIZE);
  return bytes > 0 && bytes % page == 0 &&
         std::ranges::all_of(
             offsets, [page](int64_t offset) { return offset % page == 0; });
}

/// A process may have 65,530 mappings, and others need some.
static constexpr size_t maxPieces = 30'000;

/// Leaves the base null where pieces are no whole pages or there are no more
/// mappings to be had.
void SharedMemoryCommunicator::mapJoined(const Group &group,
                                         Joined &joined) const {
  if (joins.size() * group.size() > maxPieces ||
      !areWholePages(joined.offsets, joined.bytes))
    return;
  void *range = mmap(nullptr, group.size() * joined.bytes, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED)
    return;
  joined.base = static_cast<std::byte *>(range);
  for (int i = 0; i < group.size(); ++i)
    if (mmap(joined.base + i * joined.bytes, joined.bytes, PROT_READ,
             MAP_SHARED | MAP_FIXED | MAP_POPULATE,
             arenas[group.ranks[i]].memory, joined.offsets[i]) == MAP_FAILED) {
      unmap(joined);
      joined.base = nullptr;
      return;
    }
}

void SharedMemoryCommunicator::unmap(const Joined &joined) {
  if (joined.base)
    munmap(joined.base, joined.offsets.size() * joined.bytes);
}

void SharedMemoryCommunicator::watch() {
  std::vector<pollfd> polled{{wakeWatcher, POLLIN, 0}};
  std::vector<int> ranks{-1};
  for (int peer = 0; peer < worldSize(); ++peer)
    if (peer != rank()) {
      polled.push_back({arenas[peer].process, POLLIN, 0});
      ranks.push_back(peer);
    }
  while (posts.deadRank() < 0) {
    poll(polled.data(), polled.size(), -1);
    if (polled[0].revents)
      return;
    for (size_t i = 1; i < polled.size(); ++i) {
      if (!polled[i].revents)
        continue;
      polled[i].fd = -1; // its end is known now
      if (!posts.hasLeft(ranks[i]) && posts.deadRank() < 0)
        posts.noteDeath(ranks[i]);
    }
  }
  std::unique_lock lock(watcherMutex);
  bool ended = watcherChanged.wait_for(
      lock, std::chrono::duration<double>(options.patienceSeconds),
      [&] { return isStopping; });
  if (!ended && options.onAbandoned)
    options.onAbandoned(posts.nameOf(posts.deadRank()));
}
