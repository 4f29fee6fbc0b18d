// SPDX-License-Identifier: Apache-2.0
//
// A worklist of ranks: a rank tries to proceed with its group; when a group
// does, all its members are tried again. Linear in the number of calls.
#include "weft/Schedule/CollectiveOrder.h"

using namespace weft;

namespace {
class Walk {
public:
  /// `walked` has the ranks that `calls` are of; they are named as in `mesh`.
  Walk(const Mesh &mesh, const Mesh &walked,
       llvm::ArrayRef<llvm::ArrayRef<CollectiveCall>> calls)
      : named(mesh), mesh(walked), calls(calls), position(calls.size(), 0) {}

  std::optional<std::string> run();

private:
  const CollectiveCall *head(int64_t rank) const {
    return position[rank] < calls[rank].size() ? &calls[rank][position[rank]]
                                               : nullptr;
  }
  /// The first member of `rank`'s group that stands elsewhere, or -1.
  int64_t missingPeer(int64_t rank, llvm::ArrayRef<int64_t> group) const {
    for (int64_t peer : group)
      if (!head(peer) || !(*head(peer) == *head(rank)))
        return peer;
    return -1;
  }
  std::string describe(int64_t rank) const {
    const CollectiveCall *call = head(rank);
    return call ? "waits in \"" + call->what + "\"" : "has ended";
  }

  std::string nameOf(int64_t rank) const {
    return "rank " + std::to_string(named.rankOf(mesh.coordinates(rank)));
  }

  const Mesh &named, &mesh;
  llvm::ArrayRef<llvm::ArrayRef<CollectiveCall>> calls;
  std::vector<size_t> position;
};
} // namespace

std::optional<std::string> Walk::run() {
  std::vector<int64_t> worklist;
  for (int64_t rank = calls.size() - 1; rank >= 0; --rank)
    worklist.push_back(rank);
  while (!worklist.empty()) {
    int64_t rank = worklist.back();
    worklist.pop_back();
    if (!head(rank))
      continue;
    auto group = mesh.group(rank, head(rank)->atoms);
    if (missingPeer(rank, group) >= 0)
      continue;
    for (int64_t peer : group) {
      ++position[peer];
      worklist.push_back(peer);
    }
  }
  for (int64_t rank = 0, e = calls.size(); rank < e; ++rank) {
    if (!head(rank))
      continue;
    int64_t peer = missingPeer(rank, mesh.group(rank, head(rank)->atoms));
    return nameOf(rank) + " " + describe(rank) + " for " + nameOf(peer) +
           ", which " + describe(peer);
  }
  return std::nullopt;
}

std::optional<std::string>
weft::proveOrder(const Mesh &mesh,
                 llvm::ArrayRef<llvm::ArrayRef<CollectiveCall>> calls) {
  return Walk(mesh, mesh, calls).run();
}

std::optional<std::string>
weft::proveOrder(const Mesh &mesh, llvm::ArrayRef<int> atoms,
                 llvm::ArrayRef<llvm::ArrayRef<CollectiveCall>> calls) {
  llvm::SmallVector<MeshAxis> axes(mesh.axes());
  for (int atom = 0, first = 0; atom < mesh.numAtoms(); ++atom) {
    int axis = mesh.axisOfAtom(atom);
    if (atom > 0 && mesh.axisOfAtom(atom - 1) != axis)
      first = atom;
    if (!llvm::is_contained(atoms, atom))
      axes[axis].factors[atom - first] = 1;
  }
  return Walk(mesh, Mesh(axes), calls).run();
}
