// SPDX-License-Identifier: Apache-2.0
//
// Attention heads and tp: which sub-axes tp is split into, and which of them
// shard each styled output.
//
// 1. Follow every output that a style shards to its first reshape; if that
//    splits the dim, its outermost factor is what tp must divide (the heads).
// 2. Where tp does not divide it: if it feeds the queries of attention, that
//    is an error; else the output is cut to the largest part of tp that does.
// 3. The cuts become the sub-axes of tp: 2 kv heads on tp 4 give (2, 2).
// No module and no architecture is known by name here.
#include "PlanModel.h"
#include <numeric>

using namespace mlir;
using namespace weft;

namespace {
/// A styled output whose sharded dim is split into `count` outer parts.
struct SplitOutput {
  StyledModule *module;
  int64_t count;
  Value reshaped;
};

/// Where a value arrives in attention: operand 0 is the queries.
struct AttentionUse {
  nn::AttentionOp attention;
  bool isQuery;
};
} // namespace

// The outermost factor that `reshape` splits the operand's last dim into;
// nothing if the dim is kept or merged with others.
static std::optional<int64_t> outermostFactor(nn::ReshapeOp reshape) {
  auto from = cast<RankedTensorType>(reshape.getInput().getType());
  auto to = cast<RankedTensorType>(reshape.getResult().getType());
  if (from.getRank() == 0)
    return std::nullopt;
  int64_t size = from.getShape().back(), product = 1;
  for (int64_t dim = to.getRank() - 1; dim >= 0 && product < size; --dim) {
    product *= to.getDimSize(dim);
    bool isSplit = dim < to.getRank() - 1;
    if (product == size && isSplit)
      return to.getDimSize(dim);
  }
  return std::nullopt;
}

// Through what keeps the last dim as it is.
static nn::ReshapeOp firstReshape(Value value) {
  SmallVector<Value> worklist = {value};
  llvm::SmallPtrSet<Operation *, 8> seen;
  while (!worklist.empty()) {
    Value next = worklist.pop_back_val();
    for (Operation *user : next.getUsers()) {
      if (auto reshape = dyn_cast<nn::ReshapeOp>(user))
        return reshape;
      if ((isa<nn::BoundaryOp>(user) || nn::isElementwise(user)) &&
          seen.insert(user).second)
        worklist.push_back(user->getResult(0));
    }
  }
  return nullptr;
}

// The attention a reshaped value feeds, through transposes, rotary embedding
// and elementwise ops, but through nothing that mixes heads.
static std::optional<AttentionUse> attentionUse(Value value) {
  SmallVector<Value> worklist = {value};
  llvm::SmallPtrSet<Operation *, 16> seen;
  while (!worklist.empty()) {
    Value next = worklist.pop_back_val();
    for (OpOperand &use : next.getUses()) {
      Operation *user = use.getOwner();
      if (auto attention = dyn_cast<nn::AttentionOp>(user))
        return AttentionUse{attention, use.getOperandNumber() == 0};
      bool isPassed = isa<nn::BoundaryOp, nn::TransposeOp, nn::RotaryOp,
                          nn::SliceOp, nn::ConcatOp, nn::RmsNormOp>(user) ||
                      nn::isElementwise(user);
      if (isPassed && seen.insert(user).second)
        worklist.push_back(user->getResult(0));
    }
  }
  return std::nullopt;
}

static int64_t headsOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getDimSize(1);
}

// tp fits if it divides the query heads, and divides the kv heads or is
// divided by them: then each rank's query heads use the kv heads it holds.
static bool fits(int64_t tp, int64_t queryHeads, int64_t kvHeads) {
  return queryHeads % tp == 0 && (kvHeads % tp == 0 || tp % kvHeads == 0);
}

