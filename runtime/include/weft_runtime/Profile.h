// SPDX-License-Identifier: Apache-2.0
//
// Profile: where the time of a step goes on this rank.
//
// Time is never sampled: a step is cut at every mark of the program and at
// every change between program and runtime, and each piece is added to the
// place that began it. So the places sum to the steps, to the nanosecond.
//
//   Profile profile(descriptor);
//   profile.beginStep();                 // the place is now kData
//   profile.enter(Profile::Outside::Host);
//   profile.enterSite(3);                // ... as the program goes on
//   profile.endStep();
//   ProfileReport report = profile.report(communicator);   // all ranks call it
#ifndef WEFT_RUNTIME_PROFILE_H
#define WEFT_RUNTIME_PROFILE_H

#include "weft_runtime/Communicator.h"
#include "weft_runtime/Descriptor.h"

#include <chrono>

namespace weft {

/// One place: a site of the program, or what is outside of it (kind
/// "outside").
struct ProfiledSite {
  Site site;
  int64_t calls = 0; // in all profiled steps
  double ms = 0;     // on this rank, in all profiled steps
  double bestMs = 0; // of one call on this rank
  // on the rank where it took least, and most
  double minMs = 0;
  double maxMs = 0;
};

struct ProfileReport {
  int64_t steps = 0;
  int64_t droppedSteps = 0;
  int rank = 0;
  int worldSize = 1;
  double totalMs = 0; // the sum of all sites
  std::vector<ProfiledSite> sites;
};

class Profile {
public:
  /// What a rank does outside of the program.
  enum class Outside { Data, Host };

  explicit Profile(const Descriptor &descriptor);

  /// The clock runs; the place is Outside::Data.
  void beginStep();
  void endStep();
  void enter(Outside outside) { change(numSites + static_cast<int>(outside)); }
  /// False if the program has no such site; the place then does not change.
  bool enterSite(int64_t site);

  /// Forgets the steps so far but for their number: a first step touches its
  /// memory for the first time.
  void dropSteps();

  /// Collective: all ranks call it.
  ProfileReport report(Communicator &communicator) const;

private:
  using Clock = std::chrono::steady_clock;
  struct Place {
    int64_t calls = 0;
    std::chrono::nanoseconds time{};
    std::chrono::nanoseconds best = std::chrono::nanoseconds::max();
  };
  void change(int64_t next);
  void close();

  const Descriptor &descriptor;
  int64_t numSites;
  std::vector<Place> places; // sites, then Outside
  int64_t current = 0;
  Clock::time_point since;
  int64_t steps = 0;
  int64_t droppedSteps = 0;
};

/// One object: steps, total_ms, and per site its fields of the descriptor,
/// calls, ms, share of the total, best_ms (of a call), min_ms and max_ms (of
/// the ranks).
std::string profileJson(const ProfileReport &report);

/// For people: per kind of work, and in it per kernel, milliseconds a step;
/// the `numRows` longest kernels have a row, the others one row per kind, so
/// that the rows sum to the step.
std::string profileTable(const ProfileReport &report, size_t numRows = 25);

} // namespace weft

#endif // WEFT_RUNTIME_PROFILE_H
