// SPDX-License-Identifier: Apache-2.0
//
// Placements along one axis, in program order:
//
//   op              operand              result
//   all_gather      shard(dim)           replicate
//   all_reduce      partial(kind)        replicate
//   reduce_scatter  partial(kind)        shard(dim)
//   all_to_all      shard(concat dim)    shard(split dim)
//   shard_slice     replicate            shard(dim)
//   make_partial    replicate            partial(kind)
//   coordinate, extent                   the start of a shard
//   slice, pad                           as the operand
//   mask_tail       shard(dim) where     as the operand
//                   it masks a shard
//   any other       every way its rule has for one axis: none, a factor, the
//                   operands of a linear set partial
#include "Placements.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace weft {

std::string toString(PlacementSet set) {
  SmallVector<std::string> names;
  if (set & kReplicated)
    names.push_back("replicate");
  if (set & kShardStart)
    names.push_back("the start of a shard");
  for (auto kind :
       {ReduceKind::Sum, ReduceKind::Max, ReduceKind::Min, ReduceKind::Product})
    if (set & partialSet(kind))
      names.push_back("partial(" + toString(kind).str() + ")");
  for (int dim = 0; shardSet(dim); ++dim)
    if (set & shardSet(dim))
      names.push_back("shard(" + std::to_string(dim) + ")");
  return llvm::join(names, " or ");
}

pipe::SlotOp slotOf(BlockArgument argument, const SymbolTable &symbols) {
  auto function = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
  auto name = function ? pipe::slotOfArgument(function, argument.getArgNumber())
                       : FlatSymbolRefAttr();
  return name ? symbols.lookup<pipe::SlotOp>(name.getValue()) : pipe::SlotOp();
}

pipe::SlotOp slotOf(OpOperand &returned, const SymbolTable &symbols) {
  auto function = returned.getOwner()->getParentOfType<func::FuncOp>();
  auto name = pipe::slotOfResult(function, returned.getOperandNumber());
  return name ? symbols.lookup<pipe::SlotOp>(name.getValue()) : pipe::SlotOp();
}

PlacementSet placementOf(pipe::SlotOp slot, int axis) {
  auto layout = dist::layoutOf(slot.getType());
  auto placement = layout ? layout.getLayout().placementOf(axis) : std::nullopt;
  if (!placement)
    return kReplicated;
  return placement->kind == PlacementKind::Shard
             ? shardSet(placement->dim)
             : partialSet(placement->reduce);
}

IssuedCollective collectiveBehind(Value value) {
  auto result = dyn_cast<OpResult>(value);
  if (!result)
    return {};
  if (isa<dist::WaitOp>(result.getOwner()))
    result =
        cast<OpResult>(result.getOwner()->getOperand(result.getResultNumber()));
  Operation *op = result.getOwner();
  int index = result.getResultNumber();
  if (dist::isCollective(op))
    return {op, op->getOperand(index), index};
  auto start = dyn_cast<dist::StartOp>(op);
  if (!start)
    return {};
  return {&start.getBody().front().front(), start->getOperand(index), index};
}

//===----------------------------------------------------------------------===//
// Moves
//===----------------------------------------------------------------------===//

namespace {
/// What a move needs of its operand, and what it makes of it.
struct Step {
  PlacementSet from, to;
};
} // namespace

static bool isOver(Operation *op, int axis) {
  auto mesh = op->getAttrOfType<dist::MeshAttr>("mesh");
  return llvm::is_contained(
      dist::atomsOf(mesh, op->getAttrOfType<ArrayAttr>("axes")), axis);
}

static PlacementSet partialOf(StringRef kind) {
  return partialSet(*parseReduceKind(kind));
}

