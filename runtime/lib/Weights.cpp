// SPDX-License-Identifier: Apache-2.0
//
// Weights: loading slices of stored tensors.
#include "weft_runtime/Weights.h"
#include "weft_runtime/Safetensors.h"

#include <filesystem>

using namespace weft;

static std::string shapeText(const std::vector<int64_t> &shape) {
  std::string text;
  for (int64_t size : shape)
    text += (text.empty() ? "" : "x") + std::to_string(size);
  return text.empty() ? "scalar" : text;
}

static const TensorView *findStored(const SafetensorsFolder &stored,
                                    const Slot &slot) {
  if (const TensorView *view = stored.find(slot.stored))
    return view;
  for (const std::string &name : slot.names) // a tied weight may have another
    if (const TensorView *view = stored.find(name))
      return view;
  return nullptr;
}

std::string weft::weightsFolder(const std::string &given,
                                const Program &program) {
  if (!given.empty())
    return given;
  namespace fs = std::filesystem;
  const std::string &named = program.descriptor.weights;
  fs::path beside = fs::path(program.path).parent_path() / named;
  return !named.empty() && fs::exists(beside) ? beside.string() : named;
}

/// Calls `use` for each slot with a stored tensor, once that is found to fit.
template <typename Use>
static void forEachStored(const std::string &folder,
                          const Descriptor &descriptor, Use use) {
  const char *note = "name the folder of the model's .safetensors files with "
                     "--weights";
  std::vector<const Slot *> wanted;
  for (const Slot &slot : descriptor.slots)
    if (!slot.stored.empty())
      wanted.push_back(&slot);
  if (wanted.empty())
    return;
  if (folder.empty() || !std::filesystem::exists(folder))
    throw Error(ExitCode::InputFile,
                "weights are missing: got no folder " + quote(folder), note);

  SafetensorsFolder stored(folder);
  for (const Slot *slot : wanted) {
    const TensorView *view = findStored(stored, *slot);
    if (!view)
      throw Error(ExitCode::InputFile,
                  "weights in " + quote(folder) + " lack tensor " +
                      quote(slot->stored),
                  note);
    if (view->shape != slot->globalShape)
      throw Error(ExitCode::InputFile,
                  "tensor " + quote(slot->stored) + " in " + quote(folder) +
                      " has another shape: got " + shapeText(view->shape) +
                      ", expected " + shapeText(slot->globalShape),
                  note);
    use(*slot, *view);
  }
}

void weft::checkWeights(const std::string &folder,
                        const Descriptor &descriptor) {
  forEachStored(folder, descriptor, [](const Slot &, const TensorView &) {});
}

void weft::loadWeights(const std::string &folder, const Descriptor &descriptor,
                       const Regions &regions, int rank) {
  std::vector<int64_t> coordinates = descriptor.mesh.coordinates(rank);
  forEachStored(
      folder, descriptor, [&](const Slot &slot, const TensorView &view) {
        Slice slice = sliceOf(descriptor.mesh, slot.layout, slot.globalShape,
                              coordinates);
        char *target = regions.address(slot);
        forEachRun(slot.globalShape, slice,
                   [&](int64_t from, int64_t to, int64_t count) {
                     convert(
                         view.dtype, view.data + from * byteSize(view.dtype),
                         slot.dtype, target + to * byteSize(slot.dtype), count);
                   });
      });
}
