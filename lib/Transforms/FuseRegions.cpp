// SPDX-License-Identifier: Apache-2.0
//
// prog-fuse-regions: elementwise ops of one shape become one loop.
//
//   1. Constants that are returned get a copy each, in front of the return. An
//      op that a distant elementwise op reads, and nothing else that far, is
//      computed again there if its operands are still in memory: backward then
//      keeps fewer values of forward (FuseRegionsRecompute.cpp).
//   2. Decide, in program order: an op joins the groups of its operands while
//      no op outside has needed their values. A group runs in front of the
//      first op outside that does (its anchor); once that is known, an op
//      still joins if its operands exist there and it is at most
//      kMaxHoist ops behind, so that nothing moves far from its uses.
//   3. Rewrite: one prog.fused per group; splat constants, iotas and
//      broadcasts are cheap and are cloned into each group that reads them.
//   4. Cheap ops that something else reads become groups of their own.
//   5. A region that only a reduction reads takes it in
//      (FuseRegionsReductions.cpp).
//   6. A region takes in the last contraction that it reads
//      (FuseRegionsContractions.cpp).
//   7. A loop of long arithmetic joins one close before it that reads the same
//      (FuseRegionsSiblings.cpp).
//   8. Row kernels take in the transposes around them
//      (FuseRegionsTransposes.cpp).
//
// Every op computes what it did before on each element, so no bit changes.
#include "FuseRegionsContractions.h"
#include "FuseRegionsRecompute.h"
#include "FuseRegionsReductions.h"
#include "FuseRegionsSiblings.h"
#include "FuseRegionsTransposes.h"
#include "weft/Transforms/Passes.h"
#include "llvm/ADT/SetVector.h"

#define DEBUG_TYPE "prog-fuse-regions"

namespace weft {
#define GEN_PASS_DEF_FUSEREGIONSPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

using namespace mlir;
using namespace weft;

/// How many ops an op may be moved, up to join a group or down to a region.
static constexpr int64_t kMaxHoist = 16;

/// True for ops worth computing again in every region that reads them.
static bool isCheap(Operation *op) {
  if (auto constant = dyn_cast_or_null<nn::ConstantOp>(op))
    return constant.getValue().isSplat();
  return isa_and_nonnull<nn::IotaOp, nn::BroadcastOp>(op);
}

namespace {

/// Ops that will be one region. Positions are numbers of ops in the block; the
/// region runs in front of the op at `anchor`.
struct Group {
  SmallVector<Operation *> members;
  /// All operands from outside exist in front of the op at this position.
  int64_t ready = 0;
  /// Unknown while only members have read the members' values.
  std::optional<int64_t> anchor;
};

/// Step 2 for one block.
class RegionPlanner {
public:
  RegionPlanner(Block &block, bool isAlone) : isAlone(isAlone) {
    for (auto [position, op] : llvm::enumerate(block)) {
      positions[&op] = position;
      visit(&op, position);
    }
    for (Group &group : groups)
      if (!group.anchor && !group.members.empty())
        group.anchor = positions[group.members.back()] + 1;
  }

  /// Groups in the order they run.
  SmallVector<Group> takeGroups() {
    llvm::erase_if(groups, [](Group &g) { return g.members.empty(); });
    llvm::stable_sort(groups, [](const Group &a, const Group &b) {
      return *a.anchor < *b.anchor;
    });
    return std::move(groups);
  }

private:
  void visit(Operation *op, int64_t position);
  /// The group of the op that defines `value`, or -1.
  int groupOf(Value value) {
    auto it = groupOfOp.find(value.getDefiningOp());
    return it == groupOfOp.end() ? -1 : it->second;
  }
  /// The first position in front of which `value` exists, for a reader outside
  /// of its group at `position`: this settles the group's anchor.
  int64_t readyFor(Value value, int64_t position);
  /// The groups that define operands of `op`: those whose anchor is open, or
  /// else the one that runs last.
  SmallVector<int> candidates(Operation *op);
  int64_t readyWithout(Operation *op, ArrayRef<int> joined, int64_t position);
  void merge(int target, int source);

