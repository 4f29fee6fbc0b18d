// SPDX-License-Identifier: Apache-2.0
//
// Progress: formatting and the metrics file, which is flushed line by line so
// that it can be followed.
#include "weft_runtime/Progress.h"
#include "weft_runtime/Error.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstring>

using namespace weft;

std::string weft::metricsLine(const StepReport &report) {
  nlohmann::ordered_json line;
  line["step"] = report.step;
  line["loss"] = report.loss;
  line["grad_norm"] = report.gradNorm;
  line["tokens"] = static_cast<int64_t>(report.tokens);
  line["step_ms"] = report.stepMs;
  line["skipped"] = report.isSkipped ? 1 : 0;
  return line.dump();
}

static std::string compact(double count) {
  char text[32];
  if (count >= 1e6)
    std::snprintf(text, sizeof(text), "%.2fM", count / 1e6);
  else if (count >= 1e4)
    std::snprintf(text, sizeof(text), "%.1fk", count / 1e3);
  else
    std::snprintf(text, sizeof(text), "%.0f", count);
  return text;
}

static std::string duration(double seconds) {
  auto whole = static_cast<int64_t>(seconds + 0.5);
  char text[64];
  if (whole >= 3600)
    std::snprintf(text, sizeof(text), "%" PRId64 "h %02" PRId64 "m",
                  whole / 3600, whole / 60 % 60);
  else if (whole >= 60)
    std::snprintf(text, sizeof(text), "%" PRId64 "m %02" PRId64 "s", whole / 60,
                  whole % 60);
  else
    std::snprintf(text, sizeof(text), "%" PRId64 "s", whole);
  return text;
}

std::string weft::progressLine(const StepReport &report, int64_t steps,
                               double tokensPerSecond, double secondsLeft) {
  int width = static_cast<int>(std::to_string(steps).size());
  char text[256];
  std::snprintf(text, sizeof(text),
                "step %*" PRId64 "/%" PRId64
                "  loss %.4f  grad norm %.3f  %s tokens/s  %.1f ms/step  ETA "
                "%s%s",
                width, report.step, steps, report.loss, report.gradNorm,
                compact(tokensPerSecond).c_str(), report.stepMs,
                duration(secondsLeft).c_str(),
                report.isSkipped ? "  (update skipped)" : "");
  return text;
}

Progress::Progress(int64_t steps, int64_t logEvery,
                   const std::string &metricsPath)
    : steps(steps), logEvery(std::max<int64_t>(logEvery, 1)),
      metricsPath(metricsPath) {
  if (metricsPath.empty())
    return;
  metrics = std::fopen(metricsPath.c_str(), "w");
  if (!metrics)
    failMetrics();
}

void Progress::failMetrics() const {
  throw Error(ExitCode::Storage,
              quote(metricsPath) +
                  " cannot be written: " + std::strerror(errno),
              "check that the folder is writable and the disk has room");
}

Progress::~Progress() {
  if (metrics)
    std::fclose(metrics);
}

void Progress::report(const StepReport &report) {
  if (metrics) {
    int written = std::fprintf(metrics, "%s\n", metricsLine(report).c_str());
    if (written < 0 || std::fflush(metrics) != 0)
      failMetrics();
  }
  tokens += report.tokens;
  milliseconds += report.stepMs;
  ++numSteps;
  if (report.step != 1 && report.step != steps && report.step % logEvery != 0)
    return;
  StepReport shown = report;
  shown.stepMs = milliseconds / static_cast<double>(numSteps);
  double left = static_cast<double>(steps - report.step) * shown.stepMs / 1e3;
  std::string line =
      progressLine(shown, steps, tokens / (milliseconds / 1e3), left);
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
  tokens = milliseconds = 0;
  numSteps = 0;
}
