// SPDX-License-Identifier: Apache-2.0
//
// Text of moves, for dumps and tests.
#include "weft/Layout/Redistribution.h"

namespace weft {

llvm::StringRef toString(MoveKind kind) {
  switch (kind) {
  case MoveKind::Slice:
    return "slice";
  case MoveKind::AllGather:
    return "all_gather";
  case MoveKind::AllToAll:
    return "all_to_all";
  case MoveKind::AllReduce:
    return "all_reduce";
  case MoveKind::ReduceScatter:
    return "reduce_scatter";
  case MoveKind::Permute:
    return "permute";
  case MoveKind::MakePartial:
    return "make_partial";
  case MoveKind::Place:
    return "place";
  }
  llvm_unreachable("unknown MoveKind");
}

/// The dims of a move, as in `from 0 to 1`.
static std::string dimsOf(const Move &move) {
  std::string from = " from " + std::to_string(move.dim);
  switch (move.kind) {
  case MoveKind::AllGather:
  case MoveKind::Place:
    return from;
  case MoveKind::AllToAll:
    return from + " to " + std::to_string(move.toDim);
  case MoveKind::Slice:
  case MoveKind::ReduceScatter:
    return " to " + std::to_string(move.dim);
  case MoveKind::Permute:
    return " on " + std::to_string(move.dim);
  case MoveKind::AllReduce:
  case MoveKind::MakePartial:
    return "";
  }
  llvm_unreachable("unknown MoveKind");
}

/// Returns true if the move combines values or prepares them for it.
static bool hasReduceKind(MoveKind kind) {
  return kind == MoveKind::AllReduce || kind == MoveKind::ReduceScatter ||
         kind == MoveKind::MakePartial || kind == MoveKind::Place;
}

std::string toString(const Mesh &mesh, const Move &move) {
  std::string text = toString(move.kind).str();
  if (hasReduceKind(move.kind))
    text.append("(").append(toString(move.reduce).str()).append(")");
  llvm::StringRef separator = " ";
  for (int axis : move.axes) {
    text.append(separator).append(mesh.atomName(axis));
    separator = ", ";
  }
  return text + dimsOf(move);
}

} // namespace weft
