// SPDX-License-Identifier: Apache-2.0
//
// Collectives: groups, batches and packing.
//
// A packed buffer holds, per member, one block: the operands one after the
// other, each as contiguous rows. Which side has a block per member depends on
// the kind (all_gather: the output; reduce_scatter: the input; all_to_all:
// both; all_reduce and permute: neither).
#include "weft_runtime/Collectives.h"

#include <algorithm>
#include <cstring>
#include <map>

using namespace weft;

/// Elements of an operand in one block.
static int64_t blockElements(CollectiveKind kind, const Operand &operand) {
  return kind == CollectiveKind::AllToAll
             ? operand.splitOuter * operand.splitInner
             : operand.outer * operand.inner;
}

static int64_t blockBytes(CollectiveKind kind, const Operand &operand) {
  return blockElements(kind, operand) * byteSize(operand.dtype);
}

static bool isReduction(CollectiveKind kind) {
  return kind == CollectiveKind::AllReduce ||
         kind == CollectiveKind::ReduceScatter;
}

/// True if the blocks of the operand already lie one after the other.
static bool hasContiguousBlocks(CollectiveKind kind, const Operand &operand) {
  switch (kind) {
  case CollectiveKind::AllReduce:
  case CollectiveKind::Permute:
    return true;
  case CollectiveKind::AllGather:
  case CollectiveKind::ReduceScatter:
    return operand.outer == 1;
  case CollectiveKind::AllToAll:
    return operand.splitOuter == 1 && operand.concatOuter == 1;
  }
  return false;
}

static int64_t groupSize(const Mesh &mesh, const std::vector<int> &axes) {
  int64_t size = 1;
  for (int axis : axes)
    size *= mesh.axes[axis].size;
  return size;
}

int64_t CollectiveRunner::scratchBytes(const Descriptor &descriptor) {
  int64_t largest = 0;
  for (const Collective &collective : descriptor.collectives) {
    int64_t bytes = 0;
    for (const Operand &operand : collective.operands)
      bytes += blockBytes(collective.kind, operand);
    largest =
        std::max(largest, bytes * groupSize(descriptor.mesh, collective.axes));
  }
  return 2 * (largest + 64);
}

CollectiveRunner::CollectiveRunner(const Descriptor &descriptor,
                                   Communicator &communicator)
    : descriptor(descriptor), communicator(communicator) {
  std::map<std::vector<int>, size_t> known;
  for (const Collective &collective : descriptor.collectives) {
    auto [it, isNew] = known.try_emplace(collective.axes, groups.size());
    if (isNew)
      groups.push_back(communicator.addGroup(
          descriptor.mesh.group(collective.axes, communicator.rank())));
    groupOf.push_back(it->second);
    batches.push_back(plan(collective));
  }
  int64_t half = scratchBytes(descriptor) / 2;
  packedInput = static_cast<std::byte *>(communicator.allocate(half));
  packedOutput = static_cast<std::byte *>(communicator.allocate(half));
}

std::vector<CollectiveRunner::Batch>
CollectiveRunner::plan(const Collective &collective) const {
  std::vector<Batch> result;
  std::map<DType, size_t> open; // the batch that small operands join
  for (size_t i = 0; i < collective.operands.size(); ++i) {
    const Operand &operand = collective.operands[i];
    int64_t bytes = blockBytes(collective.kind, operand);
    if (hasContiguousBlocks(collective.kind, operand) &&
        bytes > communicator.packingLimit()) {
      result.push_back({{i}, /*isDirect=*/true, bytes});
      continue;
    }
    // Only a reduction cares about the type of what it packs.
    DType key = isReduction(collective.kind) ? operand.dtype : DType::I1;
    auto [it, isNew] = open.try_emplace(key, result.size());
    if (isNew)
      result.emplace_back();
    result[it->second].operands.push_back(i);
    result[it->second].blockBytes += bytes;
  }
  for (Batch &batch : result)
    batch.isDirect |=
        batch.operands.size() == 1 &&
        hasContiguousBlocks(collective.kind,
                            collective.operands[batch.operands[0]]);
  return result;
}

