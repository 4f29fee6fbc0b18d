// SPDX-License-Identifier: Apache-2.0
//
// The account of a memory plan: what the bytes of a rank are for at the moment
// when most of them are in use. Written by prog-plan-memory as `prog.memory`,
// printed by `weft plan`, part of manifest.json.
//
//   {at = "stage0: loss/grad",          where the fullest moment is
//    categories = {parameters = ..., ..., padding = ...},     their sum is peak
//    largest = [{bytes, category, name, type}],        at most ten, live there
//    least = ...,          what lives there: no placement takes fewer bytes
//    peak = ...}           bytes of all regions
//
// Categories: `saved` is what forward keeps for backward, `transient` any other
// temporary, `communication` what a collective writes, but for an all-reduce in
// place, `scratch` what kernels need inside, `padding` what no value has.
#ifndef WEFT_LIB_TRANSFORMS_PLANMEMORYACCOUNT_H
#define WEFT_LIB_TRANSFORMS_PLANMEMORYACCOUNT_H

#include "Temporaries.h"

namespace weft {

/// The temporaries of one function and where they lie.
struct FunctionPlan {
  mlir::func::FuncOp function;
  Temporaries temporaries;
  MemoryPlan plan;
};

/// The account of a module whose regions have the sizes `prog.regions` says.
mlir::DictionaryAttr accountFor(mlir::ModuleOp module,
                                llvm::ArrayRef<FunctionPlan> plans);

} // namespace weft

#endif // WEFT_LIB_TRANSFORMS_PLANMEMORYACCOUNT_H
