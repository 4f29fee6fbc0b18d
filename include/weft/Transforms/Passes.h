// SPDX-License-Identifier: Apache-2.0
//
// Declarations of all passes; their description is in Passes.td.
#ifndef WEFT_TRANSFORMS_PASSES_H
#define WEFT_TRANSFORMS_PASSES_H

#include "mlir/Pass/Pass.h"
#include "weft/IR/Dist/Dist.h"
#include "weft/IR/NN/NN.h"
#include "weft/IR/Pipe/Pipe.h"
#include "weft/IR/Prog/Prog.h"

namespace weft {
#define GEN_PASS_DECL
#include "weft/Transforms/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

#endif // WEFT_TRANSFORMS_PASSES_H