  bool isAlone; // every op is a group
  SmallVector<Group> groups;
  DenseMap<Operation *, int> groupOfOp;
  DenseMap<Operation *, int64_t> positions;
};

} // namespace

int64_t RegionPlanner::readyFor(Value value, int64_t position) {
  Operation *op = value.getDefiningOp();
  if (!op || isa<nn::ConstantOp, nn::IotaOp>(op))
    return 0;
  if (auto broadcast = dyn_cast<nn::BroadcastOp>(op))
    return readyFor(broadcast.getInput(), position);
  int number = groupOf(value);
  if (number < 0)
    return positions[op] + 1;
  Group &group = groups[number];
  if (!group.anchor)
    group.anchor = position;
  return *group.anchor + 1;
}

SmallVector<int> RegionPlanner::candidates(Operation *op) {
  llvm::SetVector<int> open, settled;
  for (Value operand : op->getOperands()) {
    int number = groupOf(operand);
    if (number >= 0)
      (groups[number].anchor ? settled : open).insert(number);
  }
  if (!open.empty() || settled.empty())
    return open.takeVector();
  auto *latest = llvm::max_element(settled, [&](int a, int b) {
    return *groups[a].anchor < *groups[b].anchor;
  });
  return {*latest};
}

int64_t RegionPlanner::readyWithout(Operation *op, ArrayRef<int> joined,
                                    int64_t position) {
  int64_t ready = 0;
  for (Value operand : op->getOperands())
    if (!llvm::is_contained(joined, groupOf(operand)) || groupOf(operand) < 0)
      ready = std::max(ready, readyFor(operand, position));
  return ready;
}

void RegionPlanner::merge(int target, int source) {
  for (Operation *member : groups[source].members)
    groupOfOp[member] = target;
  groups[target].members.append(groups[source].members);
  groups[target].ready = std::max(groups[target].ready, groups[source].ready);
  groups[source].members.clear();
}

void RegionPlanner::visit(Operation *op, int64_t position) {
  if (!nn::isElementwise(op)) {
    for (Value operand : op->getOperands())
      readyFor(operand, position);
    return;
  }
  SmallVector<int> joined;
  if (!isAlone)
    joined = candidates(op);
  int64_t ready = readyWithout(op, joined, position);
  if (joined.size() == 1 && groups[joined.front()].anchor) {
    int64_t anchor = *groups[joined.front()].anchor;
    if (ready > anchor || position - anchor > kMaxHoist) {
      ready = std::max(ready, anchor + 1);
      joined.clear();
    }
  }
  if (joined.empty()) {
    joined.push_back(groups.size());
    groups.emplace_back();
  }
  for (int other : ArrayRef(joined).drop_front())
    merge(joined.front(), other);
  Group &group = groups[joined.front()];
  group.members.push_back(op);
  group.ready = std::max(group.ready, ready);
  groupOfOp[op] = joined.front();
}

//===----------------------------------------------------------------------===//
// Rewrite
//===----------------------------------------------------------------------===//

namespace {

/// Builds the region of one group.
class RegionBuilder {
public:
  RegionBuilder(OpBuilder &builder, ArrayRef<Operation *> members)
      : builder(builder), members(members.begin(), members.end()) {
    llvm::sort(this->members, [](Operation *a, Operation *b) {
      return a->isBeforeInBlock(b);
    });
  }
  void build();

private:
  Value inside(Value value);
  Value clone(Operation *op);
  Value cloneBroadcast(nn::BroadcastOp op);
  prog::FusedOp createOp(ArrayRef<Value> results);

