// SPDX-License-Identifier: Apache-2.0
//
// Launcher: fork, exec, wait. Signals are blocked and taken by sigtimedwait,
// so there is no handler and no race with a child that ends.
#include "weft_runtime/Launcher.h"
#include "weft_runtime/Error.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <netinet/in.h>
#include <optional>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace weft;
using Clock = std::chrono::steady_clock;

namespace {
/// The ranks of one run and what has become of them.
class Children {
public:
  Children(const std::vector<std::string> &arguments,
           const LaunchOptions &options, const sigset_t &blocked);
  int wait();

private:
  [[noreturn]] void become(int rank, const sigset_t &previous) const;
  void reap();
  void noteEnd(int rank, int status);
  void signalAll(int signal) const;
  void killLate();
  int exitCode() const;

  const std::vector<std::string> &arguments;
  const LaunchOptions &options;
  sigset_t signals;
  std::string runId;
  std::string port;
  std::vector<pid_t> running; // 0: has ended
  std::vector<int> failures;  // exit codes in the order of ending
  bool wasKilled = false;     // a rank died by a signal that is not ours
  bool isStopping = false;    // we were asked to stop
  bool isKilling = false;
  std::optional<Clock::time_point> firstFailure;
  std::optional<Clock::time_point> stopSignal;
};
} // namespace

static std::string describe(int rank) { return "rank " + std::to_string(rank); }

/// A port nobody listens on now. Shared memory only needs the number; Gloo's
/// store listens on it.
static int freePort() {
  int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto *generic = reinterpret_cast<sockaddr *>(&address);
  int port = 29500;
  if (descriptor >= 0 && bind(descriptor, generic, size) == 0 &&
      getsockname(descriptor, generic, &size) == 0)
    port = ntohs(address.sin_port);
  if (descriptor >= 0)
    close(descriptor);
  return port;
}

Children::Children(const std::vector<std::string> &arguments,
                   const LaunchOptions &options, const sigset_t &previous)
    : arguments(arguments), options(options),
      runId(options.runId.empty() ? "run" + std::to_string(getpid())
                                  : options.runId),
      port(std::to_string(freePort())) {
  sigemptyset(&signals);
  for (int signal : {SIGCHLD, SIGTERM, SIGINT})
    sigaddset(&signals, signal);
  std::fflush(nullptr); // else each child has a copy of what is buffered
  for (int rank = 0; rank < options.numRanks; ++rank) {
    pid_t child = fork();
    if (child == 0)
      become(rank, previous);
    if (child < 0) {
      signalAll(SIGKILL);
      throw Error(ExitCode::Internal, describe(rank) + " cannot be started: " +
                                          std::strerror(errno));
    }
    running.push_back(child);
  }
}

void Children::become(int rank, const sigset_t &previous) const {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigprocmask(SIG_SETMASK, &previous, nullptr);
  std::string number = std::to_string(rank);
  std::string size = std::to_string(options.numRanks);
  const std::pair<const char *, std::string> variables[] = {
      {"RANK", number},       {"WORLD_SIZE", size},
      {"LOCAL_RANK", number}, {"LOCAL_WORLD_SIZE", size},
      {"MASTER_PORT", port},  {"MASTER_ADDR", "127.0.0.1"},
      {"WEFT_RUN_ID", runId},
  };
  for (const auto &[name, value] : variables)
    setenv(name, value.c_str(), /*overwrite=*/1);
  unsetenv("TORCHELASTIC_USE_AGENT_STORE"); // an outer torchrun is not ours
  std::vector<char *> pointers;
  for (const std::string &argument : arguments)
    pointers.push_back(const_cast<char *>(argument.c_str()));
  pointers.push_back(nullptr);
  execv(pointers[0], pointers.data());
  std::fprintf(stderr, "weft: %s cannot be executed: %s\n", pointers[0],
               std::strerror(errno));
  _exit(static_cast<int>(ExitCode::InputFile));
}

void Children::signalAll(int signal) const {
  for (pid_t child : running)
    if (child > 0)
      kill(child, signal);
}

void Children::noteEnd(int rank, int status) {
  running[rank] = 0;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return;
  if (!firstFailure)
    firstFailure = Clock::now();
  if (WIFEXITED(status)) {
    failures.push_back(WEXITSTATUS(status));
    return;
  }
  if (isKilling)
    return;
  wasKilled |= !isStopping || WTERMSIG(status) == SIGKILL;
  if (!isStopping)
    std::fprintf(stderr,
                 "weft: rank %d was killed by signal %d (%s); the others "
                 "leave\n",
                 rank, WTERMSIG(status), strsignal(WTERMSIG(status)));
}

void Children::reap() {
  for (size_t rank = 0; rank < running.size(); ++rank) {
    int status = 0;
    if (running[rank] > 0 && waitpid(running[rank], &status, WNOHANG) > 0)
      noteEnd(static_cast<int>(rank), status);
  }
}

/// Kills what has not left in time: a rank that waits for one which is no more,
/// or that is itself stopped (SIGSTOP) and sees no signal.
void Children::killLate() {
  auto isOver = [](const auto &since, double seconds) {
    return since &&
           Clock::now() - *since > std::chrono::duration<double>(seconds);
  };
  bool isLate = isOver(stopSignal, options.stopSeconds);
  if (isKilling || !(isLate || isOver(firstFailure, options.graceSeconds)))
    return;
  isKilling = true;
  for (size_t rank = 0; rank < running.size(); ++rank)
    if (running[rank] > 0 && isLate)
      std::fprintf(stderr, "weft: rank %zu did not stop within %g s: killed\n",
                   rank, options.stopSeconds);
  signalAll(SIGKILL);
}

int Children::exitCode() const {
  const int peer = static_cast<int>(ExitCode::PeerFailed);
  const int stopped = static_cast<int>(ExitCode::Stopped);
  if (wasKilled)
    return peer;
  if (isStopping && (isKilling || !failures.empty()))
    return stopped;
  for (int code : failures)
    if (code != peer && code != stopped)
      return code;
  return failures.empty() ? 0 : failures.front();
}

int Children::wait() {
  auto isOver = [&] {
    return std::all_of(running.begin(), running.end(),
                       [](pid_t child) { return child == 0; });
  };
  while (!isOver()) {
    timespec slice{0, 100'000'000};
    int signal = sigtimedwait(&signals, nullptr, &slice);
    if (signal == SIGTERM || signal == SIGINT) {
      isStopping = true;
      if (!stopSignal)
        stopSignal = Clock::now();
      signalAll(SIGTERM);
    }
    reap();
    killLate();
  }
  return exitCode();
}

int weft::spawnLocalRanks(const std::vector<std::string> &arguments,
                          const LaunchOptions &options) {
  sigset_t blocked, previous;
  sigemptyset(&blocked);
  for (int signal : {SIGCHLD, SIGTERM, SIGINT})
    sigaddset(&blocked, signal);
  sigprocmask(SIG_BLOCK, &blocked, &previous);
  int code = Children(arguments, options, previous).wait();
  sigprocmask(SIG_SETMASK, &previous, nullptr);
  return code;
}
