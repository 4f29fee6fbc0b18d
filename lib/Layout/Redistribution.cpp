// SPDX-License-Identifier: Apache-2.0
//
// The redistribution planner: A* over layouts.
//
// A state is a layout; the memo keeps the cheapest way known to each. The
// estimate counts the exchanges that are still certainly needed, so it never
// exceeds the true cost, and no move lowers it by more than its own cost. Ties
// go to the plan found first; the order of moves is fixed, so plans are too.
#include "weft/Layout/Redistribution.h"
#include "RedistributionMoves.h"

#include "llvm/ADT/Hashing.h"
#include "llvm/ADT/STLExtras.h"
#include <queue>
#include <unordered_map>

namespace weft {

/// Every move costs this much, so that of equal plans the shorter one wins
/// (microseconds; well above rounding errors of the other terms).
static constexpr double moveOverhead = 1e-3;
/// Local copies run this much faster than communication.
static constexpr double copySpeedup = 100.0;

static double localBytes(const Mesh &mesh, llvm::ArrayRef<int64_t> shape,
                         int64_t elementBytes, const Layout &layout) {
  double bytes = static_cast<double>(elementBytes);
  for (int64_t size : layout.localShape(mesh, shape))
    bytes *= static_cast<double>(size);
  return bytes;
}

namespace {

/// What all states of one search share.
struct CostModel {
  const Mesh &mesh;
  llvm::ArrayRef<int64_t> shape;
  int64_t elementBytes;
  const AxisCost &cost;

  double bytes(const Layout &layout) const {
    return localBytes(mesh, shape, elementBytes, layout);
  }
  double trafficOf(const Move &move, double before, double after) const;
  double timeOf(double traffic) const {
    constexpr double megabyte = 1e6;
    return traffic / megabyte * cost.microsecondsPerMegabyte;
  }
  double costOf(const Move &move, double before) const;
};

} // namespace

/// Bytes a rank sends in `move`, by the usual ring algorithms; of a local
/// move the bytes it copies.
double CostModel::trafficOf(const Move &move, double before,
                            double after) const {
  double size = 1;
  for (int axis : move.axes)
    size *= static_cast<double>(mesh.atomSize(axis));
  double others = (size - 1) / size;
  switch (move.kind) {
  case MoveKind::Slice:
  case MoveKind::Place:
    return after;
  case MoveKind::MakePartial:
    return isIdempotent(move.reduce) ? 0 : before;
  case MoveKind::AllGather:
    return others * after;
  case MoveKind::AllToAll:
    return others * std::max(before, after);
  case MoveKind::AllReduce:
    return 2 * others * before;
  case MoveKind::ReduceScatter:
    return others * before;
  case MoveKind::Permute:
    return before;
  }
  llvm_unreachable("unknown MoveKind");
}

double CostModel::costOf(const Move &move, double before) const {
  double time = timeOf(trafficOf(move, before, bytes(move.after)));
  if (communicates(move.kind))
    return moveOverhead + cost.latency + time;
  return moveOverhead + time / copySpeedup;
}

bool isIdempotent(ReduceKind kind) {
  return kind == ReduceKind::Max || kind == ReduceKind::Min;
}

namespace {

struct LayoutHash {
  size_t operator()(const Layout &layout) const {
    llvm::hash_code hash = 0;
    for (const Placement &entry : layout.entries())
      hash = llvm::hash_combine(hash, entry.axis, entry.dim,
                                static_cast<int>(entry.kind),
                                static_cast<int>(entry.reduce));
    return hash;
  }
};

/// The cheapest way known to a layout.
struct Node {
  double cost;
  bool isDone = false;
  const Layout *previous = nullptr;
  Move move;
};

/// A layout to look at; the queue gives the lowest estimate, then the oldest.
struct QueueEntry {
  double estimate;
  int64_t age;
  const Layout *layout;

  bool operator<(const QueueEntry &other) const {
    return std::tie(estimate, age) > std::tie(other.estimate, other.age);
  }
};

/// A* from one layout to another.
class Search {
public:
  Search(const RedistributionProblem &problem, const CostModel &model)
      : problem(problem), model(model), bytesAtEnd(model.bytes(problem.to)) {}
  llvm::SmallVector<Move> run(const Layout &from);

private:
  double estimate(const Layout &layout) const;
  int64_t numExchangesLeft(const Layout &layout) const;
  double trafficLeft(const Layout &layout) const;
  void reach(const Layout &layout, Node node);
  void expand(const Layout &layout, double cost);
  llvm::SmallVector<Move> path() const;

