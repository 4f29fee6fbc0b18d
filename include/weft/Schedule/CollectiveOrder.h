// SPDX-License-Identifier: Apache-2.0
//
// CollectiveOrder: a proof that the ranks of a step meet in their collectives.
//
// Every rank issues a list of calls; a call names the axes its group spans. A
// group proceeds when all its members stand at the same call. If that takes
// every rank to the end of its list, the step can neither hang nor mix up
// data; if not, the message names two ranks and what each of them waits in.
#ifndef WEFT_SCHEDULE_COLLECTIVEORDER_H
#define WEFT_SCHEDULE_COLLECTIVEORDER_H

#include "weft/Layout/Mesh.h"

namespace weft {

/// One call of a rank. Two ranks issue the same call if `what` is equal: kind,
/// reduction, element types, sizes and place.
struct CollectiveCall {
  std::string what;
  llvm::SmallVector<int, 2> atoms; // the axes of the group, outermost first

  bool operator==(const CollectiveCall &other) const = default;
};

/// Walks all ranks of `mesh`; `calls[r]` is the list of rank r. Returns a
/// message if they don't all reach the end.
///
///   mesh <tp = 2>
///   rank 0        rank 1        ->
///   a over tp     a over tp     nothing: they meet
///   a, b over tp  b, a over tp  rank 0 waits in "a", rank 1 in "b"
///   a over tp     (none)        rank 0 waits in "a", rank 1 has ended
std::optional<std::string>
proveOrder(const Mesh &mesh,
           llvm::ArrayRef<llvm::ArrayRef<CollectiveCall>> calls);

/// The same where lists differ along `atoms` only: `calls` has one list per
/// coordinate on them, the first atom outermost. Ranks that share those
/// coordinates stand at the same call at any time, so one of them is walked
/// for all: the cost does not depend on the size of the other axes.
///
///   mesh <dp = 8, tp = 2>, atoms {}     1 rank is walked for 16
///   mesh <dp = 8, tp = 2>, atoms {tp}   2 ranks are walked for 16
std::optional<std::string>
proveOrder(const Mesh &mesh, llvm::ArrayRef<int> atoms,
           llvm::ArrayRef<llvm::ArrayRef<CollectiveCall>> calls);

} // namespace weft

#endif // WEFT_SCHEDULE_COLLECTIVEORDER_H
