// SPDX-License-Identifier: Apache-2.0
//
// Liveness: the star of TCP connections and the thread that listens to it.
#include "weft_runtime/Liveness.h"

#include <chrono>
#include <cstring>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

using namespace weft;
using Clock = std::chrono::steady_clock;

[[noreturn]] static void failStart(const std::string &what) {
  throw Error(ExitCode::Hang, what + " at the start: " + std::strerror(errno),
              "start every rank of the world size with the same MASTER_ADDR "
              "and MASTER_PORT");
}

static bool sendAll(int socket, const void *data, size_t bytes) {
  return send(socket, data, bytes, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes);
}

static bool receiveAll(int socket, void *data, size_t bytes) {
  return recv(socket, data, bytes, MSG_WAITALL) == static_cast<ssize_t>(bytes);
}

Liveness::Liveness(LivenessOptions given)
    : options(std::move(given)), sockets(options.worldSize, -1) {
  if (options.rank == 0)
    serve();
  else
    connectToServer();
  wake = eventfd(0, EFD_CLOEXEC);
  watcher = std::thread([this] { watch(); });
}

Liveness::~Liveness() {
  leave(ExitCode::Done, /*culprit=*/-1);
  {
    std::lock_guard lock(mutex);
    isStopping = true;
  }
  changed.notify_all();
  eventfd_write(wake, 1);
  watcher.join();
  close(wake);
  for (int socket : sockets)
    if (socket >= 0)
      close(socket);
}

void Liveness::serve() {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  socklen_t size = sizeof(address);
  auto *generic = reinterpret_cast<sockaddr *>(&address);
  if (bind(listener, generic, size) != 0 ||
      listen(listener, options.worldSize) != 0 ||
      getsockname(listener, generic, &size) != 0)
    failStart("rank 0 cannot listen");
  options.publish(ntohs(address.sin_port));

  auto deadline =
      Clock::now() + std::chrono::duration<double>(options.timeoutSeconds);
  for (int missing = options.worldSize - 1; missing > 0;) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - Clock::now());
    pollfd polled{listener, POLLIN, 0};
    if (left.count() <= 0 ||
        poll(&polled, 1, static_cast<int>(left.count())) == 0)
      failStart(std::to_string(missing) + " ranks are missing");
    int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    int32_t rank = 0;
    if (client < 0 || !receiveAll(client, &rank, sizeof(rank)) || rank <= 0 ||
        rank >= options.worldSize || sockets[rank] >= 0) {
      close(client);
      continue;
    }
    sockets[rank] = client;
    --missing;
  }
  close(listener);
}

void Liveness::connectToServer() {
  auto [host, port] = options.lookUp();
  addrinfo hints{}, *found = nullptr;
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) !=
      0)
    failStart("host " + quote(host) + " is unknown");
  int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int connected = connect(server, found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  int32_t rank = options.rank;
  int on = 1;
  setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  setsockopt(server, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  if (connected != 0 || !sendAll(server, &rank, sizeof(rank)))
    failStart("rank 0 cannot be reached");
  sockets[0] = server;
}

//===----------------------------------------------------------------------===//
// News
//===----------------------------------------------------------------------===//

void Liveness::leave(ExitCode code, int culprit) {
  std::lock_guard lock(mutex);
  if (std::exchange(hasLeft, true))
    return;
  spread({options.rank, static_cast<int32_t>(code), culprit}, /*except=*/-1);
}

/// Sends news to all connected peers; the caller holds the mutex.
void Liveness::spread(const News &item, int except) {
  for (size_t peer = 0; peer < sockets.size(); ++peer)
    if (sockets[peer] >= 0 && static_cast<int>(peer) != except)
      sendAll(sockets[peer], &item, sizeof(item));
}

/// Takes what the connection to `peer` has to say: news, or its end.
void Liveness::hear(int peer) {
  News item{};
  bool isOpen = receiveAll(sockets[peer], &item, sizeof(item));
  std::lock_guard lock(mutex);
  if (!isOpen) {
    close(std::exchange(sockets[peer], -1));
    for (const News &known : news)
      if (known.rank == peer)
        return; // it had said goodbye
    item = {peer, -1, peer};
  }
  news.push_back(item);
  if (options.rank == 0)
    spread(item, /*except=*/peer);
  changed.notify_all();
}

void Liveness::watch() {
  while (true) {
    std::vector<pollfd> polled{{wake, POLLIN, 0}};
    std::vector<int> peers{-1};
    for (int peer = 0; peer < options.worldSize; ++peer)
      if (sockets[peer] >= 0) {
        polled.push_back({sockets[peer], POLLIN | POLLRDHUP, 0});
        peers.push_back(peer);
      }
    poll(polled.data(), polled.size(), -1);
    if (polled[0].revents)
      return;
    for (size_t i = 1; i < polled.size(); ++i)
      if (polled[i].revents)
        hear(peers[i]);

    std::unique_lock lock(mutex);
    int dead = -1;
    for (const News &item : news)
      if (item.leftWith < 0)
        dead = item.rank;
    if (dead < 0)
      continue;
    bool ended = changed.wait_for(
        lock, std::chrono::duration<double>(options.patienceSeconds),
        [&] { return isStopping; });
    if (!ended && options.onAbandoned)
      options.onAbandoned(dead);
    return;
  }
}

/// A death before a departure; the caller holds the mutex.
std::optional<PeerFailed> Liveness::explain() const {
  const News *reason = nullptr;
  for (const News &item : news)
    if (!reason || (item.leftWith < 0 && reason->leftWith >= 0))
      reason = &item;
  if (!reason)
    return std::nullopt;
  int culprit = reason->culprit >= 0 ? reason->culprit : reason->rank;
  std::string how = " died";
  if (culprit != reason->rank)
    how = " is gone";
  else if (reason->leftWith >= 0)
    how = " left with exit code " + std::to_string(reason->leftWith);
  return PeerFailed(culprit, reason->leftWith,
                    "rank " + std::to_string(culprit) + how);
}

std::optional<PeerFailed> Liveness::explainFailure(double seconds) {
  std::unique_lock lock(mutex);
  changed.wait_for(lock, std::chrono::duration<double>(seconds),
                   [&] { return !news.empty(); });
  return explain();
}
