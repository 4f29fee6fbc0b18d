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
#include "BlockOrder.h"
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
/// What collectives of one bucket have in common: name of the op, axes, kind,
/// unit, and whether they are of backward.
using BucketKey = std::tuple<StringAttr, Attribute, Attribute, Attribute, int>;

struct Bucket {
  SmallVector<Operation *> members;
  int64_t bytes = 0;
};

/// One function's buckets.
class Bucketing {
public:
  Bucketing(func::FuncOp function, SymbolTable &symbols)
      : function(function), symbols(symbols), order(function.front()) {}

  void run(int64_t bucketBytes);

private:
  void hoistToOperands();
  SmallVector<Bucket> collectBuckets(int64_t bucketBytes);
  Operation *firstUser(ArrayRef<Operation *> ops);
  void moveOperandsBefore(const Bucket &bucket, Operation *place);
  void moveUsersBehind(Operation *op);
  bool isCyclic(const Bucket &bucket);
  void build(const Bucket &bucket);

  func::FuncOp function;
  SymbolTable &symbols;
  BlockOrder order;
};
} // namespace

static int64_t operandBytes(Operation *op) {
  int64_t bytes = 0;
  for (Type type : op->getOperandTypes())
    bytes += dist::bytesOf(cast<RankedTensorType>(type));
  return bytes;
}

/// Collects the buckets of a function in order of their first member. An op
/// joins the first bucket of its key that has room.
SmallVector<Bucket> Bucketing::collectBuckets(int64_t bucketBytes) {
  auto backward = backwardOps(function);
  SmallVector<Bucket> buckets;
  llvm::DenseMap<BucketKey, SmallVector<size_t, 1>> open;
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
    auto &candidates =
        open[{op.getName().getIdentifier(), op.getAttr("axes"),
              op.getAttr("kind"), mayCross ? Attribute() : unit, isBackward}];
    int64_t bytes = operandBytes(&op);
    auto *found = llvm::find_if(candidates, [&](size_t candidate) {
      return !mayCross || buckets[candidate].bytes + bytes <= bucketBytes;
    });
    if (found == candidates.end()) {
      found = candidates.insert(found, buckets.size());
      buckets.emplace_back();
    }
    Bucket &bucket = buckets[*found];
    bucket.members.push_back(&op);
    bucket.bytes += bytes;
    if (mayCross && bucket.bytes >= bucketBytes)
      candidates.erase(found);
  }
  return buckets;
}

Operation *Bucketing::firstUser(ArrayRef<Operation *> ops) {
  Operation *first = nullptr;
  for (Operation *op : ops)
    for (Operation *user : op->getUsers())
      if (!first || order.isBefore(user, first))
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
void Bucketing::moveOperandsBefore(const Bucket &bucket, Operation *place) {
  SmallVector<Operation *> work(bucket.members);
  SetVector<Operation *> late;
  while (!work.empty())
    for (Value operand : work.pop_back_val()->getOperands())
      if (Operation *op = operand.getDefiningOp();
          op && !order.isBefore(op, place) && late.insert(op))
        work.push_back(op);
  SmallVector<Operation *> ordered(late.getArrayRef());
  order.sort(ordered);
  for (Operation *op : ordered)
    order.moveBefore(op, place);
}

/// Moves everything before `op` that uses its results behind it.
void Bucketing::moveUsersBehind(Operation *op) {
  SmallVector<Operation *> work = {op};
  SetVector<Operation *> early;
  while (!work.empty())
    for (Operation *user : work.pop_back_val()->getUsers())
      if (order.isBefore(user, op) && early.insert(user))
        work.push_back(user);
  SmallVector<Operation *> ordered(early.getArrayRef());
  order.sort(ordered);
  Operation *after = op;
  for (Operation *user : ordered) {
    order.moveAfter(user, after);
    after = user;
  }
}

/// True if an operand of the bucket depends on a result of one of its members.
/// What comes behind the last member is no operand of any.
bool Bucketing::isCyclic(const Bucket &bucket) {
  llvm::DenseSet<Operation *> members(bucket.members.begin(),
                                      bucket.members.end());
  SmallVector<Operation *> work(bucket.members);
  order.sort(work);
  Operation *last = work.back();
  llvm::DenseSet<Operation *> reached;
  while (!work.empty())
    for (Operation *user : work.pop_back_val()->getUsers()) {
      if (members.contains(user))
        return true;
      if (order.isBefore(user, last) && reached.insert(user).second)
        work.push_back(user);
    }
  return false;
}

void Bucketing::build(const Bucket &bucket) {
  bool isGather = isa<dist::AllGatherOp>(bucket.members.front());
  if (bucket.members.size() > 1 && isCyclic(bucket))
    return;
  if (isGather) {
    Operation *user = firstUser(bucket.members);
    if (!user)
      return;
    moveOperandsBefore(bucket, user);
    OpBuilder builder(user);
    order.add(merge(builder, bucket));
  } else {
    if (bucket.members.size() == 1)
      return;
    SmallVector<Operation *> members(bucket.members);
    order.sort(members);
    OpBuilder builder(members.back());
    Operation *merged = merge(builder, bucket);
    order.add(merged);
    moveUsersBehind(merged);
  }
  for (Operation *member : bucket.members) {
    order.forget(member);
    member->erase();
  }
}

/// Moves reductions and accumulations up to where their operands are known.
void Bucketing::hoistToOperands() {
  // The last op that was moved behind an op.
  llvm::DenseMap<Operation *, Operation *> tails;
  for (Operation &op :
       llvm::make_early_inc_range(function.front().without_terminator())) {
    if (!isLinkToSlot(&op) || !unitOfDestination(op.getResult(0), symbols))
      continue;
    Operation *first = nullptr;
    for (Value operand : op.getOperands())
      if (Operation *definition = operand.getDefiningOp();
          definition && (!first || order.isBefore(first, definition)))
        first = definition;
    if (!first)
      continue;
    // Behind what was moved there before, so that order is kept.
    Operation *last = tails.lookup(first) ? tails.lookup(first) : first;
    while (last->getNextNode() != &op && isLinkToSlot(last->getNextNode()))
      last = last->getNextNode();
    if (last->getNextNode() == &op)
      continue;
    order.moveAfter(&op, last);
    tails[first] = &op;
  }
}

void Bucketing::run(int64_t bucketBytes) {
  hoistToOperands();
  for (const Bucket &bucket : collectBuckets(bucketBytes))
    build(bucket);
}

namespace {
struct BucketCollectivesPass
    : weft::impl::BucketCollectivesPassBase<BucketCollectivesPass> {
  using BucketCollectivesPassBase::BucketCollectivesPassBase;

  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    for (auto function : getOperation().getOps<func::FuncOp>())
      Bucketing(function, symbols).run(bucketBytes);
  }
};
} // namespace
