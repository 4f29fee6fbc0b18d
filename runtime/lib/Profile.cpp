// SPDX-License-Identifier: Apache-2.0
//
// Profile: the clock between marks, and the report as JSON. One reading of the
// clock ends a place and begins the next, so nothing is lost between them.
#include "weft_runtime/Profile.h"

#include <algorithm>
#include <nlohmann/json.hpp>

using namespace weft;

static constexpr int numOutside = 2;

Profile::Profile(const Descriptor &descriptor)
    : descriptor(descriptor),
      numSites(static_cast<int64_t>(descriptor.sites.size())),
      places(descriptor.sites.size() + numOutside) {}

void Profile::close() {
  Clock::time_point now = Clock::now();
  Place &place = places[current];
  place.time += now - since;
  place.best = std::min<std::chrono::nanoseconds>(place.best, now - since);
  since = now;
}

void Profile::change(int64_t next) {
  close();
  current = next;
  ++places[current].calls;
}

bool Profile::enterSite(int64_t site) {
  if (site < 0 || site >= numSites)
    return false;
  change(site);
  return true;
}

void Profile::beginStep() {
  current = numSites + static_cast<int>(Outside::Data);
  ++places[current].calls;
  since = Clock::now();
}

void Profile::endStep() {
  close();
  ++steps;
}

void Profile::dropSteps() {
  places.assign(places.size(), {});
  droppedSteps += steps;
  steps = 0;
}

static double milliseconds(std::chrono::nanoseconds time) {
  return static_cast<double>(time.count()) / 1e6;
}

ProfileReport Profile::report(Communicator &communicator) const {
  ProfileReport report;
  report.steps = steps;
  report.droppedSteps = droppedSteps;
  report.rank = communicator.rank();
  report.worldSize = communicator.worldSize();
  std::vector<double> own, least(places.size()), most(places.size());
  for (const Place &place : places)
    own.push_back(milliseconds(place.time));
  auto combine = [&](ReduceKind kind, std::vector<double> &result) {
    communicator.allReduce(communicator.world(), DType::F64, kind, own.data(),
                           result.data(), static_cast<int64_t>(own.size()));
  };
  combine(ReduceKind::Min, least);
  combine(ReduceKind::Max, most);
  const char *const names[numOutside] = {"wait for data", "host"};
  for (size_t i = 0; i < places.size(); ++i) {
    ProfiledSite profiled;
    if (i < descriptor.sites.size()) {
      profiled.site = descriptor.sites[i];
    } else {
      profiled.site.kind = "outside";
      profiled.site.op = names[i - descriptor.sites.size()];
    }
    profiled.calls = places[i].calls;
    profiled.ms = own[i];
    profiled.bestMs = places[i].calls ? milliseconds(places[i].best) : 0;
    profiled.minMs = least[i];
    profiled.maxMs = most[i];
    report.totalMs += profiled.ms;
    report.sites.push_back(std::move(profiled));
  }
  return report;
}

std::string weft::profileJson(const ProfileReport &report) {
  nlohmann::ordered_json json;
  json["steps"] = report.steps;
  json["dropped_steps"] = report.droppedSteps;
  json["rank"] = report.rank;
  json["ranks"] = report.worldSize;
  json["total_ms"] = report.totalMs;
  json["sites"] = nlohmann::json::array();
  for (const ProfiledSite &profiled : report.sites) {
    const Site &site = profiled.site;
    nlohmann::ordered_json entry;
    entry["kind"] = site.kind;
    entry["op"] = site.op;
    const std::pair<const char *, const std::string *> texts[] = {
        {"kernel", &site.kernel},
        {"function", &site.function},
        {"loc", &site.loc}};
    for (auto [name, text] : texts)
      if (!text->empty())
        entry[name] = *text;
    if (site.collective >= 0)
      entry["collective"] = site.collective;
    entry["calls"] = profiled.calls;
    entry["ms"] = profiled.ms;
    entry["share"] = report.totalMs > 0 ? profiled.ms / report.totalMs : 0;
    entry["best_ms"] = profiled.bestMs;
    entry["min_ms"] = profiled.minMs;
    entry["max_ms"] = profiled.maxMs;
    if (site.flops > 0)
      entry["flops"] = site.flops;
    entry["bytes"] = site.bytes;
    json["sites"].push_back(std::move(entry));
  }
  return json.dump(1) + "\n";
}
