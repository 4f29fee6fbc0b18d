// SPDX-License-Identifier: Apache-2.0
//
// What dist-apply-plan sees of a model, and what it decides about it.
//
// PlanModel is read from the IR once; PlanDecision is filled by the functions
// below, one file each, and then written to the IR by ApplyPlan.cpp. Nothing
// here changes the IR.
#ifndef WEFT_LIB_TRANSFORMS_PLANMODEL_H
#define WEFT_LIB_TRANSFORMS_PLANMODEL_H

#include "weft/IR/NN/NN.h"
#include "weft/IR/Pipe/Pipe.h"
#include "weft/Plan/Config.h"
#include "weft/Plan/Pattern.h"
#include "weft/Plan/Styles.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"

namespace weft {

/// A parameter with all its names; `value` is null if nothing uses it.
struct PlanParameter {
  pipe::SlotOp slot;
  std::vector<std::string> names;
  mlir::BlockArgument value;

  int64_t numDims() const;
};

/// The marked inputs and outputs of one call of a module, by index.
struct ModuleCall {
  llvm::SmallVector<nn::BoundaryOp, 2> inputs, outputs;
};

struct PlanModel {
  mlir::ModuleOp module;
  mlir::func::FuncOp function;
  std::vector<PlanParameter> parameters;
  /// All module names, in program order, then those that only own parameters.
  std::vector<std::string> modules;
  llvm::StringMap<std::vector<ModuleCall>> calls;

  /// Fails if there is no one function to lay out.
  static mlir::FailureOr<PlanModel> read(mlir::ModuleOp module);

  /// The tensors that `pattern`, which has a side, selects.
  llvm::SmallVector<nn::BoundaryOp> select(const NamePattern &pattern) const;
  /// The same in one module.
  llvm::SmallVector<nn::BoundaryOp> selectIn(const NamePattern &pattern,
                                             llvm::StringRef module) const;
};

/// One `pattern = style` of the published plan or the user's.
struct StyleRule {
  NamePattern pattern;
  const Style *style;
  std::string origin; // "published", or the place in the user's plan
  std::vector<std::string> matched;

  bool isPublished() const { return origin == "published"; }
};

/// A module (or a single parameter) with its style.
struct StyledModule {
  std::string name;
  int rule; // index in PlanDecision::rules
  /// Outermost sub-axes of tp that may shard it, -1: all of them.
  int keptAtoms = -1;
};

/// Everything the plan decides.
struct PlanDecision {
  Mesh mesh;
  std::vector<StyleRule> rules;
  std::vector<StyledModule> styled;
  llvm::MapVector<pipe::SlotOp, Constraint> slots, gradients, optimizers;
  llvm::MapVector<pipe::SlotOp, std::string> units;
  llvm::MapVector<mlir::Operation *, Constraint> boundaries;
  /// Boundaries that a layout of the user's names: they outrank slots.
  llvm::DenseSet<mlir::Operation *> explicitBoundaries;
  /// The modules of the units that are lists: blocks, in program order.
  std::vector<std::string> blocks;
  std::vector<std::string> uncovered;
};

/// Reports at a place in the user's plan ("weft.toml:3:1", "--set a.b=v"), or
/// else at the model.
mlir::InFlightDiagnostic emitAtOrigin(mlir::ModuleOp module,
                                      llvm::StringRef origin);

/// Collects published and user styles and matches them with modules.
mlir::LogicalResult decideStyles(const PlanModel &model, const Config &config,
                                 PlanDecision &decision);
/// Splits tp into sub-axes where key-value heads need it; checks query heads.
mlir::LogicalResult decideHeads(const PlanModel &model, const Config &config,
                                PlanDecision &decision);
/// Groups parameters into units, and lays out the slots along data-parallel
/// axes and, by their styles, along tp.
mlir::LogicalResult decideSlots(const PlanModel &model, const Config &config,
                                PlanDecision &decision);
/// Wishes at module boundaries, from styles and sequence parallelism.
mlir::LogicalResult decideBoundaries(const PlanModel &model,
                                     const Config &config,
                                     PlanDecision &decision);
/// The user's explicit constraints, over all others.
mlir::LogicalResult decideLayouts(const PlanModel &model, const Config &config,
                                  PlanDecision &decision);

/// The entries that `wish` means on a tensor of `numDims` dims, with tp cut
/// to its `keptAtoms` outermost sub-axes.
std::vector<ConstraintEntry> tpEntries(const Mesh &mesh, StyleWish wish,
                                       int64_t numDims, int keptAtoms);

} // namespace weft

#endif // WEFT_LIB_TRANSFORMS_PLANMODEL_H
