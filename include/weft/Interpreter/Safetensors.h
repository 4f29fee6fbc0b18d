// SPDX-License-Identifier: Apache-2.0
//
// Safetensors files as named tensors: eight bytes of header length, a JSON
// header, the elements. The runtime has its own reader, which maps slices; this
// one reads everything.
#ifndef WEFT_INTERPRETER_SAFETENSORS_H
#define WEFT_INTERPRETER_SAFETENSORS_H

#include "weft/Interpreter/Execution.h"
#include "llvm/Support/Error.h"

namespace weft::interpreter {

/// All tensors of a file, or of all `.safetensors` files of a folder. Fails on
/// a file that is cut off or damaged, and on element types the interpreter
/// lacks.
llvm::Expected<TensorMap> readSafetensors(llvm::StringRef path);

/// Fails if a file, or one of a folder's, is shorter than its header says.
/// Reads headers only: any element type will do.
llvm::Error checkSafetensors(llvm::StringRef path);

/// Writes `tensors` in the order of their names, rounded to their kinds.
llvm::Error writeSafetensors(llvm::StringRef path, const TensorMap &tensors);

} // namespace weft::interpreter

#endif // WEFT_INTERPRETER_SAFETENSORS_H
