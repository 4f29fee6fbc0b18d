// SPDX-License-Identifier: Apache-2.0
//
// dist-apply-plan for a plan that is already read; Passes.td describes it.
#ifndef WEFT_TRANSFORMS_APPLYPLAN_H
#define WEFT_TRANSFORMS_APPLYPLAN_H

#include "weft/Plan/Config.h"
#include <memory>

namespace mlir {
class Pass;
} // namespace mlir

namespace weft {

/// The name around a location in the plan file: an error there is the user's to
/// correct in the plan, whatever the model.
inline constexpr llvm::StringLiteral kPlanLocationName = "weft.plan";

/// The pass for `config`, whose mesh is resolved (see resolveMesh).
std::unique_ptr<mlir::Pass> createApplyPlanPass(const Config &config);

} // namespace weft

#endif // WEFT_TRANSFORMS_APPLYPLAN_H
