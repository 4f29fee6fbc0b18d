// SPDX-License-Identifier: Apache-2.0
//
// Text of layouts: only here do the sub-axes of one axis become one name.
#include "weft/Layout/Layout.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"

namespace weft {

llvm::StringRef toString(ReduceKind kind) {
  switch (kind) {
  case ReduceKind::Sum:
    return "sum";
  case ReduceKind::Max:
    return "max";
  case ReduceKind::Min:
    return "min";
  case ReduceKind::Product:
    return "product";
  }
  llvm_unreachable("unknown ReduceKind");
}

std::optional<ReduceKind> parseReduceKind(llvm::StringRef text) {
  return llvm::StringSwitch<std::optional<ReduceKind>>(text)
      .Case("sum", ReduceKind::Sum)
      .Case("max", ReduceKind::Max)
      .Case("min", ReduceKind::Min)
      .Case("product", ReduceKind::Product)
      .Default(std::nullopt);
}

/// `shard(0)`, `partial(sum)` or `replicate`.
std::string toString(const Placement &placement) {
  switch (placement.kind) {
  case PlacementKind::Shard:
    return "shard(" + std::to_string(placement.dim) + ")";
  case PlacementKind::Partial:
    return "partial(" + toString(placement.reduce).str() + ")";
  case PlacementKind::Replicate:
    return "replicate";
  }
  llvm_unreachable("unknown PlacementKind");
}

/// How many of the leading `entries` are all sub-axes of one axis in order,
/// with one placement; 1 if they do not form the whole axis.
static size_t numMerged(const Mesh &mesh, llvm::ArrayRef<Placement> entries) {
  llvm::SmallVector<int, 4> atoms;
  int axis = mesh.axisOfAtom(entries.front().axis);
  for (int atom = 0; atom < mesh.numAtoms(); ++atom)
    if (mesh.axisOfAtom(atom) == axis && mesh.atomSize(atom) > 1)
      atoms.push_back(atom);
  if (entries.size() < atoms.size())
    return 1;
  for (auto [atom, entry] : llvm::zip_first(atoms, entries)) {
    Placement expected = entries.front();
    expected.axis = atom;
    if (entry != expected)
      return 1;
  }
  return atoms.size();
}

std::string toString(const Mesh &mesh, const Layout &layout) {
  std::string text;
  for (llvm::ArrayRef<Placement> rest = layout.entries(); !rest.empty();) {
    const Placement &entry = rest.front();
    size_t count = numMerged(mesh, rest);
    if (!text.empty())
      text += ", ";
    bool whole = count > 1;
    text += whole ? mesh.axes()[mesh.axisOfAtom(entry.axis)].name
                  : mesh.atomName(entry.axis);
    text += " = " + toString(entry);
    rest = rest.drop_front(count);
  }
  return text;
}

/// Reads one `axis = placement` and appends an entry per atom of the axis.
static std::optional<std::string>
parseEntry(const Mesh &mesh, llvm::StringRef text,
           llvm::SmallVectorImpl<Placement> &entries) {
  auto [name, value] = text.split('=');
  name = name.trim();
  value = value.trim();
  auto atoms = mesh.lookup(name);
  if (!atoms)
    return "axis \"" + name.str() + "\" is not in the mesh";
  Placement placement;
  llvm::StringRef argument = value;
  if (value == "replicate") {
    placement.kind = PlacementKind::Replicate;
  } else if (argument.consume_front("shard(") && argument.consume_back(")") &&
             !argument.getAsInteger(10, placement.dim)) {
    placement.kind = PlacementKind::Shard;
  } else {
    argument = value;
    std::optional<ReduceKind> reduce;
    if (argument.consume_front("partial(") && argument.consume_back(")"))
      reduce = parseReduceKind(argument);
    if (!reduce)
      return "placement of axis \"" + name.str() + "\" is unknown: got \"" +
             value.str() +
             "\", expected shard(dim), partial(kind) or replicate";
    placement.kind = PlacementKind::Partial;
    placement.reduce = *reduce;
  }
  for (int atom : *atoms) {
    placement.axis = atom;
    entries.push_back(placement);
  }
  return std::nullopt;
}

PlacementsOrError parsePlacements(const Mesh &mesh, llvm::StringRef text) {
  PlacementsOrError result;
  while (!text.trim().empty()) {
    auto [entry, rest] = text.split(',');
    if (auto message = parseEntry(mesh, entry, result.placements)) {
      result.message = *message;
      return result;
    }
    text = rest;
  }
  return result;
}

} // namespace weft
