// SPDX-License-Identifier: Apache-2.0
//
// Slices: mesh coordinates, groups and the rectangles of a layout.
#include "weft_runtime/Slices.h"

#include <algorithm>

using namespace weft;

int64_t Mesh::worldSize() const {
  int64_t size = 1;
  for (const MeshAxis &axis : axes)
    size *= axis.size;
  return size;
}

std::vector<int64_t> Mesh::coordinates(int rank) const {
  std::vector<int64_t> result(axes.size());
  int64_t rest = rank;
  for (size_t i = axes.size(); i-- > 0;) {
    result[i] = rest % axes[i].size;
    rest /= axes[i].size;
  }
  return result;
}

std::vector<int> Mesh::group(const std::vector<int> &over, int rank) const {
  std::vector<int64_t> strides(axes.size(), 1);
  for (size_t i = axes.size(); i-- > 1;)
    strides[i - 1] = strides[i] * axes[i].size;
  std::vector<int64_t> own = coordinates(rank);
  int64_t base = rank;
  for (int axis : over)
    base -= own[axis] * strides[axis];

  std::vector<int> ranks{static_cast<int>(base)};
  for (int axis : over) {
    std::vector<int> wider;
    for (int member : ranks)
      for (int64_t c = 0; c < axes[axis].size; ++c)
        wider.push_back(static_cast<int>(member + c * strides[axis]));
    ranks = std::move(wider);
  }
  return ranks;
}

std::string Mesh::text() const {
  std::string result;
  for (const MeshAxis &axis : axes)
    result += (result.empty() ? "" : ", ") + axis.name + " = " +
              std::to_string(axis.size);
  return result.empty() ? "1" : result;
}

Slice weft::sliceOf(const Mesh &mesh, const std::vector<Placement> &layout,
                    const std::vector<int64_t> &shape,
                    const std::vector<int64_t> &coordinates) {
  Slice slice{std::vector<int64_t>(shape.size(), 0), shape, shape};
  for (const Placement &placement : layout) {
    int64_t &local = slice.local[placement.dim];
    int64_t &valid = slice.valid[placement.dim];
    int64_t size = mesh.axes[placement.axis].size;
    local = (local + size - 1) / size;
    int64_t offset = std::min(coordinates[placement.axis] * local, valid);
    slice.start[placement.dim] += offset;
    valid = std::min(valid - offset, local);
  }
  return slice;
}

int64_t weft::numElements(const std::vector<int64_t> &shape) {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return count;
}

void weft::forEachRun(
    const std::vector<int64_t> &shape, const Slice &slice,
    const std::function<void(int64_t, int64_t, int64_t)> &body) {
  if (numElements(slice.valid) == 0)
    return;
  // Trailing dims that are held whole join into one run, with the next dim.
  size_t split = shape.size();
  int64_t inner = 1;
  while (split > 0 && slice.valid[split - 1] == shape[split - 1] &&
         slice.local[split - 1] == shape[split - 1])
    inner *= shape[--split];
  int64_t run = inner;
  if (split > 0)
    run *= slice.valid[--split];

  std::vector<int64_t> index(split, 0);
  while (true) {
    int64_t global = 0, local = 0;
    for (size_t d = 0; d < split; ++d) {
      global = global * shape[d] + slice.start[d] + index[d];
      local = local * slice.local[d] + index[d];
    }
    if (split < shape.size()) {
      global = global * shape[split] + slice.start[split];
      local = local * slice.local[split];
    }
    for (size_t d = split + 1; d < shape.size(); ++d) {
      global *= shape[d];
      local *= shape[d];
    }
    body(global, local, run);

    size_t d = split;
    while (d > 0 && ++index[d - 1] == slice.valid[d - 1])
      index[--d] = 0;
    if (d == 0)
      return;
  }
}