static Step stepOf(Operation *op, int index, PlacementSet before) {
  return llvm::TypeSwitch<Operation *, Step>(op)
      .Case([&](dist::AllGatherOp gather) {
        return Step{shardSet(gather.getDims()[index]), kReplicated};
      })
      .Case([&](dist::AllReduceOp reduce) {
        return Step{partialOf(reduce.getKind()), kReplicated};
      })
      .Case([&](dist::ReduceScatterOp scatter) {
        return Step{partialOf(scatter.getKind()),
                    shardSet(scatter.getDims()[index])};
      })
      .Case([&](dist::AllToAllOp exchange) {
        return Step{shardSet(exchange.getConcatDims()[index]),
                    shardSet(exchange.getSplitDims()[index])};
      })
      .Case([&](dist::ShardSliceOp slice) {
        return Step{kReplicated, shardSet(slice.getDim())};
      })
      .Case([&](dist::MakePartialOp part) {
        return Step{kReplicated, partialOf(part.getKind())};
      })
      .Default([&](Operation *) { return Step{before, before}; });
}

/// The dims of the result that elements of `dim` of the operand may lie on:
/// their strides overlap. Dims of size 1 lie on the border of two.
static PlacementSet reshapedDims(ArrayRef<int64_t> in, int dim,
                                 ArrayRef<int64_t> out) {
  auto innerSize = [](ArrayRef<int64_t> shape, int from) {
    int64_t size = 1;
    for (int64_t each : shape.drop_front(from))
      size *= each;
    return size;
  };
  int64_t low = innerSize(in, dim + 1), high = innerSize(in, dim);
  PlacementSet dims = 0;
  for (int i = 0, e = out.size(); i < e; ++i) {
    int64_t begin = std::max(low, innerSize(out, i + 1));
    int64_t end = std::min(high, innerSize(out, i));
    if (begin < end || (begin == end && (out[i] == 1 || in[dim] == 1)))
      dims |= shardSet(i);
  }
  return dims;
}

static PlacementSet visitReshape(nn::ReshapeOp op, PlacementSet before) {
  ArrayRef<int64_t> in = op.getInput().getType().getShape();
  ArrayRef<int64_t> out = op.getType().getShape();
  PlacementSet after = before & (shardSet(0) - 1);
  for (int dim = 0, e = in.size(); dim < e; ++dim)
    if (before & shardSet(dim))
      after |= reshapedDims(in, dim, out);
  return after;
}

//===----------------------------------------------------------------------===//
// Rules
//===----------------------------------------------------------------------===//

/// The placement of a tensor when the axis is on `factor`; replicated where
/// the tensor lacks it.
static PlacementSet placementOn(const TensorFactors &tensor, int factor) {
  auto place = findFactor(tensor, factor);
  return place ? shardSet(place->dim) : kReplicated;
}

/// All ways the rule has for one axis that fit the operands, joined.
PlacementSet Placements::visitRule(OpResult result, const ShardingRule &rule,
                                   int axis) {
  ValueRange operands = result.getOwner()->getOperands();
  auto allow = [&](llvm::function_ref<PlacementSet(int)> needed) {
    for (int i = 0, e = operands.size(); i < e; ++i)
      if (!(of(operands[i], axis) & needed(i)))
        return false;
    return true;
  };
  PlacementSet after = 0;
  if (allow([](int) { return kReplicated; }))
    after |= kReplicated;
  for (const auto &set : rule.linear)
    if (!set.empty() && allow([&](int i) {
          return llvm::is_contained(set, i) ? partialSet(ReduceKind::Sum)
                                            : kReplicated;
        }))
      after |= partialSet(ReduceKind::Sum);
  const TensorFactors &factors = rule.results[result.getResultNumber()];
  auto positional = dyn_cast<nn::OffsetOpInterface>(result.getOwner());
  Value start = positional ? positional.getShardOffset() : Value();
  for (auto [number, factor] : llvm::enumerate(rule.factors)) {
    bool needsStart = factor.kind == FactorKind::Indexed ||
                      factor.kind == FactorKind::Positional;
    if (factor.kind == FactorKind::Whole || (needsStart && !start))
      continue;
    if (!allow([&](int i) {
          if (operands[i] == start && needsStart)
            return kShardStart;
          return placementOn(rule.operands[i], number);
        }))
      continue;
    auto kind = partialKind(factor);
    after |= findFactor(factors, number) || !kind ? placementOn(factors, number)
                                                  : partialSet(*kind);
  }
  return after;
}

