// SPDX-License-Identifier: Apache-2.0
//
// dist-apply-recompute: backward uses of a gathered parameter that is not
// kept get a gather of their own, before the first of them.
//
// What is cloned is the gather and the ops behind it that only change its
// form (a cut of padding). Clones carry `recomputed`, which keeps CSE off.
#include "mlir/IR/IRMapping.h"
#include "weft/Transforms/Passes.h"
#include "weft/Transforms/Units.h"

#define DEBUG_TYPE "dist-apply-recompute"

namespace weft {
#define GEN_PASS_DEF_APPLYRECOMPUTEPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

using namespace mlir;
using namespace weft;

static bool isFormOf(Operation *op) {
  return isa<nn::SliceOp, nn::CastOp, nn::ReshapeOp, dist::AllGatherOp>(op);
}

/// The gather's results and their other forms, in program order.
static SmallVector<Operation *> collectForms(dist::AllGatherOp gather) {
  SmallVector<Operation *> forms = {gather};
  for (size_t i = 0; i < forms.size(); ++i)
    for (Operation *user : forms[i]->getUsers())
      if (isFormOf(user) && !llvm::is_contained(forms, user))
        forms.push_back(user);
  llvm::sort(forms,
             [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  return forms;
}

static Operation *
firstBackwardUser(ArrayRef<Operation *> forms,
                  const llvm::DenseSet<Operation *> &backward) {
  Operation *first = nullptr;
  for (Operation *form : forms)
    for (Operation *user : form->getUsers())
      if (backward.contains(user) && !llvm::is_contained(forms, user) &&
          (!first || user->isBeforeInBlock(first)))
        first = user;
  return first;
}

/// Gives backward a gather of its own; `forms` are those of forward.
static void gatherAgain(ArrayRef<Operation *> forms,
                        const llvm::DenseSet<Operation *> &backward) {
  Operation *first = firstBackwardUser(forms, backward);
  if (!first)
    return;
  OpBuilder builder(first);
  IRMapping mapping;
  for (Operation *form : forms) {
    Operation *clone = builder.clone(*form, mapping);
    clone->setAttr("recomputed", builder.getUnitAttr());
    clone->removeAttr("gathered");
    for (auto [old, now] : llvm::zip(form->getResults(), clone->getResults()))
      old.replaceUsesWithIf(now, [&](OpOperand &use) {
        return backward.contains(use.getOwner()) &&
               !llvm::is_contained(forms, use.getOwner());
      });
  }
}

namespace {
struct ApplyRecomputePass
    : weft::impl::ApplyRecomputePassBase<ApplyRecomputePass> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      llvm::DenseSet<Operation *> backward = backwardOps(function);
      SetVector<Operation *> originals;
      for (auto gather :
           llvm::to_vector(function.getOps<dist::AllGatherOp>())) {
        auto policy = gather->getAttrOfType<StringAttr>("gathered");
        if (!policy || policy != "again")
          continue;
        gather->removeAttr("gathered");
        SmallVector<Operation *> forms = collectForms(gather);
        originals.insert_range(forms);
        gatherAgain(forms, backward);
      }
      // Forms that only backward needed stay behind without uses.
      SmallVector<Operation *> dead(originals.begin(), originals.end());
      llvm::sort(dead, [](Operation *a, Operation *b) {
        return b->isBeforeInBlock(a);
      });
      for (Operation *form : dead)
        if (form->use_empty())
          form->erase();
    }
  }
};
} // namespace
