// SPDX-License-Identifier: Apache-2.0
//
// Wishes at module boundaries: styles at the inputs and outputs of their
// modules, sequence parallelism at those of the blocks, and the user's own.
//
// Under sequence parallelism the embedding is the module whose nn.embedding
// reaches the first block, and the final norm the last norm between the last
// block and the end: found by following values, not by name.
#include "PlanModel.h"
#include "mlir/AsmParser/AsmParser.h"

using namespace mlir;
using namespace weft;

static int64_t numDimsOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getRank();
}

// Sets entries, replacing those of the same axis (whole or sub-axis).
static void merge(Constraint &constraint,
                  llvm::ArrayRef<ConstraintEntry> entries) {
  auto axisOf = [](StringRef name) { return name.split('.').first; };
  for (const ConstraintEntry &entry : entries)
    llvm::erase_if(constraint.entries, [&](const ConstraintEntry &old) {
      return axisOf(old.axis) == axisOf(entry.axis);
    });
  constraint.entries.insert(constraint.entries.end(), entries.begin(),
                            entries.end());
}

//===----------------------------------------------------------------------===//
// Styles
//===----------------------------------------------------------------------===//

static void applyStyles(const PlanModel &model, const Config &config,
                        PlanDecision &decision) {
  StyleOptions options = {config.plan.sequenceParallel,
                          config.plan.lossParallel};
  for (const StyledModule &module : decision.styled) {
    const Style &style = *decision.rules[module.rule].style;
    auto wish = [&](const char *side, StyleWish wish, int keptAtoms) {
      NamePattern pattern =
          llvm::cantFail(NamePattern::parse(module.name + side));
      for (nn::BoundaryOp op : model.selectIn(pattern, module.name)) {
        auto entries = tpEntries(decision.mesh, wish, numDimsOf(op.getResult()),
                                 keptAtoms);
        if (!entries.empty())
          merge(decision.boundaries[op], entries);
      }
    };
    wish(":input", style.input, -1);
    wish(":output", style.outputWish(options), module.keptAtoms);
  }
}

//===----------------------------------------------------------------------===//
// Sequence parallelism
//===----------------------------------------------------------------------===//

// The ops from which `value` is computed, nearest first.
static SmallVector<Operation *> backwardSlice(Value value) {
  SmallVector<Operation *> slice;
  llvm::SmallPtrSet<Operation *, 32> seen;
  SmallVector<Value> worklist = {value};
  for (size_t next = 0; next < worklist.size(); ++next)
    if (Operation *op = worklist[next].getDefiningOp();
        op && seen.insert(op).second) {
      slice.push_back(op);
      worklist.append(op->operand_begin(), op->operand_end());
    }
  return slice;
}

// The boundary right behind `value`, where a wish about it is written.
static nn::BoundaryOp outputBoundary(Value value) {
  for (Operation *user : value.getUsers())
    if (auto op = dyn_cast<nn::BoundaryOp>(user))
      if (op.getSide() == "output")
        return op;
  return nullptr;
}

static Value lastNorm(Value blockOutput) {
  Operation *last = nullptr;
  llvm::SmallPtrSet<Operation *, 32> seen;
  SmallVector<Value> worklist = {blockOutput};
  for (size_t next = 0; next < worklist.size(); ++next)
    for (Operation *user : worklist[next].getUsers()) {
      if (!seen.insert(user).second)
        continue;
      if (isa<nn::RmsNormOp>(user) && (!last || last->isBeforeInBlock(user)))
        last = user;
      worklist.append(user->result_begin(), user->result_end());
    }
  return last ? last->getResult(0) : Value();
}

