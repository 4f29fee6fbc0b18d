// SPDX-License-Identifier: Apache-2.0
//
// InProcess: posting and awaiting addresses under one mutex.
#include "weft_runtime/InProcess.h"

using namespace weft;

InProcessCommunicator::~InProcessCommunicator() {
  leave(ExitCode::Done, /*culprit=*/-1);
}

void InProcessCommunicator::leave(ExitCode code, int culprit) {
  std::lock_guard lock(hub.mutex);
  InProcessHub::RankState &own = hub.ranks[rank()];
  if (own.hasLeft)
    return;
  own.hasLeft = true;
  own.leftWith = code;
  own.culprit = culprit;
  hub.changed.notify_all();
}

void InProcessCommunicator::awaitPost(int peer, const Group &group,
                                      uint64_t posts,
                                      std::unique_lock<std::mutex> &lock) {
  InProcessHub::RankState &state = hub.ranks[peer];
  InProcessHub::Mailbox &mailbox = state.mailboxes[group.id];
  hub.changed.wait(lock,
                   [&] { return mailbox.posts >= posts || state.hasLeft; });
  if (mailbox.posts >= posts)
    return;
  int culprit = state.culprit >= 0 ? state.culprit : peer;
  throw PeerFailed(culprit, static_cast<int>(state.leftWith),
                   "rank " + std::to_string(culprit) + " is gone");
}

PeerMemoryCommunicator::Peers InProcessCommunicator::post(const Group &group,
                                                          const void *input,
                                                          void *output) {
  std::unique_lock lock(hub.mutex);
  InProcessHub::Mailbox &own = hub.ranks[rank()].mailboxes[group.id];
  uint64_t posts = ++own.posts;
  own.inputs[posts % 2] = static_cast<const std::byte *>(input);
  own.outputs[posts % 2] = static_cast<std::byte *>(output);
  hub.changed.notify_all();

  Peers peers;
  for (int peer : group.ranks) {
    awaitPost(peer, group, posts, lock);
    InProcessHub::Mailbox &mailbox = hub.ranks[peer].mailboxes[group.id];
    peers.inputs.push_back(mailbox.inputs[posts % 2]);
    peers.outputs.push_back(mailbox.outputs[posts % 2]);
  }
  return peers;
}
