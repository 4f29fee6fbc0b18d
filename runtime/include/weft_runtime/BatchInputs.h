// SPDX-License-Identifier: Apache-2.0
//
// BatchInputs: the training data of one rank and where its parts go.
#ifndef WEFT_RUNTIME_BATCHINPUTS_H
#define WEFT_RUNTIME_BATCHINPUTS_H

#include "weft_runtime/Executor.h"
#include "weft_runtime/Trainer.h"

namespace weft {

class BatchInputs {
public:
  /// Opens the data the options name. Throws Error(Usage) if the program has
  /// inputs and none is named.
  BatchInputs(const TrainOptions &options, const Descriptor &descriptor,
              int rank);

  /// Writes this rank's part of all microbatches of a step (from 1). Allocates
  /// nothing.
  void fill(int64_t step, const Regions &regions);

private:
  const Descriptor &descriptor;
  std::vector<InputPart> parts;
  std::optional<TrainingData> data;
  SampleOrder order;
};

} // namespace weft

#endif // WEFT_RUNTIME_BATCHINPUTS_H
