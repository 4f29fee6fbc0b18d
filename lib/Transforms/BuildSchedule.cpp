// SPDX-License-Identifier: Apache-2.0
//
// pipe-build-schedule: the table of one step.
//
//   weigh per microbatch, seed, the joint function per microbatch,
//   the reduction of open gradients if there is one, the update.
//
// One stage; a function that the module lacks is left out of the table.
#include "weft/Transforms/Passes.h"

#define DEBUG_TYPE "pipe-build-schedule"

namespace weft {
#define GEN_PASS_DEF_BUILDSCHEDULEPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

using namespace mlir;
using namespace weft;

namespace {
struct BuildSchedulePass
    : weft::impl::BuildSchedulePassBase<BuildSchedulePass> {
  using BuildSchedulePassBase::BuildSchedulePassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (microbatches < 1) {
      module.emitError("number of microbatches is out of range: got ")
          << microbatches.getValue() << ", expected at least 1";
      return signalPassFailure();
    }
    if (!module.getOps<pipe::ScheduleOp>().empty())
      return;
    entries.clear();
    addEach("weigh");
    add("seed");
    addEach("stage0");
    add("stage0_reduce");
    add("stage0_update");
    OpBuilder builder(&getContext());
    builder.setInsertionPointToEnd(module.getBody());
    pipe::ScheduleOp::create(builder, module.getLoc(),
                             builder.getArrayAttr(entries));
  }

private:
  void add(StringRef name, int64_t microbatch = -1) {
    Builder builder(&getContext());
    if (!getOperation().lookupSymbol<func::FuncOp>(name))
      return;
    NamedAttrList entry;
    entry.set("call", FlatSymbolRefAttr::get(&getContext(), name));
    if (microbatch >= 0)
      entry.set("microbatch", builder.getI64IntegerAttr(microbatch));
    entries.push_back(entry.getDictionary(&getContext()));
  }
  void addEach(StringRef name) {
    for (int64_t i = 0; i < microbatches; ++i)
      add(name, i);
  }

  SmallVector<Attribute> entries;
};
} // namespace
