// SPDX-License-Identifier: Apache-2.0
//
// The proofs on a scheduled program. Each walks the functions once and emits a
// diagnostic for every fault.
#include "weft/Pipelines/Check.h"
#include "Placements.h"
#include "weft/Pipelines/StepCollectives.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/SmallBitVector.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace weft {

static std::string counted(int64_t count, llvm::StringRef noun) {
  return std::to_string(count) + " " + noun.str() + (count == 1 ? "" : "s");
}

static bool isOwnMesh(ModuleOp module, Operation *op) {
  auto mesh = op->getAttrOfType<dist::MeshAttr>("mesh");
  if (mesh == dist::meshOf(module))
    return true;
  op->emitOpError("is on another mesh than the module: got ")
      << mesh << ", expected " << dist::meshOf(module);
  return false;
}

Proof proveOrder(ModuleOp module) {
  bool holds = true;
  module.walk([&](Operation *op) {
    if (dist::isCollective(op))
      holds &= isOwnMesh(module, op);
  });
  const Mesh &mesh = dist::meshOf(module).getMesh();
  std::vector<CollectiveCall> calls = callsOfStep(module);
  // One stage: all ranks run one program, so they share one list.
  if (holds)
    if (auto message = proveOrder(mesh, /*atoms=*/{}, {calls})) {
      module.emitError() << *message;
      holds = false;
    }
  return {"the " + std::to_string(mesh.numRanks()) + " ranks issue " +
              std::to_string(calls.size()) +
              " collectives each in one order, and none waits for ever",
          holds};
}

Proof proveFutures(ModuleOp module) {
  int64_t numFutures = 0;
  bool holds = true;
  module.walk([&](dist::StartOp start) {
    for (Value future : start.getFutures()) {
      ++numFutures;
      int64_t waits = llvm::count_if(future.getUsers(), [&](Operation *user) {
        return isa<dist::WaitOp>(user) && user->getBlock() == start->getBlock();
      });
      if (waits == 1 && future.hasOneUse())
        continue;
      start.emitOpError("future is not waited for exactly once: got ")
          << waits << " waits";
      holds = false;
    }
  });
  return {counted(numFutures, "started collective") +
              ", each waited for exactly once",
          holds};
}

Proof proveSlots(ModuleOp module) {
  int64_t numWrites = 0;
  bool holds = true;
  for (auto function : module.getOps<func::FuncOp>()) {
    llvm::StringSet<> written;
    for (int i = 0, e = function.getNumResults(); i < e; ++i) {
      auto name = pipe::slotOfResult(function, i);
      ++numWrites;
      if (name && written.insert(name.getValue()).second)
        continue;
      auto error = function.emitError("result ")
                   << i << " of @" << function.getName();
      if (name)
        error << " writes a slot that another result writes: got " << name;
      else
        error << " is bound to no slot";
      holds = false;
    }
  }
  return {counted(numWrites, "write") + " to slots, none twice in one function",
          holds};
}

//===----------------------------------------------------------------------===//
// Placements
//===----------------------------------------------------------------------===//

/// Checks that what `returned` writes lies as its slot says.
static bool proveWrite(OpOperand &returned, const Placements &placements,
                       const SymbolTable &symbols) {
  pipe::SlotOp slot = slotOf(returned, symbols);
  if (!slot)
    return true;
  const Mesh &mesh = dist::meshOf(slot).getMesh();
  bool holds = true;
  for (int axis = 0; axis < mesh.numAtoms(); ++axis) {
    PlacementSet got = placements.of(returned.get(), axis);
    PlacementSet expected = placementOf(slot, axis);
    if (mesh.atomSize(axis) == 1 || (got & expected))
      continue;
    mlir::emitError(returned.get().getLoc())
        << "value for slot @" << slot.getSymName()
        << " does not lie as the slot along axis \"" << mesh.atomName(axis)
        << "\": got " << toString(got) << ", expected " << toString(expected);
    holds = false;
  }
  return holds;
}

Proof provePlacements(ModuleOp module) {
  SymbolTable symbols(module);
  int64_t numOps = 0, numWrites = 0;
  bool holds = true;
  for (auto function : module.getOps<func::FuncOp>()) {
    Placements placements(function, symbols);
    holds &= placements.areSound();
    numOps += placements.numOps();
    for (OpOperand &returned :
         function.front().getTerminator()->getOpOperands()) {
      ++numWrites;
      holds &= proveWrite(returned, placements, symbols);
    }
  }
  return {counted(numOps, "op") + " and " + counted(numWrites, "write") +
              " fit how their operands lie on the mesh",
          holds};
}

//===----------------------------------------------------------------------===//
// Gradients
//===----------------------------------------------------------------------===//

