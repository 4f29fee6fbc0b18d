// SPDX-License-Identifier: Apache-2.0
//
// dist-overlap-collectives: start early, wait late.
//
//   1. Every collective becomes a start where its operands are known and a
//      wait before its first user.
//   2. The gather of a unit's parameters moves up by the prefetch policy:
//        pre    behind the wait of the gather before it: while the current
//               unit computes, the next one's parameters arrive
//        post   before the gradient reduction it would stand behind
//        none   stays before its first use
// Collectives keep one order on all ranks: there is one program.
#include "weft/Transforms/Passes.h"
#include "weft/Transforms/Units.h"

#define DEBUG_TYPE "dist-overlap-collectives"

namespace weft {
#define GEN_PASS_DEF_OVERLAPCOLLECTIVESPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

using namespace mlir;
using namespace weft;

namespace {
/// What prefetch needs to know of a started collective.
struct Started {
  dist::StartOp start;
  dist::WaitOp wait;
  bool isParameterGather, isGradientReduction;
  bool isRecomputed; // backward gathers it again
};
} // namespace

static Operation *firstUser(Operation *op) {
  Operation *first = op->getBlock()->getTerminator();
  for (Operation *user : op->getUsers())
    if (user->isBeforeInBlock(first))
      first = user;
  return first;
}

/// Replaces a collective by a start in its place and a wait before its first
/// user.
static Started split(Operation *op, SymbolTable &symbols) {
  bool isGather = isa<dist::AllGatherOp>(op);
  bool isParameter =
      isGather && unitOfParameter(op->getResult(0), symbols) != nullptr;
  bool isGradient =
      !isGather && unitOfDestination(op->getResult(0), symbols) != nullptr;
  OpBuilder builder(op);
  SmallVector<Type> futures =
      llvm::map_to_vector(op->getResultTypes(), [](Type type) -> Type {
        return dist::FutureType::get(type.getContext(), type);
      });
  auto start =
      dist::StartOp::create(builder, op->getLoc(), futures, op->getOperands());
  builder.setInsertionPoint(firstUser(op));
  auto wait = dist::WaitOp::create(builder, op->getLoc(), op->getResultTypes(),
                                   start.getFutures());
  op->replaceAllUsesWith(wait);
  Block &body = start.getBody().emplaceBlock();
  for (Value operand : op->getOperands())
    body.addArgument(operand.getType(), operand.getLoc());
  op->moveBefore(&body, body.end());
  op->setOperands(body.getArguments());
  builder.setInsertionPointToEnd(&body);
  dist::YieldOp::create(builder, op->getLoc(), op->getResults());
  return {start, wait, isParameter, isGradient, op->hasAttr("recomputed")};
}

/// Moves a start, and the casts of parameters that it gathers, behind `place`.
static void moveBehind(Operation *place, dist::StartOp start) {
  for (Operation *op : makersSince(start.getOperation(), place)) {
    op->moveAfter(place);
    place = op;
  }
  start->moveAfter(place);
}

/// Moves the starts of parameter gathers up, but not out of backward: what is
/// gathered again is not to be held through forward.
static void prefetch(ArrayRef<Started> calls, StringRef policy) {
  const Started *lastGather = nullptr;
  const Started *previous = nullptr;
  for (const Started &call : calls) {
    if (call.isParameterGather && policy == "pre" && lastGather &&
        lastGather->isRecomputed == call.isRecomputed)
      moveBehind(lastGather->wait, call.start);
    if (call.isParameterGather && policy == "post" && previous &&
        previous->isGradientReduction) {
      dist::StartOp start = call.start, place = previous->start;
      for (Operation *op : makersSince(start.getOperation(), place))
        op->moveBefore(place);
      start->moveBefore(place);
    }
    if (call.isParameterGather)
      lastGather = &call;
    previous = &call;
  }
}

namespace {
struct OverlapCollectivesPass
    : weft::impl::OverlapCollectivesPassBase<OverlapCollectivesPass> {
  using OverlapCollectivesPassBase::OverlapCollectivesPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (policy != "pre" && policy != "post" && policy != "none") {
      module.emitError("unknown prefetch policy: got \"")
          << policy << "\", expected pre, post or none";
      return signalPassFailure();
    }
    SymbolTable symbols(module);
    for (auto function : module.getOps<func::FuncOp>()) {
      SmallVector<Operation *> collectives;
      for (Operation &op : function.front())
        if (dist::isCollective(&op))
          collectives.push_back(&op);
      SmallVector<Started> calls;
      for (Operation *op : collectives)
        calls.push_back(split(op, symbols));
      prefetch(calls, policy);
    }
  }
};
} // namespace
