// SPDX-License-Identifier: Apache-2.0
//
// The story of the compiler: which passes run, in which order, and why there.
#ifndef WEFT_PIPELINES_PIPELINES_H
#define WEFT_PIPELINES_PIPELINES_H

#include "mlir/Pass/PassManager.h"
#include "weft/Plan/Config.h"
#include "weft/Target/ObjectEmitter.h"

namespace weft {

/// global -> annotated: composites are whole, the plan is on the IR.
void addPlanPasses(mlir::OpPassManager &pm, const Config &config);
/// annotated -> staged: the joint function and the update.
void addDifferentiationPasses(mlir::OpPassManager &pm, const Config &config);
/// staged -> typed: every tensor carries its layout.
void addLayoutPasses(mlir::OpPassManager &pm, const Config &config);
/// typed -> local: one rank's view.
void addPartitionPasses(mlir::OpPassManager &pm, const Config &config);
/// local -> scheduled: gathers planned, collectives merged, the table.
void addSchedulePasses(mlir::OpPassManager &pm, const Config &config);

/// Registers `--weft-to-typed`, `--weft-to-scheduled` with `weft-opt`, with
/// the plan file as option `config` and values over it as `set`; and
/// `--weft-to-program`.
void registerWeftPipelines();

/// Registers `--weft-to-program=output=DIR cpu=NAME`: from one rank's view, of
/// whatever functions, to `program.so` and `manifest.json`.
void registerProgramPipeline();

} // namespace weft

#endif // WEFT_PIPELINES_PIPELINES_H