namespace {

/// Follows what is added to a gradient slot back to where it is computed.
class GradientProof {
public:
  GradientProof(ModuleOp module) : module(module), symbols(module) {}
  Proof run();

private:
  /// One way from a returned gradient back to a value, with how often it was
  /// summed over each axis, and whether it was gathered, so that it lies in
  /// shards.
  struct Path {
    Value value;
    SmallVector<int, 4> sums;
    llvm::SmallBitVector inShards;
  };
  void readSchedule();
  void findGathers();
  void proveFunction(func::FuncOp function);
  void proveSlot(func::FuncOp function, OpOperand &returned, pipe::SlotOp slot,
                 const Placements &placements);
  void provePath(const Path &path, pipe::SlotOp slot,
                 const Placements &placements);
  bool step(Path &path);
  bool isUsedInShards(pipe::SlotOp parameter, int axis);
  void fail(Value value, pipe::SlotOp slot, const llvm::Twine &what);
  const Mesh &mesh() { return dist::meshOf(module).getMesh(); }

  ModuleOp module;
  SymbolTable symbols;
  /// How many microbatches run through a function.
  llvm::DenseMap<Operation *, int64_t> microbatches;
  /// The axes over which each parameter is gathered before it is used.
  llvm::DenseMap<Operation *, llvm::SmallBitVector> gathered;
  llvm::SmallSetVector<Operation *, 16> proved;
  /// Slots that a function adds to, and those that one sets to a constant.
  llvm::SmallSetVector<Operation *, 16> added, cleared;
  bool holds = true;
};

} // namespace

/// Ops that change the form of a gradient, not what it is a sum of.
static bool keepsValue(Operation *op) {
  return isa<nn::SliceOp, nn::PadOp, nn::CastOp, nn::ReshapeOp, nn::TransposeOp,
             nn::MaskTailOp, dist::ShardSliceOp, dist::MakePartialOp>(op);
}

void GradientProof::readSchedule() {
  for (auto table : module.getOps<pipe::ScheduleOp>())
    for (auto entry : table.getEntries().getAsRange<DictionaryAttr>())
      if (entry.get("microbatch"))
        ++microbatches[symbols.lookup(
            entry.getAs<FlatSymbolRefAttr>("call").getValue())];
}

/// Follows each gather back to its parameter.
void GradientProof::findGathers() {
  module.walk([&](dist::AllGatherOp gather) {
    auto start = dyn_cast<dist::StartOp>(gather->getParentOp());
    ValueRange results =
        start ? ValueRange(start->getResults()) : gather->getResults();
    for (Value value : results) {
      while (Operation *op = value.getDefiningOp()) {
        IssuedCollective issued = collectiveBehind(value);
        if (!issued.op && !keepsValue(op))
          break;
        value = issued.op ? issued.operand : op->getOperand(0);
      }
      auto argument = dyn_cast<BlockArgument>(value);
      if (pipe::SlotOp slot =
              argument ? slotOf(argument, symbols) : pipe::SlotOp())
        for (int atom : dist::atomsOf(gather.getMesh(), gather.getAxes())) {
          auto &axes = gathered[slot];
          axes.resize(std::max<unsigned>(axes.size(), mesh().numAtoms()));
          axes.set(atom);
        }
    }
  });
}

void GradientProof::fail(Value value, pipe::SlotOp slot,
                         const llvm::Twine &what) {
  mlir::emitError(value.getLoc())
      << "gradient of \"" << slot.getOf().value_or(slot.getSymName()) << "\" "
      << what;
  holds = false;
}

/// Moves to the operand that `path.value` is a form of; false at the end.
bool GradientProof::step(Path &path) {
  auto count = [&](Operation *op, int by) {
    auto ofMesh = op->getAttrOfType<dist::MeshAttr>("mesh");
    for (int atom : dist::atomsOf(ofMesh, op->getAttrOfType<ArrayAttr>("axes")))
      path.sums[atom] += by;
  };
  if (IssuedCollective issued = collectiveBehind(path.value); issued.op) {
    auto kind = issued.op->getAttrOfType<StringAttr>("kind");
    if (kind && kind.getValue() == "sum")
      count(issued.op, 1);
    if (auto gather = dyn_cast<dist::AllGatherOp>(issued.op))
      for (int atom : dist::atomsOf(gather.getMesh(), gather.getAxes()))
        path.inShards.set(atom);
    path.value = issued.operand;
    return true;
  }
  Operation *op = path.value.getDefiningOp();
  if (!op || !keepsValue(op))
    return false;
  // One rank keeps the value, so that a sum over the axes counts it once.
  if (isa<dist::MakePartialOp>(op))
    count(op, -1);
  path.value = op->getOperand(0);
  return true;
}

