// SPDX-License-Identifier: Apache-2.0
//
// Hierarchical: routes, and the two steps of a grid.
#include "weft_runtime/Hierarchical.h"

#include <algorithm>
#include <cstring>
#include <map>

using namespace weft;

/// Up to this size all ranks gather all inputs and combine them: one exchange
/// between hosts instead of two.
static constexpr int64_t smallReduction = 64 * 1024;

HierarchicalCommunicator::HierarchicalCommunicator(
    std::unique_ptr<Communicator> givenAcross,
    std::unique_ptr<Communicator> givenLocal, std::vector<uint64_t> givenHosts)
    : Communicator(givenAcross->rank(), givenAcross->worldSize()),
      across(std::move(givenAcross)), local(std::move(givenLocal)),
      hosts(std::move(givenHosts)) {
  std::map<uint64_t, int> numSeen;
  for (uint64_t host : hosts)
    localRankOf.push_back(numSeen[host]++);
  onGroupAdded(world());
}

void HierarchicalCommunicator::leave(ExitCode code, int culprit) {
  across->leave(code, culprit);
  local->leave(code, culprit);
}

/// Every rank adds one group to `local` and two to `across`, whatever the way,
/// so that the numbers of groups agree on all ranks.
void HierarchicalCommunicator::onGroupAdded(const Group &group) {
  Route route;
  std::map<uint64_t, size_t> known;
  for (int index = 0; index < group.size(); ++index) {
    auto [it, isNew] =
        known.try_emplace(hosts[group.ranks[index]], route.hosts.size());
    if (isNew)
      route.hosts.emplace_back();
    route.hosts[it->second].push_back(index);
  }
  bool isEven = std::ranges::all_of(route.hosts, [&](const auto &host) {
    return host.size() == route.hosts[0].size();
  });
  if (route.hosts.size() == 1)
    route.way = Way::Local;
  else if (isEven && route.perHost() > 1)
    route.way = Way::Grid;

  std::vector<int> ownHost, column{rank()}, all{rank()};
  for (int index : route.hosts[hostIndexOf(route, group.index)])
    ownHost.push_back(localRankOf[group.ranks[index]]);
  if (route.way == Way::Grid) {
    column.clear();
    for (const std::vector<int> &host : route.hosts)
      column.push_back(group.ranks[host[columnOf(route, group.index)]]);
  }
  if (route.way != Way::Local)
    all = group.ranks;
  route.local = local->addGroup(ownHost);
  route.column = across->addGroup(column);
  route.flat = across->addGroup(all);
  routes.resize(std::max<size_t>(routes.size(), group.id + 1));
  routes[group.id] = std::move(route);
}

int HierarchicalCommunicator::hostIndexOf(const Route &route, int index) const {
  for (int host = 0; host < route.numHosts(); ++host)
    if (std::ranges::count(route.hosts[host], index))
      return host;
  return -1;
}

int HierarchicalCommunicator::columnOf(const Route &route, int index) const {
  const std::vector<int> &host = route.hosts[hostIndexOf(route, index)];
  return static_cast<int>(std::ranges::find(host, index) - host.begin());
}

//===----------------------------------------------------------------------===//
// Buckets
//===----------------------------------------------------------------------===//

/// What stays on the host is not packed.
void HierarchicalCommunicator::doStart(Transfer &transfer) {
  const Route &route = routes[transfer.group.id];
  if (route.way != Way::Local)
    return Communicator::doStart(transfer);
  if (!transfer.inner) {
    transfer.inner = std::make_shared<Transfer>();
    transfer.inner->group = route.local;
    transfer.inner->bucket = transfer.bucket;
    transfer.inner->keepsInputs = transfer.keepsInputs;
  }
  transfer.isUnderWay = true;
  local->start(*transfer.inner, transfer.inputs.data(),
               transfer.outputs.data());
}

void HierarchicalCommunicator::doFinish(Transfer &transfer) {
  transfer.isUnderWay = false;
  local->finish(*transfer.inner);
  transfer.gathered = transfer.inner->gathered;
}

//===----------------------------------------------------------------------===//
// A grid
//===----------------------------------------------------------------------===//

HierarchicalCommunicator::Parts
HierarchicalCommunicator::gather(const Route &route, const void *input,
                                 int64_t bytes) {
  int numHosts = route.numHosts(), perHost = route.perHost();
  first.resize(numHosts * bytes);
  second.resize(numHosts * perHost * bytes);
  across->allGather(route.column, input, first.data(), bytes);
  local->allGather(route.local, first.data(), second.data(), numHosts * bytes);
  Parts parts(numHosts * perHost);
  for (int host = 0; host < numHosts; ++host)
    for (int column = 0; column < perHost; ++column)
      parts[route.hosts[host][column]] =
          second.data() + (column * numHosts + host) * bytes;
  return parts;
}

/// Block `index` of all members.
HierarchicalCommunicator::Parts
HierarchicalCommunicator::exchange(const Route &route, const void *input,
                                   int64_t bytes) {
  int numHosts = route.numHosts(), perHost = route.perHost();
  first.resize(numHosts * perHost * bytes);
  second.resize(numHosts * perHost * bytes);
  auto forEach = [&](auto body) {
    for (int host = 0; host < numHosts; ++host)
      for (int column = 0; column < perHost; ++column)
        body(host, column, (host * perHost + column) * bytes,
             (column * numHosts + host) * bytes);
  };
  // To each member of the host what its column needs ...
  forEach([&](int host, int column, int64_t, int64_t byColumn) {
    std::memcpy(first.data() + byColumn,
                static_cast<const std::byte *>(input) +
                    route.hosts[host][column] * bytes,
                bytes);
  });
  local->allToAll(route.local, first.data(), second.data(), numHosts * bytes);
  // ... and to each host of the column what all members here gave for it.
  forEach([&](int, int, int64_t byHost, int64_t byColumn) {
    std::memcpy(first.data() + byHost, second.data() + byColumn, bytes);
  });
  across->allToAll(route.column, first.data(), second.data(), perHost * bytes);
  Parts parts(numHosts * perHost);
  forEach([&](int host, int column, int64_t byHost, int64_t) {
    parts[route.hosts[host][column]] = second.data() + byHost;
  });
  return parts;
}