PlacementSet Placements::visitResult(OpResult result, int axis) {
  Operation *op = result.getOwner();
  if (isa<dist::CoordinateOp, dist::ExtentOp>(op))
    return isOver(op, axis) ? kShardStart : kReplicated;
  if (isa<dist::WaitOp>(op)) // what was found at the start
    return of(op->getOperand(result.getResultNumber()), axis);
  IssuedCollective issued = collectiveBehind(result);
  bool isMove = issued.op || isa<dist::ShardSliceOp, dist::MakePartialOp>(op);
  if (isMove) {
    Operation *move = issued.op ? issued.op : op;
    PlacementSet before =
        of(issued.op ? issued.operand : op->getOperand(0), axis);
    if (!isOver(move, axis))
      return before;
    Step step = stepOf(move, issued.index, before);
    return before & step.from ? step.to : 0;
  }
  if (isa<nn::SliceOp, nn::PadOp>(op))
    return of(op->getOperand(0), axis);
  if (auto mask = dyn_cast<nn::MaskTailOp>(op)) {
    PlacementSet before = of(mask.getInput(), axis);
    bool isShard = of(mask.getExtent(), axis) == kShardStart;
    return isShard ? before & shardSet(mask.getDim()) : before;
  }
  if (auto reshape = dyn_cast<nn::ReshapeOp>(op))
    return visitReshape(reshape, of(reshape.getInput(), axis));
  // The start of a shard cut by several axes is a sum of coordinates.
  auto isStart = [&](Value value) { return of(value, axis) == kShardStart; };
  if (isa<nn::SumOfOp>(op) && llvm::any_of(op->getOperands(), isStart))
    return kShardStart;
  auto ruled = dyn_cast<dist::ShardingRuleOpInterface>(op);
  return ruled ? visitRule(result, ruled.getShardingRule(), axis)
               : kAnyPlacement;
}

/// `shard(0), replicate`: of all operands.
static std::string describe(Operation *op, int axis,
                            const Placements &placements) {
  SmallVector<std::string> texts;
  for (Value operand : op->getOperands())
    texts.push_back(toString(placements.of(operand, axis)));
  return llvm::join(texts, ", ");
}

void Placements::visit(Operation &op) {
  ++ops;
  auto start = dyn_cast<dist::StartOp>(op);
  Operation *atFault = start ? &start.getBody().front().front() : &op;
  for (OpResult result : op.getResults()) {
    SmallVector<PlacementSet, 4> placements;
    for (int axis = 0; axis < mesh.numAtoms(); ++axis) {
      PlacementSet after =
          mesh.atomSize(axis) == 1 ? kReplicated : visitResult(result, axis);
      if (!after && onFault == OnFault::Report && result.getResultNumber() == 0)
        atFault->emitOpError("does not fit its operands along axis \"")
            << mesh.atomName(axis) << "\": got " << describe(&op, axis, *this);
      isSound &= after != 0;
      placements.push_back(after ? after : kAnyPlacement);
    }
    sets[result] = placements;
  }
}

Placements::Placements(func::FuncOp function, const SymbolTable &symbols,
                       OnFault onFault)
    : mesh(dist::meshOf(function).getMesh()), onFault(onFault) {
  for (BlockArgument argument : function.getArguments())
    if (pipe::SlotOp slot = slotOf(argument, symbols))
      for (int axis = 0; axis < mesh.numAtoms(); ++axis)
        sets[argument].push_back(placementOf(slot, axis));
  for (Operation &op : function.front().without_terminator())
    visit(op);
}

} // namespace weft