/// True if a parameter is sharded along `axis` and never gathered.
bool GradientProof::isUsedInShards(pipe::SlotOp parameter, int axis) {
  if (!parameter || (placementOf(parameter, axis) & kReplicated))
    return false;
  auto found = gathered.find(parameter);
  return found == gathered.end() || !found->second.test(axis);
}

/// Compares the sums on the way with what the value at its end needs.
void GradientProof::provePath(const Path &path, pipe::SlotOp slot,
                              const Placements &placements) {
  auto parameter = symbols.lookup<pipe::SlotOp>(slot.getOf().value_or(""));
  for (int atom = 0; atom < mesh().numAtoms(); ++atom) {
    StringRef name = mesh().axes()[mesh().axisOfAtom(atom)].name;
    bool isData = name.starts_with("dp_") || name == "cp";
    PlacementSet set = placements.of(path.value, atom);
    // What lies in shards is gathered instead, or the slot's own shard.
    PlacementSet partial = partialSet(ReduceKind::Sum);
    bool isPartial =
        (set & partial) && !(set & kReplicated) && !path.inShards.test(atom);
    bool staysPartial = placementOf(slot, atom) & partial;
    bool needsSum = isData && isPartial && !staysPartial &&
                    !isUsedInShards(parameter, atom);
    std::string axis = "axis \"" + mesh().atomName(atom) + "\"";
    if (path.sums[atom] > 1)
      fail(path.value, slot,
           "is summed " + llvm::Twine(path.sums[atom]) + " times over " + axis);
    else if (path.sums[atom] == 1 && set == kReplicated)
      fail(path.value, slot,
           "is summed over " + axis + ", whose ranks hold the same value");
    else if (path.sums[atom] == 0 && needsSum)
      fail(path.value, slot, "is not summed over " + axis);
  }
}

void GradientProof::proveSlot(func::FuncOp function, OpOperand &returned,
                              pipe::SlotOp slot, const Placements &placements) {
  SmallVector<Path> work = {{returned.get(),
                             SmallVector<int, 4>(mesh().numAtoms(), 0),
                             llvm::SmallBitVector(mesh().numAtoms())}};
  int numOld = 0;
  bool isComputed = false;
  while (!work.empty()) {
    Path path = work.pop_back_val();
    while (step(path)) {
    }
    auto argument = dyn_cast<BlockArgument>(path.value);
    if (argument && slotOf(argument, symbols) == slot) {
      ++numOld;
      continue;
    }
    Operation *op = path.value.getDefiningOp();
    if (isa_and_nonnull<nn::SumOfOp, nn::AddOp>(op)) {
      for (Value operand : op->getOperands())
        work.push_back({operand, path.sums, path.inShards});
      continue;
    }
    isComputed |= !isa_and_nonnull<nn::ConstantOp>(op);
    provePath(path, slot, placements);
  }
  bool isRepeated = microbatches.lookup(function) > 1;
  if (numOld > 1 || (isRepeated && numOld == 0))
    fail(returned.get(), slot,
         "is not added to that of the microbatches before");
  if (numOld > 0)
    added.insert(slot);
  else if (!isComputed)
    cleared.insert(slot);
  if (isComputed && slot.getLifetime() == "run")
    proved.insert(slot);
}

void GradientProof::proveFunction(func::FuncOp function) {
  Placements placements(function, symbols, Placements::OnFault::Ignore);
  for (OpOperand &returned : function.front().getTerminator()->getOpOperands())
    if (pipe::SlotOp slot = slotOf(returned, symbols);
        slot && slot.getKind() == "gradient")
      proveSlot(function, returned, slot, placements);
}

Proof GradientProof::run() {
  readSchedule();
  findGathers();
  for (auto function : module.getOps<func::FuncOp>())
    proveFunction(function);
  int64_t numGradients = 0;
  for (auto slot : module.getOps<pipe::SlotOp>()) {
    if (slot.getKind() != "gradient" || slot.getLifetime() != "run")
      continue;
    ++numGradients;
    if (added.contains(slot) && !cleared.contains(slot)) {
      slot.emitOpError("is never zeroed: the gradient is added to that of the "
                       "step before");
      holds = false;
    }
    if (proved.contains(slot))
      continue;
    slot.emitOpError("is written by no function: the gradient is not computed");
    holds = false;
  }
  return {counted(numGradients, "gradient") +
              ", each summed exactly once over each data axis",
          holds};
}

Proof proveGradients(ModuleOp module) { return GradientProof(module).run(); }

std::vector<Proof> proveScheduled(ModuleOp module) {
  return {proveOrder(module), proveFutures(module),    proveSlots(module),
          proveStep(module),  provePlacements(module), proveGradients(module)};
}

} // namespace weft
