// SPDX-License-Identifier: Apache-2.0
//
// Bucket: a collective over several operands whose blocks may lie in strides,
// and how bytes move between such operands and contiguous memory.
//
//   kind             input blocks  output blocks  output block r of member m is
//   all_gather       1             n              the block of member r
//   reduce_scatter   n             1              block m of all, combined
//   all_reduce       1             1              the block of all, combined
//   all_to_all       n             n              block m of member r
//   permute          1             1              the block of m's source, or 0
#ifndef WEFT_RUNTIME_BUCKET_H
#define WEFT_RUNTIME_BUCKET_H

#include "weft_runtime/DType.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace weft {

enum class CollectiveKind {
  AllGather,
  AllReduce,
  ReduceScatter,
  AllToAll,
  Permute
};
std::string_view toString(CollectiveKind kind);

/// Sent and received by whom, in group indices.
using RankPairs = std::vector<std::pair<int, int>>;

/// The member that sends to `index`, or -1.
int sourceOf(const RankPairs &pairs, int index);
/// The member that `index` sends to, or -1.
int targetOf(const RankPairs &pairs, int index);

/// How blocks lie in a buffer: block j is `rows` rows of `rowBytes`; it begins
/// at j * rowBytes, and a row every count * rowBytes.
///
///   {3, 1, 8}   aaaaaaaabbbbbbbbcccccccc   three blocks, each contiguous
///   {2, 3, 4}   aaaabbbbaaaabbbbaaaabbbb   two blocks of three rows
struct Blocks {
  int64_t count = 1;
  int64_t rows = 1;
  int64_t rowBytes = 0;

  int64_t bytes() const { return rows * rowBytes; } // of one block
  bool areContiguous() const { return count == 1 || rows == 1; }
};

struct BucketOperand {
  DType dtype = DType::F32;
  Blocks input, output; // one block takes as many bytes in both
};

struct Bucket {
  CollectiveKind kind = CollectiveKind::AllReduce;
  ReduceKind reduce = ReduceKind::Sum;
  RankPairs pairs; // of permute
  std::vector<BucketOperand> operands;

  bool isReduction() const {
    return kind == CollectiveKind::AllReduce ||
           kind == CollectiveKind::ReduceScatter;
  }
};

/// Walks a block in runs of contiguous bytes, from byte `begin` of it on.
class BlockCursor {
public:
  BlockCursor(const Blocks &blocks, int64_t block, int64_t begin)
      : rowBytes(blocks.rowBytes), stride(blocks.count * blocks.rowBytes),
        row(block * rowBytes) {
    if (begin > 0) {
      row += begin / rowBytes * stride;
      column = begin % rowBytes;
    }
  }
  /// Where the run begins, in bytes from the begin of the buffer.
  int64_t offset() const { return row + column; }
  int64_t left() const { return rowBytes - column; }
  /// Goes on by at most left().
  void advance(int64_t bytes) {
    column += bytes;
    if (column == rowBytes) {
      column = 0;
      row += stride;
    }
  }

private:
  int64_t rowBytes, stride, row;
  int64_t column = 0;
};

/// Calls body(offset from `a`'s buffer, from `b`'s buffer, bytes) for the
/// longest runs that are contiguous in both, `bytes` in all.
template <typename Body>
void forEachRun(BlockCursor a, BlockCursor b, int64_t bytes, Body body) {
  while (bytes > 0) {
    int64_t run = std::min({a.left(), b.left(), bytes});
    body(a.offset(), b.offset(), run);
    a.advance(run);
    b.advance(run);
    bytes -= run;
  }
}

/// Copies `bytes` from one block to another, both from where they point.
void copyBlock(std::byte *target, BlockCursor to, const std::byte *source,
               BlockCursor from, int64_t bytes);

} // namespace weft

#endif // WEFT_RUNTIME_BUCKET_H
