// SPDX-License-Identifier: Apache-2.0
//
// Hierarchical: some ranks share a host, others do not. Made of two
// communicators: `local` joins the ranks of this host, `across` all ranks.
//
// A group takes one of three ways
//   local   all members are on this host: `local` does it
//   flat    hosts have different numbers of members, or one each: `across`
//   grid    H hosts with k members each. Member i of every host makes column i;
//           what crosses hosts does so within a column, once:
//             gather    each column gathers, then each host gathers H blocks
//             exchange  each host exchanges H blocks, then each column k
//           Reductions exchange, then combine, so slices cross unsummed and
//           the order of the sum is that of the ranks.
#ifndef WEFT_RUNTIME_HIERARCHICAL_H
#define WEFT_RUNTIME_HIERARCHICAL_H

#include "weft_runtime/Communicator.h"

namespace weft {

class HierarchicalCommunicator final : public Communicator {
public:
  /// `hosts` gives each rank's host as any number. The ranks of `local` are
  /// those of this host in ascending order.
  HierarchicalCommunicator(std::unique_ptr<Communicator> across,
                           std::unique_ptr<Communicator> local,
                           std::vector<uint64_t> hosts);
  std::string_view name() const override { return "auto"; }
  void *allocate(int64_t bytes, int64_t exchanged) override {
    return local->allocate(bytes, exchanged);
  }
  void leave(ExitCode code, int culprit) override;
  void settle() override { local->settle(); }

protected:
  void onGroupAdded(const Group &group) override;
  void doStart(Transfer &transfer) override;
  void doFinish(Transfer &transfer) override;
  void doAllGather(const Group &group, const void *input, void *output,
                   int64_t bytes) override;
  void doAllReduce(const Group &group, DType dtype, ReduceKind kind,
                   const void *input, void *output, int64_t count) override;
  void doReduceScatter(const Group &group, DType dtype, ReduceKind kind,
                       const void *input, void *output, int64_t count) override;
  void doAllToAll(const Group &group, const void *input, void *output,
                  int64_t bytes) override;
  void doPermute(const Group &group, const RankPairs &pairs, const void *input,
                 void *output, int64_t bytes) override;
  void doBroadcast(const Group &group, int root, void *data,
                   int64_t bytes) override;
  void doBarrier(const Group &group) override;

private:
  enum class Way { Local, Flat, Grid };
  struct Route {
    Way way = Way::Flat;
    Group local;  // the members on this host
    Group column; // of a grid: one member of each host
    Group flat;   // all members
    /// Of a grid: group indices by host and column.
    std::vector<std::vector<int>> hosts;
    int numHosts() const { return static_cast<int>(hosts.size()); }
    int perHost() const { return static_cast<int>(hosts[0].size()); }
  };
  /// Blocks of all members, by group index, in scratch memory.
  using Parts = std::vector<const void *>;
  Parts gather(const Route &route, const void *input, int64_t bytes);
  Parts exchange(const Route &route, const void *input, int64_t bytes);
  void reduceLarge(const Group &group, DType dtype, ReduceKind kind,
                   const void *input, void *output, int64_t count);
  int hostIndexOf(const Route &route, int index) const;
  int columnOf(const Route &route, int index) const;

  std::unique_ptr<Communicator> across, local;
  std::vector<uint64_t> hosts;  // by rank
  std::vector<int> localRankOf; // by rank
  std::vector<Route> routes;    // by group id
  std::vector<std::byte> first, second;
};

} // namespace weft

#endif // WEFT_RUNTIME_HIERARCHICAL_H