/// Copies the blocks of all members to where they belong.
static void place(const std::vector<const void *> &parts, void *output,
                  int64_t bytes) {
  for (size_t i = 0; i < parts.size(); ++i)
    std::memcpy(static_cast<std::byte *>(output) + i * bytes, parts[i], bytes);
}

void HierarchicalCommunicator::doAllGather(const Group &group,
                                           const void *input, void *output,
                                           int64_t bytes) {
  const Route &route = routes[group.id];
  if (bytes == 0)
    return;
  if (route.way == Way::Grid)
    return place(gather(route, input, bytes), output, bytes);
  if (route.way == Way::Local)
    return local->allGather(route.local, input, output, bytes);
  across->allGather(route.flat, input, output, bytes);
}

void HierarchicalCommunicator::doAllToAll(const Group &group, const void *input,
                                          void *output, int64_t bytes) {
  const Route &route = routes[group.id];
  if (bytes == 0)
    return;
  if (route.way == Way::Grid)
    return place(exchange(route, input, bytes), output, bytes);
  if (route.way == Way::Local)
    return local->allToAll(route.local, input, output, bytes);
  across->allToAll(route.flat, input, output, bytes);
}

void HierarchicalCommunicator::doReduceScatter(const Group &group, DType dtype,
                                               ReduceKind kind,
                                               const void *input, void *output,
                                               int64_t count) {
  const Route &route = routes[group.id];
  if (route.way == Way::Local)
    return local->reduceScatter(route.local, dtype, kind, input, output, count);
  if (route.way == Way::Flat)
    return across->reduceScatter(route.flat, dtype, kind, input, output, count);
  void *outputs[] = {output};
  combine(dtype, kind, exchange(route, input, count * byteSize(dtype)), outputs,
          count);
}

void HierarchicalCommunicator::doAllReduce(const Group &group, DType dtype,
                                           ReduceKind kind, const void *input,
                                           void *output, int64_t count) {
  const Route &route = routes[group.id];
  int64_t bytes = count * byteSize(dtype);
  if (route.way == Way::Local)
    return local->allReduce(route.local, dtype, kind, input, output, count);
  if (route.way == Way::Flat)
    return across->allReduce(route.flat, dtype, kind, input, output, count);
  if (bytes > smallReduction)
    return reduceLarge(group, dtype, kind, input, output, count);
  void *outputs[] = {output};
  combine(dtype, kind, gather(route, input, bytes), outputs, count);
}

/// Part r is combined by member r, then everybody gets all parts; the last are
/// filled up to one size.
void HierarchicalCommunicator::reduceLarge(const Group &group, DType dtype,
                                           ReduceKind kind, const void *input,
                                           void *output, int64_t count) {
  int64_t n = group.size(), part = (count + n - 1) / n;
  int64_t bytes = count * byteSize(dtype), partBytes = part * byteSize(dtype);
  std::vector<std::byte> filled(n * partBytes), own(partBytes);
  std::memcpy(filled.data(), input, bytes);
  doReduceScatter(group, dtype, kind, filled.data(), own.data(), part);
  doAllGather(group, own.data(), filled.data(), partBytes);
  std::memcpy(output, filled.data(), bytes);
}

void HierarchicalCommunicator::doPermute(const Group &group,
                                         const RankPairs &pairs,
                                         const void *input, void *output,
                                         int64_t bytes) {
  const Route &route = routes[group.id];
  if (route.way == Way::Local)
    return local->permute(route.local, pairs, input, output, bytes);
  if (route.way == Way::Flat)
    return across->permute(route.flat, pairs, input, output, bytes);
  int ownHost = hostIndexOf(route, group.index);
  RankPairs inside, between;
  for (const auto &[from, to] : pairs) {
    int host = hostIndexOf(route, from);
    if (host != hostIndexOf(route, to))
      between.emplace_back(from, to);
    else if (host == ownHost)
      inside.emplace_back(columnOf(route, from), columnOf(route, to));
  }
  local->permute(route.local, inside, input, output, bytes);
  if (between.empty())
    return;
  first.resize(bytes);
  across->permute(route.flat, between, input, first.data(), bytes);
  if (sourceOf(between, group.index) >= 0 && bytes > 0)
    std::memcpy(output, first.data(), bytes);
}

/// Along the column of the root, then within each host.
void HierarchicalCommunicator::doBroadcast(const Group &group, int root,
                                           void *data, int64_t bytes) {
  const Route &route = routes[group.id];
  if (route.way == Way::Local)
    return local->broadcast(route.local, root, data, bytes);
  if (route.way == Way::Flat)
    return across->broadcast(route.flat, root, data, bytes);
  int column = columnOf(route, root);
  if (columnOf(route, group.index) == column)
    across->broadcast(route.column, hostIndexOf(route, root), data, bytes);
  local->broadcast(route.local, column, data, bytes);
}

/// All of a host have come before one of it goes to its column.
void HierarchicalCommunicator::doBarrier(const Group &group) {
  const Route &route = routes[group.id];
  if (route.way == Way::Flat)
    return across->barrier(route.flat);
  local->barrier(route.local);
  if (route.way == Way::Grid)
    across->barrier(route.column);
}
