// SPDX-License-Identifier: Apache-2.0
//
// Collectives: groups, and operands as blocks of bytes.
#include "weft_runtime/Collectives.h"

#include <algorithm>
#include <map>

using namespace weft;

/// How an operand lies on both sides in a group of `n` (see Program.h).
static BucketOperand layOut(CollectiveKind kind, const Operand &operand,
                            int64_t n) {
  int64_t element = byteSize(operand.dtype), row = operand.inner * element;
  Blocks whole{1, operand.outer, row}, split{n, operand.outer, row};
  switch (kind) {
  case CollectiveKind::AllGather:
    return {operand.dtype, whole, split};
  case CollectiveKind::ReduceScatter:
    return {operand.dtype, split, whole};
  case CollectiveKind::AllReduce:
  case CollectiveKind::Permute: {
    Blocks flat{1, 1, operand.outer * row};
    return {operand.dtype, flat, flat};
  }
  case CollectiveKind::AllToAll:
    return {operand.dtype,
            {n, operand.splitOuter, operand.splitInner * element},
            {n, operand.concatOuter, operand.concatInner * element}};
  }
  return {};
}

CollectiveRunner::CollectiveRunner(const Descriptor &descriptor,
                                   Communicator &communicator,
                                   bool mayKeepInputs)
    : communicator(communicator) {
  std::map<std::vector<int>, Group> groups;
  for (const Collective &collective : descriptor.collectives) {
    auto [it, isNew] = groups.try_emplace(collective.axes);
    if (isNew)
      it->second = communicator.addGroup(
          descriptor.mesh.group(collective.axes, communicator.rank()));
    Transfer transfer;
    transfer.group = it->second;
    transfer.bucket = {
        collective.kind, collective.reduce, collective.pairs, {}};
    for (const Operand &operand : collective.operands)
      transfer.bucket.operands.push_back(
          layOut(collective.kind, operand, transfer.group.size()));
    bool isGathered = collective.gathered >= 0;
    if (isGathered)
      gathered.resize(
          std::max(gathered.size(),
                   collective.gathered + transfer.bucket.operands.size()));
    transfer.keepsInputs = isGathered && mayKeepInputs;
    firstOutput.push_back(collective.gathered);
    transfers.push_back(std::move(transfer));
  }
}

void CollectiveRunner::expect(int64_t id, void *const *outputs) {
  if (firstOutput[id] >= 0)
    std::copy_n(outputs, transfers[id].bucket.operands.size(),
                gathered.begin() + firstOutput[id]);
}

void CollectiveRunner::finish(int64_t id) {
  Transfer &transfer = transfers[id];
  communicator.finish(transfer);
  if (transfer.keepsInputs)
    std::ranges::copy(transfer.gathered, gathered.begin() + firstOutput[id]);
}