static LogicalResult checkQueries(const PlanModel &model, const Config &config,
                                  const SplitOutput &output,
                                  nn::AttentionOp attention) {
  int64_t tp = config.mesh.tp;
  int64_t heads = headsOf(attention.getQuery());
  int64_t kvHeads = headsOf(attention.getKey());
  if (fits(tp, heads, kvHeads))
    return success();
  int64_t below = tp, above = tp;
  while (below > 1 && !fits(below, heads, kvHeads))
    --below;
  while (above <= heads && !fits(above, heads, kvHeads))
    ++above;
  // At the model: the plan is well-formed, it only does not fit here.
  auto diagnostic = emitError(output.reshaped.getLoc());
  diagnostic << "\"" << output.module->name << "\" feeds attention with "
             << heads << " query heads and " << kvHeads
             << " key-value heads, which axis \"tp\" of size " << tp
             << " can't divide";
  diagnostic.attachNote() << "set mesh.tp to " << below
                          << (above <= heads ? " or " + std::to_string(above)
                                             : std::string());
  return diagnostic;
}

static SmallVector<SplitOutput> splitOutputs(const PlanModel &model,
                                             const Config &config,
                                             PlanDecision &decision) {
  StyleOptions options = {config.plan.sequenceParallel,
                          config.plan.lossParallel};
  SmallVector<SplitOutput> outputs;
  for (StyledModule &module : decision.styled) {
    const Style &style = *decision.rules[module.rule].style;
    if (style.outputWish(options) != StyleWish{StyleWish::Shard, -1})
      continue;
    NamePattern output =
        llvm::cantFail(NamePattern::parse(module.name + ":output"));
    for (nn::BoundaryOp op : model.selectIn(output, module.name))
      if (nn::ReshapeOp reshape = firstReshape(op.getResult()))
        if (auto count = outermostFactor(reshape))
          outputs.push_back({&module, *count, reshape.getResult()});
  }
  return outputs;
}

// tp as a chain of factors whose prefix products are the wanted cuts, as far
// as one divides the next: cuts {2, 4} of 8 give (2, 2, 2).
static SmallVector<int64_t, 2> factorsFor(int64_t tp,
                                          llvm::ArrayRef<int64_t> cuts) {
  SmallVector<int64_t, 2> factors;
  int64_t product = 1;
  for (int64_t cut : cuts) {
    if (cut <= product || cut % product != 0)
      continue;
    factors.push_back(cut / product);
    product = cut;
  }
  if (product < tp)
    factors.push_back(tp / product);
  return factors;
}

static Mesh makeMesh(const Config &config, llvm::ArrayRef<int64_t> cuts) {
  SmallVector<MeshAxis> axes;
  for (const auto &[name, size] : config.meshAxes()) {
    if (size == 1)
      continue;
    MeshAxis axis{name, {size}};
    if (name == "tp")
      axis.factors = factorsFor(size, cuts);
    axes.push_back(std::move(axis));
  }
  return Mesh(axes);
}

LogicalResult weft::decideHeads(const PlanModel &model, const Config &config,
                                PlanDecision &decision) {
  int64_t tp = config.mesh.tp;
  if (tp == 1) {
    decision.mesh = makeMesh(config, {});
    return success();
  }
  SmallVector<SplitOutput> outputs = splitOutputs(model, config, decision);
  SmallVector<int64_t> cuts;
  for (const SplitOutput &output : outputs) {
    auto use = attentionUse(output.reshaped);
    if (use && use->isQuery &&
        failed(checkQueries(model, config, output, use->attention)))
      return failure();
    if (output.count % tp != 0)
      cuts.push_back(std::gcd(output.count, tp));
  }
  llvm::sort(cuts);
  decision.mesh = makeMesh(config, cuts);
  const MeshAxis *axis =
      llvm::find_if(decision.mesh.axes(),
                    [](const MeshAxis &axis) { return axis.name == "tp"; });
  for (SplitOutput &output : outputs) {
    int kept = 0;
    int64_t product = 1;
    for (int64_t factor : axis->factors) {
      product *= factor;
      if (output.count % product != 0)
        break;
      ++kept;
    }
    if (kept < static_cast<int>(axis->factors.size()))
      output.module->keptAtoms = kept;
  }
  return success();
}
