// SPDX-License-Identifier: Apache-2.0
//
// Several modules to object files at once. Lowering within MLIR goes one by
// one, since its context is shared; optimising and generating code, which is
// where the time goes, is a thread each.
#ifndef WEFT_TARGET_OBJECTJOBS_H
#define WEFT_TARGET_OBJECTJOBS_H

#include "weft/Target/ObjectEmitter.h"

namespace weft {

/// A module of kernels or program functions and where its object goes.
struct ObjectJob {
  mlir::ModuleOp module;
  std::string path;
  TargetInfo target;
};

/// Does all jobs; fails, like emitObject, with a diagnostic for each that
/// fails. The objects do not depend on how many threads there are.
mlir::LogicalResult emitObjects(llvm::ArrayRef<ObjectJob> jobs);

} // namespace weft

#endif // WEFT_TARGET_OBJECTJOBS_H
