// SPDX-License-Identifier: Apache-2.0
//
// InProcess: heads in the memory of the process; addresses are themselves.
#include "weft_runtime/InProcess.h"

#include <cstdlib>
#include <numeric>

using namespace weft;

/// A thread does not die alone, so only a hang could end its waiting.
static constexpr double timeoutSeconds = 600;

InProcessHub::InProcessHub(int worldSize) {
  for (int rank = 0; rank < worldSize; ++rank) {
    // Pages that nobody touches are never made.
    void *head = std::calloc(Posts::headBytes() + 64, 1);
    heads.emplace_back(static_cast<std::byte *>(head), std::free);
  }
}

static std::vector<int> ranksOf(const InProcessHub &hub) {
  std::vector<int> ranks(hub.worldSize());
  std::iota(ranks.begin(), ranks.end(), 0);
  return ranks;
}

InProcessCommunicator::InProcessCommunicator(InProcessHub &hub, int rank)
    : PeerMemoryCommunicator(rank, ranksOf(hub), timeoutSeconds) {
  std::vector<std::byte *> aligned;
  for (const auto &head : hub.heads)
    aligned.push_back(reinterpret_cast<std::byte *>(
        (reinterpret_cast<intptr_t>(head.get()) + 63) / 64 * 64));
  posts.connect(std::move(aligned));
  onGroupAdded(world());
}

InProcessCommunicator::~InProcessCommunicator() {
  leave(ExitCode::Done, /*culprit=*/-1);
}
