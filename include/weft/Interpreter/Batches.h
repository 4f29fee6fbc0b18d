// SPDX-License-Identifier: Apache-2.0
//
// Batches: training data for interpreted runs, in sequential order.
#ifndef WEFT_INTERPRETER_BATCHES_H
#define WEFT_INTERPRETER_BATCHES_H

#include "weft/Interpreter/Safetensors.h"

namespace weft::interpreter {

/// Samples from token files (`tokens` and `labels`: sample i is the seq + 1
/// tokens from i * seq on) or from a safetensors file with one [N, ...] tensor
/// per input. Past the last sample it begins again.
class Batches {
public:
  /// Opens a token file, a .safetensors file, or a folder of either.
  static llvm::Expected<Batches> open(llvm::StringRef path);
  /// Samples given as tensors.
  static Batches of(TensorMap tensors);

  /// Samples [first, first + shape[0]) of an input as a tensor of `shape`;
  /// fails if the data lack the input or hold it in another shape.
  llvm::Expected<Tensor> samples(llvm::StringRef input,
                                 llvm::ArrayRef<int64_t> shape,
                                 int64_t first) const;

private:
  llvm::Expected<Tensor> tokenSamples(int64_t shift,
                                      llvm::ArrayRef<int64_t> shape,
                                      int64_t first) const;

  std::string path = "the data";
  TensorMap tensors;
  std::vector<int32_t> stream; // of all token files, one after the other
};

} // namespace weft::interpreter

#endif // WEFT_INTERPRETER_BATCHES_H
