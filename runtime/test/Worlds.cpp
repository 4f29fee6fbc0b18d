// SPDX-License-Identifier: Apache-2.0
//
// Worlds: threads and forked processes behind one function.
#include "Worlds.h"

#include "weft_runtime/InProcess.h"
#include "weft_runtime/SharedMemory.h"

#include <cstdlib>
#include <dlfcn.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace weft;
using namespace weft::test;

static std::string answerOf(const RankBody &body, Communicator &communicator) {
  try {
    return body(communicator);
  } catch (const PeerFailed &error) {
    communicator.leave(error.code(), error.rank());
    return "exit " + std::to_string(static_cast<int>(error.code())) + ": " +
           error.what();
  } catch (const Error &error) {
    communicator.leave(error.code(), communicator.rank());
    return "exit " + std::to_string(static_cast<int>(error.code())) + ": " +
           error.what();
  }
}

static std::vector<std::string> runThreads(int worldSize,
                                           const RankBody &body) {
  InProcessHub hub(worldSize);
  std::vector<std::string> answers(worldSize);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < worldSize; ++rank)
    threads.emplace_back([&, rank] {
      InProcessCommunicator communicator(hub, rank);
      answers[rank] = answerOf(body, communicator);
    });
  for (std::thread &thread : threads)
    thread.join();
  return answers;
}

static bool isSeveralHosts(const std::string &kind) {
  return kind.ends_with("_hosts");
}

static bool needsGloo(const std::string &kind) {
  return kind == "gloo" || isSeveralHosts(kind);
}

/// Moves the rank to its host: the first half of the ranks to one and the
/// others to another, or in turn.
static void settle(const std::string &kind, Bootstrap &bootstrap) {
  if (!isSeveralHosts(kind))
    return;
  int half = (bootstrap.worldSize + 1) / 2;
  int host = kind == "mixed_hosts" ? bootstrap.rank % 2 : bootstrap.rank / half;
  bootstrap.host = "host" + std::to_string(host);
  bootstrap.localWorldSize = host == 0 ? half : bootstrap.worldSize - half;
}

static int freePort() {
  int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto *generic = reinterpret_cast<sockaddr *>(&address);
  bind(descriptor, generic, size);
  getsockname(descriptor, generic, &size);
  close(descriptor);
  return ntohs(address.sin_port);
}

/// Loads the provider once: forked ranks find it, and Torch with it, in their
/// memory, and need not load them again.
static void loadProvider(const std::string &kind) {
  if (needsGloo(kind))
    dlopen(findProvider("libweft_gloo.so", {}).c_str(), RTLD_NOW | RTLD_LOCAL);
}

/// The life of a forked rank: its answer goes through `pipe`.
[[noreturn]] static void becomeRank(const std::string &kind,
                                    const Bootstrap &bootstrap,
                                    const RankBody &body, int pipe) {
  std::string answer;
  try {
    std::unique_ptr<Communicator> communicator =
        makeCommunicator(isSeveralHosts(kind) ? "auto" : kind, bootstrap,
                         /*sharedBytes=*/64 << 20);
    answer = answerOf(body, *communicator);
  } catch (const std::exception &error) {
    answer = std::string("at the start: ") + error.what();
  }
  [[maybe_unused]] ssize_t written = write(pipe, answer.data(), answer.size());
  _exit(0);
}

static std::string readAll(int descriptor) {
  std::string text;
  char block[4096];
  for (ssize_t got; (got = read(descriptor, block, sizeof(block))) > 0;)
    text.append(block, got);
  close(descriptor);
  return text;
}

static std::vector<std::string>
runProcesses(const std::string &kind, int worldSize, const RankBody &body) {
  static int numWorlds = 0;
  loadProvider(kind);
  Bootstrap bootstrap;
  bootstrap.worldSize = bootstrap.localWorldSize = worldSize;
  bootstrap.masterPort = freePort();
  bootstrap.runId =
      "test" + std::to_string(getpid()) + "." + std::to_string(numWorlds++);
  bootstrap.timeoutSeconds = 60;
  std::vector<pid_t> children;
  std::vector<int> pipes;
  for (int rank = 0; rank < worldSize; ++rank) {
    int ends[2];
    if (pipe(ends) != 0)
      std::abort();
    bootstrap.rank = bootstrap.localRank = rank;
    settle(kind, bootstrap);
    pid_t child = fork();
    if (child == 0)
      becomeRank(kind, bootstrap, body, ends[1]);
    close(ends[1]);
    children.push_back(child);
    pipes.push_back(ends[0]);
  }
  std::vector<std::string> answers;
  for (int rank = 0; rank < worldSize; ++rank) {
    answers.push_back(readAll(pipes[rank]));
    int status = 0;
    waitpid(children[rank], &status, 0);
    if (WIFSIGNALED(status))
      answers.back() = "signal " + std::to_string(WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
      answers.back() = "status " + std::to_string(WEXITSTATUS(status));
  }
  return answers;
}

std::vector<std::string> weft::test::runWorld(const std::string &kind,
                                              int worldSize,
                                              const RankBody &body) {
  return kind == "in_process" ? runThreads(worldSize, body)
                              : runProcesses(kind, worldSize, body);
}

std::string weft::test::whyUnavailable(const std::string &kind) {
  if (!needsGloo(kind))
    return "";
  try {
    findProvider("libweft_gloo.so", {});
    return "";
  } catch (const Error &) {
    return "libweft_gloo.so is not in this build";
  }
}

std::string
test::worldName(const testing::TestParamInfo<WorldTest::ParamType> &info) {
  return std::get<0>(info.param) + "_" +
         std::to_string(std::get<1>(info.param));
}