static LogicalResult applySequence(const PlanModel &model, const Config &config,
                                   PlanDecision &decision) {
  SmallVector<nn::BoundaryOp> boundaries;
  Value firstInput, lastOutput;
  for (const std::string &block : decision.blocks)
    for (const char *side : {":input", ":output"}) {
      NamePattern pattern = llvm::cantFail(NamePattern::parse(block + side));
      for (nn::BoundaryOp op : model.selectIn(pattern, block)) {
        boundaries.push_back(op);
        if (op.getSide() == "input" && !firstInput)
          firstInput = op.getInput();
        if (op.getSide() == "output")
          lastOutput = op.getResult();
      }
    }
  if (!firstInput || !lastOutput)
    return emitAtOrigin(model.module, config.originOf("plan.sequence_parallel"))
           << "plan.sequence_parallel needs blocks, but fsdp.units names no "
              "module that has an input and an output: set fsdp.units, such "
              "as [\"model.layers.*\"]";
  for (Operation *op : backwardSlice(firstInput))
    if (auto embedding = dyn_cast<nn::EmbeddingOp>(op))
      if (embedding.getResult().getType() == firstInput.getType())
        if (auto boundary = outputBoundary(embedding.getResult()))
          boundaries.push_back(boundary);
  if (Value norm = lastNorm(lastOutput))
    if (auto boundary = outputBoundary(norm))
      boundaries.push_back(boundary);
  for (nn::BoundaryOp op : boundaries)
    if (numDimsOf(op.getResult()) > 1)
      merge(decision.boundaries[op], {{"tp", Placement::shard(0, 1)}});
  return success();
}

LogicalResult weft::decideBoundaries(const PlanModel &model,
                                     const Config &config,
                                     PlanDecision &decision) {
  if (config.mesh.tp == 1)
    return success();
  applyStyles(model, config, decision);
  return config.plan.sequenceParallel ? applySequence(model, config, decision)
                                      : success();
}

//===----------------------------------------------------------------------===//
// The user's layouts
//===----------------------------------------------------------------------===//

static FailureOr<Constraint>
parseLayout(ModuleOp module, const PatternEntry &entry, const Config &config) {
  std::string reason;
  Attribute attr;
  {
    ScopedDiagnosticHandler quiet(module.getContext(), [&](Diagnostic &d) {
      reason = d.str();
      return success();
    });
    attr = parseAttribute("#dist.constraint<" + entry.text + ">",
                          module.getContext());
  }
  auto constraint = dyn_cast_or_null<dist::ConstraintAttr>(attr);
  if (!constraint)
    return emitAtOrigin(module, entry.origin)
           << "\"" << entry.text << "\" is no constraint: " << reason;
  for (const ConstraintEntry &wish : constraint.getConstraint().entries) {
    StringRef axis = StringRef(wish.axis).split('.').first;
    bool isKnown = llvm::any_of(config.meshAxes(), [&](const auto &known) {
      return known.first == axis;
    });
    if (!isKnown)
      return emitAtOrigin(module, entry.origin)
             << "axis \"" << wish.axis
             << "\" is unknown: expected one of pp, dp_replicate, dp_shard, "
                "cp, tp";
  }
  return constraint.getConstraint();
}

// Entries with dims counted from 0, on axes that the mesh has; a message if a
// dim is out of range.
static LogicalResult resolve(const PlanModel &model, const PatternEntry &entry,
                             const Mesh &mesh, const Constraint &wished,
                             int64_t numDims,
                             std::vector<ConstraintEntry> &entries) {
  for (ConstraintEntry wish : wished.entries) {
    if (!mesh.lookup(wish.axis))
      continue;
    int &dim = wish.placement.dim;
    bool isShard = wish.placement.kind == PlacementKind::Shard;
    if (isShard && (dim >= numDims || dim < -numDims))
      return emitAtOrigin(model.module, entry.origin)
             << "\"" << entry.pattern << "\" has " << numDims
             << " dims: got shard(" << dim << ")";
    if (isShard && dim < 0)
      dim += numDims;
    entries.push_back(wish);
  }
  return success();
}

namespace {
/// Remembers which line last constrained a tensor along an axis, so that two
/// lines that disagree are found.
class UserLayouts {
public:
  UserLayouts(const PlanModel &model, PlanDecision &decision)
      : model(model), decision(decision) {}

