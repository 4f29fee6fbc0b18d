// SPDX-License-Identifier: Apache-2.0
//
// BatchInputs: every microbatch takes the next `batch` samples.
#include "weft_runtime/BatchInputs.h"

using namespace weft;

BatchInputs::BatchInputs(const TrainOptions &options,
                         const Descriptor &descriptor, int rank)
    : descriptor(descriptor) {
  std::vector<int64_t> coordinates = descriptor.mesh.coordinates(rank);
  for (const Slot &slot : descriptor.slots)
    if (slot.kind == "input")
      parts.emplace_back(slot, sliceOf(descriptor.mesh, slot.layout,
                                       slot.globalShape, coordinates));
  if (parts.empty())
    return;
  if (options.data.empty())
    throw Error(ExitCode::Usage, "the training data is missing",
                "add --data PATH");
  data.emplace(options.data, descriptor);
  order = {options.order, options.seed, data->numSamples()};
}

void BatchInputs::fill(int64_t step, const Regions &regions) {
  for (int64_t m = 0; m < descriptor.microbatches; ++m) {
    int64_t first =
        ((step - 1) * descriptor.microbatches + m) * descriptor.batch;
    for (InputPart &part : parts)
      data->fill(
          part, [&](int64_t row) { return order.sample(first + row); },
          regions.address(part.slot(), m));
  }
}
