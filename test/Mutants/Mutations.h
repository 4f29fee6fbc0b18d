// SPDX-License-Identifier: Apache-2.0
//
// Mutations: small changes of a compiled program, each of which a compiler
// could have made by mistake. What is left out or altered: redistributes and
// layouts in the typed phase; collectives, waits, cuts and slots in the
// scheduled phase; offsets, calls and waits in the program phase.
//
// An op is named by its number in the module's walk, so that one list serves
// all clones of a module.
#ifndef WEFT_TEST_MUTANTS_MUTATIONS_H
#define WEFT_TEST_MUTANTS_MUTATIONS_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include <functional>
#include <string>
#include <vector>

namespace weft::mutants {

/// One change of one op.
struct Mutation {
  std::string kind; // "drop collective"
  std::string what; // "all_gather over dp_shard at model.layers.0"
  int64_t op = 0;
  std::function<void(mlir::Operation *)> apply;
};

/// Every mutation of a module in that phase, in program order.
std::vector<Mutation> typedMutations(mlir::ModuleOp module);
std::vector<Mutation> scheduledMutations(mlir::ModuleOp module);
std::vector<Mutation> programMutations(mlir::ModuleOp module);

/// A clone of `module` with the change.
mlir::OwningOpRef<mlir::ModuleOp> mutate(mlir::ModuleOp module,
                                         const Mutation &mutation);

/// Collects the mutations of one module: numbers ops while it walks.
class MutationList {
public:
  /// Calls `visit` for each op; `add` then adds a mutation of it.
  void walk(mlir::ModuleOp module,
            llvm::function_ref<void(mlir::Operation *)> visit);
  void add(llvm::StringRef kind, const llvm::Twine &what,
           std::function<void(mlir::Operation *)> apply);
  std::vector<Mutation> take() { return std::move(mutations); }

private:
  mlir::Operation *current = nullptr;
  int64_t number = -1;
  std::vector<Mutation> mutations;
};

/// What a rank would compute if it were alone: `value` cut and repeated until
/// it has `type`.
mlir::Value alone(mlir::OpBuilder &builder, mlir::Location loc,
                  mlir::Value value, mlir::Type type);

/// `["dp_shard"]` of an op with axes, and the other sets of one axis, and the
/// set without its last axis.
std::vector<mlir::Attribute> otherAxes(mlir::Operation *op);
std::string axesText(mlir::Attribute axes);

} // namespace weft::mutants

#endif // WEFT_TEST_MUTANTS_MUTATIONS_H