  LogicalResult put(const PatternEntry &entry, const Constraint &wished,
                    Operation *op, int64_t numDims, Constraint &target) {
    std::vector<ConstraintEntry> entries;
    if (failed(resolve(model, entry, decision.mesh, wished, numDims, entries)))
      return failure();
    for (const ConstraintEntry &wish : entries) {
      auto [place, isNew] =
          lines.try_emplace({op, wish.axis}, Line{&entry, wish.placement});
      if (!isNew && place->second.placement != wish.placement)
        return emitAtOrigin(model.module, entry.origin)
               << "\"" << entry.pattern << "\" = \"" << entry.text
               << "\" contradicts \"" << place->second.entry->pattern
               << "\" = \"" << place->second.entry->text << "\" along \""
               << wish.axis << "\"";
    }
    merge(target, entries);
    sortByNesting(target, entries);
    return success();
  }

private:
  // On one dim the user's axes and others nest in the default order, unless
  // the user says the nesting by naming two axes on one dim.
  void sortByNesting(Constraint &target,
                     llvm::ArrayRef<ConstraintEntry> entries) const {
    llvm::SmallDenseSet<int> dims;
    for (const ConstraintEntry &wish : entries)
      if (wish.placement.kind == PlacementKind::Shard &&
          !dims.insert(wish.placement.dim).second)
        return;
    llvm::stable_sort(target.entries, [&](const auto &a, const auto &b) {
      auto position = [&](const ConstraintEntry &entry) {
        return nestingPosition(decision.mesh,
                               decision.mesh.lookup(entry.axis)->front());
      };
      return position(a) < position(b);
    });
  }

  struct Line {
    const PatternEntry *entry;
    Placement placement;
  };
  const PlanModel &model;
  PlanDecision &decision;
  std::map<std::pair<Operation *, std::string>, Line> lines;
};
} // namespace

static LogicalResult reportUnmatched(const PlanModel &model,
                                     const PatternEntry &entry,
                                     const NamePattern &pattern) {
  std::vector<std::string> names = model.modules;
  if (pattern.side() == PatternSide::Name) {
    if (llvm::any_of(names, [&](auto &name) { return pattern.matches(name); }))
      return emitAtOrigin(model.module, entry.origin)
             << "\"" << entry.pattern << "\" is a module: write \""
             << entry.pattern << ":input\" or \"" << entry.pattern
             << ":output\"";
    names.clear();
    for (const PlanParameter &parameter : model.parameters)
      names.insert(names.end(), parameter.names.begin(), parameter.names.end());
  }
  auto diagnostic = emitAtOrigin(model.module, entry.origin)
                    << "pattern \"" << entry.pattern
                    << "\" matches nothing in the model";
  if (llvm::any_of(names, [&](auto &name) { return pattern.matches(name); }))
    diagnostic << ": the module has no such "
               << (pattern.side() == PatternSide::Input ? "input" : "output");
  if (auto near = suggestName(pattern, names))
    diagnostic << "; did you mean \"" << *near << "\"?";
  return diagnostic;
}

LogicalResult weft::decideLayouts(const PlanModel &model, const Config &config,
                                  PlanDecision &decision) {
  UserLayouts layouts(model, decision);
  for (const PatternEntry &entry : config.plan.layouts) {
    llvm::Expected<NamePattern> pattern = NamePattern::parse(entry.pattern);
    if (!pattern)
      return emitAtOrigin(model.module, entry.origin)
             << llvm::toString(pattern.takeError());
    auto wished = parseLayout(model.module, entry, config);
    if (failed(wished))
      return failure();
    bool isMatched = false;
    bool isName = pattern->side() == PatternSide::Name;
    SmallVector<nn::BoundaryOp> selected;
    if (!isName)
      selected = model.select(*pattern);
    for (nn::BoundaryOp op : selected) {
      isMatched = true;
      decision.explicitBoundaries.insert(op);
      if (failed(layouts.put(entry, *wished, op, numDimsOf(op.getResult()),
                             decision.boundaries[op])))
        return failure();
    }
    for (const PlanParameter &parameter : model.parameters) {
      auto isNamed = [&](auto &name) { return pattern->matches(name); };
      if (!isName || llvm::none_of(parameter.names, isNamed))
        continue;
      isMatched = true;
      for (auto *slots :
           {&decision.slots, &decision.gradients, &decision.optimizers})
        if (auto *found = slots->find(parameter.slot); found != slots->end())
          if (failed(layouts.put(entry, *wished, parameter.slot,
                                 parameter.numDims(), found->second)))
            return failure();
    }
    if (!isMatched)
      return reportUnmatched(model, entry, *pattern);
  }
  return success();
}
