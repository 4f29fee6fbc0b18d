// SPDX-License-Identifier: Apache-2.0
//
// Weights: stored tensors into slots at the start, slots into files at the
// end.
#ifndef WEFT_RUNTIME_WEIGHTS_H
#define WEFT_RUNTIME_WEIGHTS_H

#include "weft_runtime/Executor.h"

#include <map>
#include <string>
#include <vector>

namespace weft {

/// The folder of the stored tensors: `given`, or else the one the program
/// names, beside the program or from the working directory.
std::string weightsFolder(const std::string &given, const Program &program);

/// Fills every slot that has a stored tensor with this rank's slice of it, and
/// reads no more than that. Throws Error(InputFile) if the folder, a tensor or
/// its shape is not as the program needs it.
void loadWeights(const std::string &folder, const Descriptor &descriptor,
                 const Regions &regions, int rank);

/// Checks what loadWeights would read, and reads no tensor.
void checkWeights(const std::string &folder, const Descriptor &descriptor);

/// The gradient slots as they were at one moment.
class GradientCopy {
public:
  /// Copies every gradient slot that a parameter's gradient ends in: those of
  /// trainable parameters, without the open slots of delayed reductions.
  void take(const Descriptor &descriptor, const Regions &regions);
  const std::map<const Slot *, std::vector<char>> &slots() const {
    return copies;
  }

private:
  std::map<const Slot *, std::vector<char>> copies;
};

/// What one step gave.
struct RunResults {
  std::vector<double> losses;
  GradientCopy gradients;
};

/// Makes the folder for a dump, so that a training whose results can't be kept
/// does not begin. Throws Error(Storage).
void makeDumpFolder(const std::string &folder);

/// Writes loss.json, gradients.safetensors and parameters.safetensors into
/// `folder`: global tensors in f32 (gradients) or the slot's type, under the
/// model's names. All ranks call it; rank 0 writes. Throws Error(Storage).
void writeDump(const std::string &folder, const Program &program,
               const Regions &regions, Communicator &communicator,
               const RunResults &results);

} // namespace weft

#endif // WEFT_RUNTIME_WEIGHTS_H
