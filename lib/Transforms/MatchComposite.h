// SPDX-License-Identifier: Apache-2.0
//
// Matching of a decomposed form, given as a function, against ops of a
// program. Composites.mlir states what forms can say. Nothing is rewritten
// here.
#ifndef WEFT_LIB_TRANSFORMS_MATCHCOMPOSITE_H
#define WEFT_LIB_TRANSFORMS_MATCHCOMPOSITE_H

#include "MatchMask.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <optional>

namespace weft {

/// A decomposed form, read from a function.
struct CompositeForm {
  mlir::func::FuncOp function;
  llvm::StringRef composite;          // the op's name, "nn.rms_norm"
  llvm::SmallVector<int64_t> leading; // sizes that stand for several dims
  mlir::ValueRange results;           // returned values
  llvm::SmallVector<mlir::Type> moreResults; // that the form does not compute

  /// The op where matching begins.
  mlir::Operation *root() const { return results.front().getDefiningOp(); }
};

/// Reads the form; reports what is missing at the function.
mlir::FailureOr<CompositeForm> readCompositeForm(mlir::func::FuncOp function);

/// What the composite op is made of.
struct CompositeMatch {
  llvm::SmallVector<mlir::Value> operands;
  llvm::SmallVector<mlir::Type> resultTypes;
  mlir::NamedAttrList attributes;
  std::optional<MaskMeaning> mask;            // its operands follow the others
  llvm::SmallVector<mlir::Operation *> parts; // from the root on
};

/// Matches `form` with `root` in place of the form's root.
///
///   form mul(x, x) with x : 2x7, leading = [2]
///   mul(%a, %a) : 4x8 -> x = %a       mul(%a, %a) : 8 -> x = %a
///   mul(%a, %b) : 4x8 -> nothing      add(%a, %a) : 4x8 -> nothing
std::optional<CompositeMatch> matchComposite(const CompositeForm &form,
                                             mlir::Operation *root);

} // namespace weft

#endif // WEFT_LIB_TRANSFORMS_MATCHCOMPOSITE_H
