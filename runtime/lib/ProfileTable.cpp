// SPDX-License-Identifier: Apache-2.0
//
// The profile as a table for people.
//
//   1. Sites of one kernel (or one op outside of kernels) become one row.
//   2. Rows are grouped by kind, both sorted by time.
//   3. Rows past the longest `numRows` of all kinds become "others" of theirs.
#include "weft_runtime/Profile.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <map>

using namespace weft;

namespace {
/// What all sites of a row add up to, in all steps.
struct Row {
  std::string name;
  std::string detail;
  double ms = 0;
  double bestMs = 0;
  double flops = 0;
  double bytes = 0;
  int64_t calls = 0;

  void add(const Row &other) {
    ms += other.ms;
    bestMs += other.bestMs;
    flops += other.flops;
    bytes += other.bytes;
    calls += other.calls;
  }
};

struct Kind {
  Row total;
  std::vector<Row> rows;
};
} // namespace

static bool isLonger(const Row &a, const Row &b) {
  return a.ms != b.ms ? a.ms > b.ms : a.name < b.name;
}

static Row rowOf(const ProfiledSite &profiled) {
  const Site &site = profiled.site;
  auto calls = static_cast<double>(profiled.calls);
  Row row;
  row.name = site.op;
  row.detail = site.kernel;
  row.ms = profiled.ms;
  row.bestMs = profiled.bestMs * calls;
  row.flops = static_cast<double>(site.flops) * calls;
  row.bytes = static_cast<double>(site.bytes) * calls;
  row.calls = profiled.calls;
  return row;
}

static std::vector<Kind> groupByKind(const ProfileReport &report) {
  std::map<std::string, std::map<std::string, Row>> groups;
  for (const ProfiledSite &profiled : report.sites) {
    Row row = rowOf(profiled);
    Row &sum = groups[profiled.site.kind][row.name + " " + row.detail];
    sum.name = row.name;
    sum.detail = row.detail;
    sum.add(row);
  }
  std::vector<Kind> kinds;
  for (const auto &[name, rows] : groups) {
    Kind kind;
    kind.total.name = name;
    for (const auto &[key, row] : rows) {
      kind.total.add(row);
      kind.rows.push_back(row);
      // A transfer takes the time of its start and of its wait together.
      if (name == "collective")
        kind.rows.back().bytes = 0;
    }
    std::sort(kind.rows.begin(), kind.rows.end(), isLonger);
    kinds.push_back(std::move(kind));
  }
  std::sort(kinds.begin(), kinds.end(), [](const Kind &a, const Kind &b) {
    return isLonger(a.total, b.total);
  });
  return kinds;
}

/// The time of the last row that is shown by itself.
static double leastShown(const std::vector<Kind> &kinds, size_t numRows) {
  std::vector<double> times;
  for (const Kind &kind : kinds)
    for (const Row &row : kind.rows)
      times.push_back(row.ms);
  std::sort(times.rbegin(), times.rend());
  return times.size() <= numRows ? 0 : times[numRows - 1];
}

/// Rows shorter than `least` as one.
static void foldShort(Kind &kind, double least) {
  auto isShort = [&](const Row &row) { return row.ms < least; };
  auto first = std::find_if(kind.rows.begin(), kind.rows.end(), isShort);
  if (kind.rows.end() - first < 2)
    return;
  Row others;
  others.name = std::to_string(kind.rows.end() - first) + " others";
  for (auto row = first; row != kind.rows.end(); ++row)
    others.add(*row);
  kind.rows.erase(first, kind.rows.end());
  kind.rows.push_back(std::move(others));
}

static std::string number(const char *format, double value) {
  char text[32];
  std::snprintf(text, sizeof(text), format, value);
  return text;
}

/// ms, share, best, calls, rates, name; all of one step.
static std::string line(const Row &row, const ProfileReport &report,
                        const char *indent) {
  auto steps = static_cast<double>(report.steps);
  double calls = static_cast<double>(row.calls) / steps;
  bool isWork = row.ms > 0;
  std::string gflops =
      isWork && row.flops > 0 ? number("%.1f", row.flops / row.ms / 1e6) : "";
  std::string gigabytes =
      isWork && row.bytes > 0 ? number("%.1f", row.bytes / row.ms / 1e6) : "";
  char text[128];
  std::snprintf(text, sizeof(text), "%10.3f %6.1f %10.3f %7.4g %8s %7s  ",
                row.ms / steps,
                report.totalMs > 0 ? 100 * row.ms / report.totalMs : 0.0,
                row.bestMs / steps, calls, gflops.c_str(), gigabytes.c_str());
  std::string result = text + (indent + row.name);
  if (!row.detail.empty())
    result += "  [" + row.detail + "]";
  return result + "\n";
}

std::string weft::profileTable(const ProfileReport &report, size_t numRows) {
  if (report.steps == 0)
    return "profile: no step was profiled\n";
  std::vector<Kind> kinds = groupByKind(report);
  double least = leastShown(kinds, numRows);
  Row total;
  total.name = "the step";
  std::string lines;
  for (Kind &kind : kinds) {
    total.add(kind.total);
    lines += line(kind.total, report, "");
    foldShort(kind, least);
    for (const Row &row : kind.rows)
      lines += line(row, report, "  ");
  }
  total.flops = total.bytes = 0; // of kinds of work, not of a step
  total.calls = report.steps;
  char title[160];
  std::snprintf(title, sizeof(title),
                "profile of rank %d of %d over %" PRId64 " steps (%" PRId64
                " before them not counted), of one step:\n",
                report.rank, report.worldSize, report.steps,
                report.droppedSteps);
  return title +
         std::string(
             "        ms      %    best ms   calls  GFLOP/s    GB/s\n") +
         lines + line(total, report, "") +
         "best ms: if every call took what the fastest one did; a collective's "
         "excess is mostly waiting for a peer\n";
}
