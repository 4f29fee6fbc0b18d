// SPDX-License-Identifier: Apache-2.0
//
// Liveness: who has died or left, across hosts. Every rank holds one TCP
// connection to rank 0, which tells all others what it hears: a rank that
// leaves says so first, a connection that just closes is a death. Libraries
// like Gloo only notice their neighbours, and do not name them.
#ifndef WEFT_RUNTIME_LIVENESS_H
#define WEFT_RUNTIME_LIVENESS_H

#include "weft_runtime/Error.h"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace weft {

struct LivenessOptions {
  int rank = 0;
  int worldSize = 1;
  double timeoutSeconds = 600;
  /// How long after a peer's death this process may go on computing.
  double patienceSeconds = 1.0;
  /// Rank 0 makes its port known, the others ask for "host" and port.
  std::function<void(int port)> publish;
  std::function<std::pair<std::string, int>()> lookUp;
  /// Called on the watcher's thread when patience is over; should not return.
  std::function<void(int rank)> onAbandoned;
};

class Liveness {
public:
  /// Returns when all ranks are connected; throws Error(Hang) if they do not
  /// come.
  explicit Liveness(LivenessOptions options);
  ~Liveness();
  Liveness(const Liveness &) = delete;
  Liveness &operator=(const Liveness &) = delete;

  /// Tells the others that this rank ends with `code` because of `culprit`.
  void leave(ExitCode code, int culprit);
  /// The error that explains why a collective failed, waiting up to
  /// `seconds` for the news to come; nothing if all peers are well.
  std::optional<PeerFailed> explainFailure(double seconds);

private:
  /// News of one rank, as it travels.
  struct News {
    int32_t rank;
    int32_t leftWith; // -1: it died
    int32_t culprit;
  };
  void serve();
  void connectToServer();
  void watch();
  void hear(int peer);
  void spread(const News &news, int except);
  std::optional<PeerFailed> explain() const;

  LivenessOptions options;
  std::vector<int> sockets; // by peer; on others than rank 0 only entry 0
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<News> news;
  bool hasLeft = false;
  bool isStopping = false;
  int wake = -1; // eventfd
  std::thread watcher;
};

} // namespace weft

#endif // WEFT_RUNTIME_LIVENESS_H
