// SPDX-License-Identifier: Apache-2.0
//
// dist-bucket-collectives: collectives of one unit become one call.
//
//   0. What leads from a gradient to its slot moves up behind the gradient, so
//      that a unit is reduced, and its gradients are freed, within backward.
//   1. Sort parameter gathers and gradient reductions by (kind, axes, unit,
//      forward or backward); reductions of several units go together while
//      they fit the bucket size.
//   2. A bucket of gathers stands before the first use of any of its results,
//      and what makes its operands before it; a bucket of reductions stands
//      where its last operand is known, and what uses its results moves behind
//      it.
// Order among buckets is program order, the same on all ranks.
#include "weft/Transforms/Passes.h"
#include "weft/Transforms/Units.h"
#include "llvm/ADT/MapVector.h"

#define DEBUG_TYPE "dist-bucket-collectives"

namespace weft {
#define GEN_PASS_DEF_BUCKETCOLLECTIVESPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

using namespace mlir;
using namespace weft;

namespace {
/// What collectives of one bucket have in common.
struct BucketKey {
  StringAttr name; // op name
  Attribute axes, kind, unit;
  bool isBackward;

  auto tie() const { return std::tie(name, axes, kind, unit, isBackward); }
  bool operator==(const BucketKey &other) const { return tie() == other.tie(); }
};

struct Bucket {
  BucketKey key;
  SmallVector<Operation *> members;
  int64_t bytes = 0;
};
} // namespace

static int64_t operandBytes(Operation *op) {
  int64_t bytes = 0;
  for (Type type : op->getOperandTypes())
    bytes += dist::bytesOf(cast<RankedTensorType>(type));
  return bytes;
}

/// Collects the buckets of a function in order of their first member.
static SmallVector<Bucket> collectBuckets(func::FuncOp function,
                                          SymbolTable &symbols,
                                          int64_t bucketBytes) {
  auto backward = backwardOps(function);
  SmallVector<Bucket> buckets;
  for (Operation &op : function.front()) {
    bool isGather = isa<dist::AllGatherOp>(op);
    if (!isGather && !isa<dist::AllReduceOp, dist::ReduceScatterOp>(op))
      continue;
    // A gather is of a parameter before its use, or after its update.
    StringAttr unit =
        isGather ? unitOfParameter(op.getResult(0), symbols) : StringAttr();
    if (!unit)
      unit = unitOfDestination(op.getResult(0), symbols);
    if (!unit)
      continue;
    bool mayCross = !isGather && bucketBytes > 0;
    bool isBackward = op.hasAttr("recomputed") || backward.contains(&op);
    BucketKey key{op.getName().getIdentifier(), op.getAttr("axes"),
                  op.getAttr("kind"), mayCross ? Attribute() : unit,
                  isBackward};
    int64_t bytes = operandBytes(&op);
    Bucket *bucket = llvm::find_if(buckets, [&](Bucket &candidate) {
      return candidate.key == key &&
             (!mayCross || candidate.bytes + bytes <= bucketBytes);
    });
    if (bucket == buckets.end())
      bucket = &buckets.emplace_back(Bucket{key, {}, 0});
    bucket->members.push_back(&op);
    bucket->bytes += bytes;
  }
  return buckets;
}

static Operation *firstUser(ArrayRef<Operation *> ops) {
  Operation *first = nullptr;
  for (Operation *op : ops)
    for (Operation *user : op->getUsers())
      if (!first || user->isBeforeInBlock(first))
        first = user;
  return first;
}

/// Builds the bucket's one op at the builder's position.
static Operation *merge(OpBuilder &builder, const Bucket &bucket) {
  Operation *front = bucket.members.front();
  SmallVector<Value> operands;
  SmallVector<Type> types;
  SmallVector<int64_t> dims;
  SmallVector<Location> locs;
  for (Operation *member : bucket.members) {
    operands.append(member->operand_begin(), member->operand_end());
    types.append(member->result_type_begin(), member->result_type_end());
    if (auto attr = member->getAttrOfType<DenseI64ArrayAttr>("dims"))
      dims.append(attr.asArrayRef().begin(), attr.asArrayRef().end());
    locs.push_back(member->getLoc());
  }
  OperationState state(builder.getFusedLoc(locs), front->getName());
  state.addOperands(operands);
  state.addTypes(types);
  state.addAttributes(front->getAttrs());
  if (front->hasAttr("dims"))
    state.attributes.set("dims", builder.getDenseI64ArrayAttr(dims));
  Operation *merged = builder.create(state);
  unsigned next = 0;
  for (Operation *member : bucket.members)
    for (OpResult result : member->getResults())
      result.replaceAllUsesWith(merged->getResult(next++));
  return merged;
}

/// Moves what makes the members' operands before `place`. A parameter's forms
/// depend on it alone, so all of it may move.
static void moveOperandsBefore(const Bucket &bucket, Operation *place) {
  SmallVector<Operation *> work(bucket.members);
  SetVector<Operation *> late;
  while (!work.empty())
    for (Value operand : work.pop_back_val()->getOperands())
      if (Operation *op = operand.getDefiningOp();
          op && !op->isBeforeInBlock(place) && late.insert(op))
        work.push_back(op);
  SmallVector<Operation *> ordered(late.getArrayRef());
  llvm::sort(ordered,
             [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  for (Operation *op : ordered)
    op->moveBefore(place);
}

/// Moves everything before `op` that uses its results behind it.
static void moveUsersBehind(Operation *op) {
  SmallVector<Operation *> work = {op};
  SetVector<Operation *> early;
  while (!work.empty())
    for (Operation *user : work.pop_back_val()->getUsers())
      if (user->isBeforeInBlock(op) && early.insert(user))
        work.push_back(user);
  SmallVector<Operation *> ordered(early.getArrayRef());
  llvm::sort(ordered,
             [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  Operation *after = op;
  for (Operation *user : ordered) {
    user->moveAfter(after);
    after = user;
  }
}

/// True if an operand of the bucket depends on a result of one of its members.
static bool isCyclic(const Bucket &bucket) {
  llvm::DenseSet<Operation *> reached(bucket.members.begin(),
                                      bucket.members.end());
  SmallVector<Operation *> work(bucket.members);
  while (!work.empty())
    for (Operation *user : work.pop_back_val()->getUsers()) {
      if (llvm::is_contained(bucket.members, user))
        return true;
      if (reached.insert(user).second)
        work.push_back(user);
    }
  return false;
}

static void build(const Bucket &bucket) {
  bool isGather = isa<dist::AllGatherOp>(bucket.members.front());
  if (bucket.members.size() > 1 && isCyclic(bucket))
    return;
  if (isGather) {
    Operation *user = firstUser(bucket.members);
    if (!user)
      return;
    moveOperandsBefore(bucket, user);
    OpBuilder builder(user);
    merge(builder, bucket);
  } else {
    if (bucket.members.size() == 1)
      return;
    OpBuilder builder(bucket.members.back());
    moveUsersBehind(merge(builder, bucket));
  }
  for (Operation *member : bucket.members)
    member->erase();
}

/// Moves reductions and accumulations up to where their operands are known.
static void hoistToOperands(func::FuncOp function, SymbolTable &symbols) {
  for (Operation &op :
       llvm::make_early_inc_range(function.front().without_terminator())) {
    if (!isLinkToSlot(&op) || !unitOfDestination(op.getResult(0), symbols))
      continue;
    Operation *last = nullptr;
    for (Value operand : op.getOperands())
      if (Operation *definition = operand.getDefiningOp();
          definition && (!last || last->isBeforeInBlock(definition)))
        last = definition;
    // Behind what was moved there before, so that order is kept.
    while (last && last->getNextNode() != &op &&
           isLinkToSlot(last->getNextNode()))
      last = last->getNextNode();
    if (last && last->getNextNode() != &op)
      op.moveAfter(last);
  }
}

namespace {
struct BucketCollectivesPass
    : weft::impl::BucketCollectivesPassBase<BucketCollectivesPass> {
  using BucketCollectivesPassBase::BucketCollectivesPassBase;

  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      hoistToOperands(function, symbols);
      for (const Bucket &bucket :
           collectBuckets(function, symbols, bucketBytes))
        build(bucket);
    }
  }
};
} // namespace