void CollectiveRunner::call(const Collective &collective, const Batch &batch,
                            const void *input, void *output) {
  const Group &group = groups[groupOf[collective.id]];
  DType dtype = collective.operands[batch.operands[0]].dtype;
  int64_t count = batch.blockBytes / byteSize(dtype);
  switch (collective.kind) {
  case CollectiveKind::AllGather:
    return communicator.allGather(group, input, output, batch.blockBytes);
  case CollectiveKind::AllReduce:
    return communicator.allReduce(group, dtype, collective.reduce, input,
                                  output, count);
  case CollectiveKind::ReduceScatter:
    return communicator.reduceScatter(group, dtype, collective.reduce, input,
                                      output, count);
  case CollectiveKind::AllToAll:
    return communicator.allToAll(group, input, output, batch.blockBytes);
  case CollectiveKind::Permute:
    return communicator.permute(group, collective.pairs, input, output,
                                batch.blockBytes);
  }
}

namespace {
/// A matrix of rows of bytes inside a buffer.
struct Rows {
  std::byte *base;
  int64_t stride;
};
} // namespace

static void copyRows(Rows target, Rows source, int64_t numRows,
                     int64_t rowBytes) {
  for (int64_t row = 0; row < numRows; ++row)
    std::memcpy(target.base + row * target.stride,
                source.base + row * source.stride, rowBytes);
}

/// How the blocks of one side of a collective lie in an operand: block j is
/// `outer` rows of `inner` bytes, at j * inner, a row every n * inner.
struct SideShape {
  int64_t outer;
  int64_t inner;
  bool hasBlockPerMember;
};

static SideShape inputSide(const Collective &collective,
                           const Operand &operand) {
  int64_t element = byteSize(operand.dtype);
  if (collective.kind == CollectiveKind::AllToAll)
    return {operand.splitOuter, operand.splitInner * element, true};
  return {operand.outer, operand.inner * element,
          collective.kind == CollectiveKind::ReduceScatter};
}

static SideShape outputSide(const Collective &collective,
                            const Operand &operand) {
  int64_t element = byteSize(operand.dtype);
  if (collective.kind == CollectiveKind::AllToAll)
    return {operand.concatOuter, operand.concatInner * element, true};
  return {operand.outer, operand.inner * element,
          collective.kind == CollectiveKind::AllGather};
}

void CollectiveRunner::runPacked(const Collective &collective,
                                 const Batch &batch, const void *const *inputs,
                                 void *const *outputs) {
  int64_t size = groups[groupOf[collective.id]].size();
  int64_t offset = 0; // of the operand in a block
  for (size_t i : batch.operands) {
    SideShape side = inputSide(collective, collective.operands[i]);
    int64_t blocks = side.hasBlockPerMember ? size : 1;
    auto *data = static_cast<std::byte *>(const_cast<void *>(inputs[i]));
    for (int64_t j = 0; j < blocks; ++j)
      copyRows({packedInput + j * batch.blockBytes + offset, side.inner},
               {data + j * side.inner, blocks * side.inner}, side.outer,
               side.inner);
    offset += side.outer * side.inner;
  }
  call(collective, batch, packedInput, packedOutput);
  offset = 0;
  for (size_t i : batch.operands) {
    SideShape side = outputSide(collective, collective.operands[i]);
    int64_t blocks = side.hasBlockPerMember ? size : 1;
    auto *data = static_cast<std::byte *>(outputs[i]);
    for (int64_t j = 0; j < blocks; ++j)
      copyRows({data + j * side.inner, blocks * side.inner},
               {packedOutput + j * batch.blockBytes + offset, side.inner},
               side.outer, side.inner);
    offset += side.outer * side.inner;
  }
}

void CollectiveRunner::run(int64_t id, const void *const *inputs,
                           void *const *outputs) {
  const Collective &collective = descriptor.collectives[id];
  for (const Batch &batch : batches[id]) {
    if (batch.isDirect)
      call(collective, batch, inputs[batch.operands[0]],
           outputs[batch.operands[0]]);
    else
      runPacked(collective, batch, inputs, outputs);
  }
}