  const RedistributionProblem &problem;
  const CostModel &model;
  double bytesAtEnd;
  // Keys of an unordered_map stay where they are: nodes point at them.
  std::unordered_map<Layout, Node, LayoutHash> memo;
  std::priority_queue<QueueEntry> queue;
  int64_t numReached = 0;
};

} // namespace

/// A lower bound on exchanges. Each one empties one dim of axes that must
/// leave it, or reduces partial axes; where shards may become partial, one
/// reduction could do for all.
int64_t Search::numExchangesLeft(const Layout &layout) const {
  llvm::SmallVector<bool, 8> leavesDim(problem.numDims(), false);
  bool reduces = false;
  for (const Placement &entry : layout.entries()) {
    std::optional<Placement> end = problem.to.placementOf(entry.axis);
    if (entry.kind == PlacementKind::Partial)
      reduces |= end != entry;
    else if (end != entry && !(end && end->kind == PlacementKind::Partial))
      leavesDim[entry.dim] = true;
  }
  int64_t needed = llvm::count(leavesDim, true) + (reduces ? 1 : 0);
  return problem.kinds.empty() ? needed : std::min<int64_t>(needed, 1);
}

/// A lower bound on bytes, the greater of two:
///   gathering: a rank must receive what it lacks of its final tensor, where
///     a partial axis to be reduced counts as a shard (reducing it costs at
///     least as much as gathering one);
///   reducing: a reduce-scatter of all partial axes, after all slicing.
/// Both are zero if the end is partial, which shards become for free.
double Search::trafficLeft(const Layout &layout) const {
  if (problem.to.hasPartial())
    return 0;
  double partialSize = 1, slicedSize = 1;
  for (int axis : layout.partialAxes())
    partialSize *= static_cast<double>(model.mesh.atomSize(axis));
  for (const Placement &entry : problem.to.entries())
    if (!layout.placementOf(entry.axis))
      slicedSize *= static_cast<double>(model.mesh.atomSize(entry.axis));
  double bytes = model.bytes(layout);
  double gathering = bytesAtEnd - bytes / partialSize;
  double reducing = bytes / slicedSize * (1 - 1 / partialSize);
  return std::max({gathering, reducing, 0.0});
}

double Search::estimate(const Layout &layout) const {
  double latency =
      static_cast<double>(numExchangesLeft(layout)) * model.cost.latency;
  return latency + model.timeOf(trafficLeft(layout));
}

void Search::reach(const Layout &layout, Node node) {
  auto [known, isNew] = memo.try_emplace(layout, node);
  if (!isNew) {
    if (known->second.isDone || known->second.cost <= node.cost)
      return;
    known->second = std::move(node);
  }
  double total = known->second.cost + estimate(layout);
  queue.push({total, numReached++, &known->first});
}

void Search::expand(const Layout &layout, double cost) {
  double before = model.bytes(layout);
  for (Move &move : possibleMoves(problem, layout)) {
    double total = cost + model.costOf(move, before);
    Layout after = move.after;
    reach(after, {total, /*isDone=*/false, &layout, std::move(move)});
  }
}

llvm::SmallVector<Move> Search::path() const {
  llvm::SmallVector<Move> moves;
  for (const Node *node = &memo.at(problem.to); node->previous;
       node = &memo.at(*node->previous))
    moves.push_back(node->move);
  std::reverse(moves.begin(), moves.end());
  return moves;
}

llvm::SmallVector<Move> Search::run(const Layout &from) {
  reach(from, {0.0});
  // Gathering and reducing one axis at a time, then slicing, is always
  // possible: the search ends at `to`.
  while (!queue.empty()) {
    const Layout &layout = *queue.top().layout;
    queue.pop();
    if (layout == problem.to)
      return path();
    Node &node = memo.at(layout);
    if (std::exchange(node.isDone, true))
      continue;
    expand(layout, node.cost);
  }
  llvm_unreachable("layouts of one tensor are all reachable");
}

llvm::SmallVector<Move> planRedistribution(const Mesh &mesh,
                                           llvm::ArrayRef<int64_t> shape,
                                           int64_t elementBytes,
                                           const Layout &from, const Layout &to,
                                           const AxisCost &cost) {
  RedistributionProblem problem(mesh, shape, from, to);
  return Search(problem, {mesh, shape, elementBytes, cost}).run(from);
}

double costOf(const Mesh &mesh, llvm::ArrayRef<int64_t> shape,
              int64_t elementBytes, const Layout &from,
              llvm::ArrayRef<Move> moves, const AxisCost &cost) {
  CostModel model = {mesh, shape, elementBytes, cost};
  double total = 0;
  const Layout *before = &from;
  for (const Move &move : moves) {
    total += model.costOf(move, model.bytes(*before));
    before = &move.after;
  }
  return total;
}

} // namespace weft