  OpBuilder &builder;
  SmallVector<Operation *> members;
  std::unique_ptr<Block> body = std::make_unique<Block>();
  SmallVector<Value> inputs;
  /// Values outside to values of the body, plain and repeated over dims.
  DenseMap<Value, Value> values;
  DenseMap<std::pair<Value, Attribute>, Value> broadcasts;
};

} // namespace

Value RegionBuilder::inside(Value value) {
  if (Value known = values.lookup(value))
    return known;
  Operation *op = value.getDefiningOp();
  if (isCheap(op))
    return clone(op);
  inputs.push_back(value);
  return values[value] = body->addArgument(value.getType(), value.getLoc());
}

/// A broadcast of a broadcast is one; of a constant or iota, it is one of these
/// in the full shape. Equal ones are shared.
Value RegionBuilder::cloneBroadcast(nn::BroadcastOp op) {
  OpBuilder inner(op.getContext());
  inner.setInsertionPointToEnd(body.get());
  auto type = cast<RankedTensorType>(op.getType());
  SmallVector<int64_t> dims(op.getDims());
  Value source = op.getInput();
  while (auto broadcast = source.getDefiningOp<nn::BroadcastOp>()) {
    dims = llvm::map_to_vector(broadcast.getDims(),
                               [&](int64_t dim) { return dims[dim]; });
    source = broadcast.getInput();
  }
  Operation *producer = source.getDefiningOp();
  if (auto iota = dyn_cast_or_null<nn::IotaOp>(producer))
    return nn::IotaOp::create(inner, op.getLoc(), type, dims[iota.getDim()],
                              Value());
  if (isCheap(producer)) {
    auto splat =
        cast<SplatElementsAttr>(cast<nn::ConstantOp>(producer).getValue());
    return nn::ConstantOp::create(inner, op.getLoc(), type,
                                  splat.resizeSplat(type));
  }
  // An argument of its own: a kernel reads each of its inputs in one way.
  Value &known = broadcasts[{source, inner.getDenseI64ArrayAttr(dims)}];
  if (!known) {
    inputs.push_back(source);
    known = nn::BroadcastOp::create(
        inner, op.getLoc(), type,
        body->addArgument(source.getType(), source.getLoc()), dims);
  }
  return known;
}

Value RegionBuilder::clone(Operation *op) {
  if (auto broadcast = dyn_cast<nn::BroadcastOp>(op))
    return values[op->getResult(0)] = cloneBroadcast(broadcast);
  SmallVector<Value> operands;
  for (Value operand : op->getOperands())
    operands.push_back(inside(operand));
  Operation *copy = op->clone(Operation::CloneOptions::all());
  copy->setOperands(operands);
  // What was noted for other passes must not make kernels differ.
  copy->setDiscardableAttrs(DictionaryAttr::get(op->getContext()));
  body->push_back(copy);
  return values[op->getResult(0)] = copy->getResult(0);
}

prog::FusedOp RegionBuilder::createOp(ArrayRef<Value> results) {
  Location loc = results.front().getLoc();
  SmallVector<Value> yielded;
  for (Value result : results)
    yielded.push_back(values[result]);
  auto fused = prog::FusedOp::create(builder, loc,
                                     ValueRange(yielded).getTypes(), inputs);
  fused.getBody().push_back(body.release());
  OpBuilder inner = OpBuilder::atBlockEnd(&fused.getBody().front());
  prog::YieldOp::create(inner, loc, yielded);
  return fused;
}

void RegionBuilder::build() {
  llvm::SmallPtrSet<Operation *, 8> own(members.begin(), members.end());
  SmallVector<Value> results;
  for (Operation *member : members) {
    clone(member);
    if (llvm::any_of(member->getUsers(),
                     [&](Operation *user) { return !own.contains(user); }))
      results.push_back(member->getResult(0));
  }
  if (results.empty())
    return;
  prog::FusedOp fused = createOp(results);
  for (auto [result, value] : llvm::zip_equal(results, fused.getResults()))
    result.replaceAllUsesWith(value);
}

/// Step 1: a result's slot may be written late only by a value of its own.
static void separateReturnedConstants(OpBuilder &builder, Block &block) {
  Operation *terminator = block.getTerminator();
  builder.setInsertionPoint(terminator);
  for (OpOperand &operand : terminator->getOpOperands()) {
    Operation *op = operand.get().getDefiningOp();
    if (isCheap(op) && !isa<nn::BroadcastOp>(op))
      operand.set(builder.clone(*op)->getResult(0));
  }
}

static void eraseUnused(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (isOpTriviallyDead(&op))
      op.erase();
}

static Operation *firstUser(Operation *op) {
  return *llvm::min_element(op->getUsers(), [](Operation *a, Operation *b) {
    return a->isBeforeInBlock(b);
  });
}

static void fuse(Block &block, bool isAlone) {
  OpBuilder builder(block.getParentOp()->getContext());
  separateReturnedConstants(builder, block);
  eraseUnused(block);
  if (!isAlone)
    recomputeForDistantReaders(block, kMaxHoist);
  SmallVector<Operation *> ops;
  for (Operation &op : block)
    ops.push_back(&op);
  for (const Group &group : RegionPlanner(block, isAlone).takeGroups()) {
    builder.setInsertionPoint(ops[*group.anchor]);
    RegionBuilder(builder, group.members).build();
  }
  eraseUnused(block);
  for (Operation &op : llvm::make_early_inc_range(block))
    if (isCheap(&op)) {
      builder.setInsertionPoint(firstUser(&op));
      RegionBuilder(builder, {&op}).build();
    }
  eraseUnused(block);
  if (isAlone)
    return;
  fuseReductions(block);
  fuseContractions(block, kMaxHoist);
  fuseSiblings(block, kMaxHoist);
  fuseTransposes(block);
}

namespace {
struct FuseRegionsPass : weft::impl::FuseRegionsPassBase<FuseRegionsPass> {
  using FuseRegionsPassBase::FuseRegionsPassBase;

  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isDeclaration())
        fuse(function.front(), alone);
  }
};
} // namespace
