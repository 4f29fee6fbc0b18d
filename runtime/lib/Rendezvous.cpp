// SPDX-License-Identifier: Apache-2.0
//
// Rendezvous: passes the file descriptors of all ranks of one host through an
// abstract unix socket, which needs no file and vanishes with its owner. Rank
// 0 serves; everybody else connects, sends its handles and gets all of them.
#include "weft_runtime/SharedMemory.h"

#include <chrono>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>
#include <xxhash.h>

using namespace weft;
using Clock = std::chrono::steady_clock;

namespace {
/// What travels beside the two descriptors.
struct Hello {
  uint32_t magic = 0x54464557; // "WEFT"
  int32_t rank = 0;
  int32_t worldSize = 0;
};

/// A socket closed at the end of its scope.
struct Socket {
  int fd = -1;
  explicit Socket(int fd = -1) : fd(fd) {}
  Socket(Socket &&other) noexcept : fd(std::exchange(other.fd, -1)) {}
  Socket &operator=(Socket &&other) noexcept {
    std::swap(fd, other.fd);
    return *this;
  }
  ~Socket() {
    if (fd >= 0)
      close(fd);
  }
};

struct Address {
  sockaddr_un address{};
  socklen_t size = 0;
  std::string text;
};
} // namespace

static Error tooManyFiles() {
  return Error(ExitCode::Usage,
               "there are too many open files for all ranks of the host to "
               "map each other's memory",
               "raise the limit: ulimit -n");
}

static Socket makeSocket() {
  Socket result(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (result.fd < 0)
    throw tooManyFiles();
  return result;
}

static Address addressOf(const Bootstrap &bootstrap) {
  Address result;
  result.text = "weft:" + bootstrap.masterAddress + ":" +
                std::to_string(bootstrap.masterPort) + ":" + bootstrap.runId;
  result.address.sun_family = AF_UNIX;
  // A leading NUL makes the name abstract; a long one is replaced by its hash.
  std::string name = result.text;
  if (name.size() >= sizeof(result.address.sun_path))
    name = "weft:" + std::to_string(XXH64(name.data(), name.size(), 0));
  name.copy(result.address.sun_path + 1, name.size());
  result.size = offsetof(sockaddr_un, sun_path) + 1 + name.size();
  return result;
}

static bool sendHandles(int socket, const Hello &hello,
                        const PeerHandles &handles) {
  Hello copy = hello;
  iovec data{&copy, sizeof(copy)};
  alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(2 * sizeof(int));
  int descriptors[2] = {handles.arena, handles.process};
  std::memcpy(CMSG_DATA(header), descriptors, sizeof(descriptors));
  return sendmsg(socket, &message, MSG_NOSIGNAL) == sizeof(copy);
}

static bool receiveHandles(int socket, Hello &hello, PeerHandles &handles) {
  iovec data{&hello, sizeof(hello)};
  alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != sizeof(hello) ||
      hello.magic != Hello().magic)
    return false;
  if (message.msg_flags & MSG_CTRUNC) // not all of them could be opened here
    throw tooManyFiles();
  cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (!header || header->cmsg_len != CMSG_LEN(2 * sizeof(int)))
    return false;
  int descriptors[2];
  std::memcpy(descriptors, CMSG_DATA(header), sizeof(descriptors));
  handles = {descriptors[0], descriptors[1]};
  return true;
}

static bool isOwnUser(int socket) {
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) ==
             0 &&
         credentials.uid == getuid();
}

/// The ranks other than 0 that have, or have not, come.
static std::vector<int> ranksThat(bool haveCome,
                                  const std::vector<Socket> &clients) {
  std::vector<int> ranks;
  for (size_t rank = 1; rank < clients.size(); ++rank)
    if ((clients[rank].fd >= 0) == haveCome)
      ranks.push_back(static_cast<int>(rank));
  return ranks;
}

static PeerFailed diedAtStart(int rank) {
  return PeerFailed(rank, -1,
                    "rank " + std::to_string(rank) + " died at the start");
}

/// Takes one connection: which rank it is and its handles.
static void admit(Socket client, const Bootstrap &bootstrap,
                  std::vector<Socket> &clients,
                  std::vector<PeerHandles> &handles) {
  Hello hello;
  PeerHandles received;
  if (!isOwnUser(client.fd) || !receiveHandles(client.fd, hello, received))
    return; // a stranger; whoever is missing is named at the timeout
  if (hello.worldSize != bootstrap.worldSize)
    throw Error(ExitCode::RanksDisagree,
                "rank " + std::to_string(hello.rank) +
                    " has another world size: got " +
                    std::to_string(hello.worldSize) + ", expected " +
                    std::to_string(bootstrap.worldSize));
  if (hello.rank <= 0 || hello.rank >= bootstrap.worldSize ||
      clients[hello.rank].fd >= 0)
    throw Error(ExitCode::Usage,
                "two processes have the same rank: got rank " +
                    std::to_string(hello.rank) + " twice",
                "give each process its own RANK, or another MASTER_PORT to "
                "each run");
  clients[hello.rank] = std::move(client);
  handles[hello.rank] = received;
}

