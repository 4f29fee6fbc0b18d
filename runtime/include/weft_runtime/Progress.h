// SPDX-License-Identifier: Apache-2.0
//
// Progress: the lines a person reads and the lines a script reads, one per
// step.
#ifndef WEFT_RUNTIME_PROGRESS_H
#define WEFT_RUNTIME_PROGRESS_H

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace weft {

/// What one step reports.
struct StepReport {
  int64_t step = 0; // from 1
  double loss = 0;
  double gradNorm = 0;
  double tokens = 0;
  double stepMs = 0;
  bool isSkipped = false;
};

/// {"step":1,"loss":5.54,"grad_norm":1.2,"tokens":4096,"step_ms":12.3,
///  "skipped":0}; a value that is not finite is null.
std::string metricsLine(const StepReport &report);

/// "step  10/150  loss 5.5412  grad norm 1.203  12.3k tokens/s  84.0 ms/step
/// ETA 12s".
std::string progressLine(const StepReport &report, int64_t steps,
                         double tokensPerSecond, double secondsLeft);

class Progress {
public:
  /// `metricsPath` empty: no file. Throws Error(Storage).
  Progress(int64_t steps, int64_t logEvery, const std::string &metricsPath);
  ~Progress();
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;
  /// Throws Error(Storage) if the line can't be added to the file.
  void report(const StepReport &report);

private:
  [[noreturn]] void failMetrics() const;

  int64_t steps;
  int64_t logEvery;
  std::string metricsPath;
  std::FILE *metrics = nullptr;
  // since the last line
  double tokens = 0;
  double milliseconds = 0;
  int64_t numSteps = 0;
};

} // namespace weft

#endif // WEFT_RUNTIME_PROGRESS_H
