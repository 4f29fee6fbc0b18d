// SPDX-License-Identifier: Apache-2.0
//
// Mesh arithmetic: names to atomic axes, ranks to coordinates and groups.
#include "weft/Layout/Mesh.h"

#include "llvm/ADT/StringSet.h"

namespace weft {

int64_t MeshAxis::size() const {
  int64_t product = 1;
  for (int64_t factor : factors)
    product *= factor;
  return product;
}

Mesh::Mesh(llvm::ArrayRef<MeshAxis> axes) : namedAxes(axes) {
  for (auto [index, axis] : llvm::enumerate(axes)) {
    atomSizes.append(axis.factors.begin(), axis.factors.end());
    atomAxis.append(axis.factors.size(), static_cast<int>(index));
  }
}

/// The first atom of the named axis `axis`.
static int firstAtom(llvm::ArrayRef<MeshAxis> axes, int axis) {
  int atom = 0;
  for (const MeshAxis &other : axes.take_front(axis))
    atom += static_cast<int>(other.factors.size());
  return atom;
}

std::string Mesh::atomName(int atom) const {
  const MeshAxis &axis = namedAxes[atomAxis[atom]];
  if (axis.factors.size() == 1)
    return axis.name;
  int position = atom - firstAtom(namedAxes, atomAxis[atom]);
  return axis.name + "." + std::to_string(position);
}

std::optional<llvm::SmallVector<int, 2>>
Mesh::lookup(llvm::StringRef name) const {
  llvm::SmallVector<int, 2> atoms;
  for (int atom = 0; atom < numAtoms(); ++atom) {
    if (name == namedAxes[atomAxis[atom]].name)
      atoms.push_back(atom);
    else if (name == atomName(atom))
      return llvm::SmallVector<int, 2>{atom};
  }
  if (atoms.empty())
    return std::nullopt;
  return atoms;
}

int64_t Mesh::numRanks() const {
  int64_t product = 1;
  for (int64_t size : atomSizes)
    product *= size;
  return product;
}

llvm::SmallVector<int64_t> Mesh::coordinates(int64_t rank) const {
  llvm::SmallVector<int64_t> result(numAtoms());
  for (int atom = numAtoms() - 1; atom >= 0; --atom) {
    result[atom] = rank % atomSizes[atom];
    rank /= atomSizes[atom];
  }
  return result;
}

int64_t Mesh::rankOf(llvm::ArrayRef<int64_t> coordinates) const {
  int64_t rank = 0;
  for (auto [size, coordinate] : llvm::zip_equal(atomSizes, coordinates))
    rank = rank * size + coordinate;
  return rank;
}

llvm::SmallVector<int64_t> Mesh::group(int64_t rank,
                                       llvm::ArrayRef<int> atoms) const {
  llvm::SmallVector<int64_t> coords = coordinates(rank);
  int64_t count = 1;
  for (int atom : atoms)
    count *= atomSizes[atom];
  llvm::SmallVector<int64_t> ranks;
  for (int64_t index = 0; index < count; ++index) {
    int64_t rest = index;
    for (int atom : llvm::reverse(atoms)) {
      coords[atom] = rest % atomSizes[atom];
      rest /= atomSizes[atom];
    }
    ranks.push_back(rankOf(coords));
  }
  return ranks;
}

int64_t Mesh::indexInGroup(int64_t rank, llvm::ArrayRef<int> atoms) const {
  llvm::SmallVector<int64_t> coords = coordinates(rank);
  int64_t index = 0;
  for (int atom : atoms)
    index = index * atomSizes[atom] + coords[atom];
  return index;
}

std::optional<std::string> Mesh::verify() const {
  llvm::StringSet<> names;
  for (const MeshAxis &axis : namedAxes) {
    if (axis.name.empty())
      return "mesh axis has no name";
    if (!names.insert(axis.name).second)
      return "mesh axis \"" + axis.name + "\" is repeated";
    if (axis.factors.empty())
      return "mesh axis \"" + axis.name + "\" has no size";
    for (int64_t factor : axis.factors)
      if (factor < 1)
        return "mesh axis \"" + axis.name + "\" has a wrong size: got " +
               std::to_string(factor) + ", expected at least 1";
  }
  return std::nullopt;
}

} // namespace weft