/// Waits until somebody new is at `listener`; a client that hangs up first is
/// a dead rank.
static void awaitClient(int listener, const std::vector<Socket> &clients,
                        Clock::time_point deadline) {
  std::vector<int> present = ranksThat(/*haveCome=*/true, clients);
  std::vector<pollfd> polled{{listener, POLLIN, 0}};
  for (int rank : present)
    polled.push_back({clients[rank].fd, POLLRDHUP, 0});
  auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline - Clock::now());
  if (left.count() <= 0 ||
      poll(polled.data(), polled.size(), static_cast<int>(left.count())) == 0) {
    std::string missing;
    for (int rank : ranksThat(/*haveCome=*/false, clients))
      missing += (missing.empty() ? "" : ", ") + std::to_string(rank);
    throw Error(ExitCode::Hang, "ranks are missing at the start: " + missing,
                "start every rank of the world size with the same "
                "MASTER_ADDR and MASTER_PORT");
  }
  for (size_t i = 0; i < present.size(); ++i)
    if (polled[i + 1].revents)
      throw diedAtStart(present[i]);
}

static std::vector<PeerHandles> serve(const Bootstrap &bootstrap,
                                      const PeerHandles &own,
                                      Clock::time_point deadline) {
  Address address = addressOf(bootstrap);
  Socket listener = makeSocket();
  if (bind(listener.fd, reinterpret_cast<sockaddr *>(&address.address),
           address.size) != 0 ||
      listen(listener.fd, bootstrap.worldSize) != 0)
    throw Error(ExitCode::Usage,
                "socket " + quote(address.text) +
                    " is taken: " + std::strerror(errno),
                "set another MASTER_PORT or --run-id for this run");

  std::vector<Socket> clients(bootstrap.worldSize);
  std::vector<PeerHandles> handles(bootstrap.worldSize);
  handles[0] = own;
  while (!ranksThat(/*haveCome=*/false, clients).empty()) {
    awaitClient(listener.fd, clients, deadline);
    Socket client(accept4(listener.fd, nullptr, nullptr, SOCK_CLOEXEC));
    if (client.fd < 0 && (errno == EMFILE || errno == ENFILE))
      throw tooManyFiles();
    if (client.fd >= 0)
      admit(std::move(client), bootstrap, clients, handles);
  }
  for (int to = 1; to < bootstrap.worldSize; ++to)
    for (int of = 0; of < bootstrap.worldSize; ++of)
      if (of != to &&
          !sendHandles(clients[to].fd, {Hello().magic, of, bootstrap.worldSize},
                       handles[of]))
        throw diedAtStart(to);
  return handles;
}

static std::vector<PeerHandles> connectToServer(const Bootstrap &bootstrap,
                                                const PeerHandles &own,
                                                Clock::time_point deadline) {
  Address address = addressOf(bootstrap);
  Socket server = makeSocket();
  while (connect(server.fd, reinterpret_cast<sockaddr *>(&address.address),
                 address.size) != 0) {
    if (Clock::now() > deadline)
      throw Error(ExitCode::Hang, "rank 0 is missing at the start: nobody "
                                  "serves " +
                                      quote(address.text));
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  timeval patience{};
  patience.tv_sec = static_cast<time_t>(bootstrap.timeoutSeconds) + 1;
  setsockopt(server.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));

  std::vector<PeerHandles> handles(bootstrap.worldSize);
  handles[bootstrap.rank] = own;
  Hello hello{Hello().magic, bootstrap.rank, bootstrap.worldSize};
  bool isAlive = sendHandles(server.fd, hello, own);
  for (int i = 1; isAlive && i < bootstrap.worldSize; ++i) {
    PeerHandles received;
    isAlive = receiveHandles(server.fd, hello, received);
    if (isAlive)
      handles.at(hello.rank) = received;
  }
  if (!isAlive)
    throw PeerFailed(0, -1, "rank 0 ended at the start");
  return handles;
}

std::vector<PeerHandles> weft::exchangeHandles(const Bootstrap &bootstrap,
                                               const PeerHandles &own) {
  auto deadline = Clock::now() + std::chrono::milliseconds(static_cast<int64_t>(
                                     bootstrap.timeoutSeconds * 1e3));
  return bootstrap.rank == 0 ? serve(bootstrap, own, deadline)
                             : connectToServer(bootstrap, own, deadline);
}
