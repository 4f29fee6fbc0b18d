// SPDX-License-Identifier: Apache-2.0
//
// Bucket: names, pairs, and the copy between two blocks.
#include "weft_runtime/Bucket.h"

#include <cstring>

using namespace weft;

std::string_view weft::toString(CollectiveKind kind) {
  switch (kind) {
  case CollectiveKind::AllGather:
    return "all_gather";
  case CollectiveKind::AllReduce:
    return "all_reduce";
  case CollectiveKind::ReduceScatter:
    return "reduce_scatter";
  case CollectiveKind::AllToAll:
    return "all_to_all";
  case CollectiveKind::Permute:
    return "permute";
  }
  return "";
}

int weft::sourceOf(const RankPairs &pairs, int index) {
  for (const auto &[from, to] : pairs)
    if (to == index)
      return from;
  return -1;
}

int weft::targetOf(const RankPairs &pairs, int index) {
  for (const auto &[from, to] : pairs)
    if (from == index)
      return to;
  return -1;
}

void weft::copyBlock(std::byte *target, BlockCursor to, const std::byte *source,
                     BlockCursor from, int64_t bytes) {
  forEachRun(to, from, bytes, [&](int64_t out, int64_t in, int64_t run) {
    if (target + out != source + in)
      std::memcpy(target + out, source + in, run);
  });
}
