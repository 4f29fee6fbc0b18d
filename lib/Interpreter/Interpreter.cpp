// SPDX-License-Identifier: Apache-2.0
//
// Runs blocks of ops: a value is kept from its op to its last use. Ranks whose
// operands are the same tensors get the same results, computed once.
#include "weft/Interpreter/Interpreter.h"

#include "Collectives.h"
#include "Evaluators.h"
#include "weft/IR/Pipe/Pipe.h"
#include "weft/IR/Prog/Prog.h"
#include "llvm/ADT/DenseMap.h"

using namespace weft;
using namespace weft::interpreter;
using llvm::ArrayRef;
using llvm::SmallVector;
using mlir::FailureOr;

using Values = SmallVector<RankTensors>;

Machine Machine::global(Arithmetic arithmetic) {
  return {Mesh(), 1, arithmetic};
}

Machine Machine::ranksOf(const Mesh &mesh, Arithmetic arithmetic) {
  return {mesh, mesh.numRanks(), arithmetic};
}

/// What one argument says of the phase: true if its slot has a layout and it
/// has the slot's local type, false if it has another type, nothing if the
/// slot has no layout.
static std::optional<bool> isLocalArgument(mlir::SymbolTable &symbols,
                                           mlir::func::FuncOp function,
                                           unsigned index) {
  mlir::FlatSymbolRefAttr name = pipe::slotOfArgument(function, index);
  auto slot =
      name ? symbols.lookup<pipe::SlotOp>(name.getValue()) : pipe::SlotOp();
  if (!slot || !dist::layoutOf(slot.getType()))
    return std::nullopt;
  auto type = llvm::cast<mlir::RankedTensorType>(slot.getType());
  return function.getArgumentTypes()[index] == dist::localType(type);
}

bool interpreter::isLocal(mlir::ModuleOp module) {
  mlir::SymbolTable symbols(module);
  bool hasLayouts = false;
  for (auto function : module.getOps<mlir::func::FuncOp>())
    for (unsigned i = 0; i < function.getNumArguments(); ++i)
      if (std::optional<bool> isLocal = isLocalArgument(symbols, function, i)) {
        if (!*isLocal)
          return false;
        hasLayouts = true;
      }
  return hasLayouts;
}

Machine interpreter::machineFor(mlir::ModuleOp module, Arithmetic arithmetic) {
  if (!isLocal(module))
    return Machine::global(arithmetic);
  return Machine::ranksOf(dist::meshOf(module).getMesh(), arithmetic);
}

const EvaluatorTable &interpreter::evaluatorTable() {
  static const EvaluatorTable table = [] {
    EvaluatorTable table;
    addElementwise(table);
    addShape(table);
    addIndexed(table);
    addContract(table);
    addNorm(table);
    addAttention(table);
    addLoss(table);
    return table;
  }();
  return table;
}

bool interpreter::hasMeaning(llvm::StringRef opName) {
  return evaluatorTable().find(opName) != nullptr;
}

/// The earlier rank whose operands are the same tensors as those of `rank`,
/// or `rank` itself.
static int64_t rankAlike(ArrayRef<RankTensors> operands, int64_t rank) {
  for (int64_t earlier = 0; earlier < rank; ++earlier)
    if (llvm::all_of(operands, [&](const RankTensors &operand) {
          return operand[rank].sharesElementsWith(operand[earlier]);
        }))
      return earlier;
  return rank;
}

FailureOr<Values> interpreter::evaluateOp(mlir::Operation *op,
                                          ArrayRef<RankTensors> operands,
                                          const Machine &machine) {
  if (std::optional<Values> results = evaluateDist(op, operands, machine))
    return std::move(*results);
  const EvaluatorTable::Evaluator *evaluator =
      evaluatorTable().find(op->getName().getStringRef());
  if (!evaluator)
    return op->emitOpError("has no meaning in the interpreter");

  Values results(op->getNumResults(), RankTensors(machine.numRanks));
  for (int64_t rank = 0; rank < machine.numRanks; ++rank) {
    int64_t alike = rankAlike(operands, rank);
    Tensors own;
    if (alike == rank) {
      Tensors ownOperands;
      for (const RankTensors &operand : operands)
        ownOperands.push_back(operand[rank]);
      own = (*evaluator)(op, ownOperands);
      if (machine.arithmetic == Arithmetic::Rounded)
        for (Tensor &result : own)
          result.round();
    }
    for (unsigned k = 0; k < results.size(); ++k)
      results[k][rank] = alike == rank ? std::move(own[k]) : results[k][alike];
  }
  return results;
}

namespace {
/// The values of one block under way, and of the blocks around it.
class Frame {
public:
  Frame(const Machine &machine, Frame *parent)
      : machine(machine), parent(parent) {}

  /// Runs `block`; returns the operands of its terminator, or, for the region
  /// of a `dist.start`, the results of its one op.
  FailureOr<Values> run(mlir::Block &block, ArrayRef<RankTensors> arguments);

private:
  const RankTensors &lookup(mlir::Value value) const {
    auto it = values.find(value);
    return it != values.end() ? it->second : parent->lookup(value);
  }
  Values lookup(mlir::ValueRange range) const {
    return llvm::map_to_vector(
        range, [&](mlir::Value value) { return lookup(value); });
  }
  FailureOr<Values> runOp(mlir::Operation &op);

  const Machine &machine;
  Frame *parent;
  llvm::DenseMap<mlir::Value, RankTensors> values;
};
} // namespace

/// The values of `block` that are not needed after an op, for each op.
static llvm::DenseMap<mlir::Operation *, SmallVector<mlir::Value>>
lastUses(mlir::Block &block) {
  llvm::DenseMap<mlir::Value, mlir::Operation *> lastUser;
  for (mlir::Operation &op : block) {
    for (mlir::Value result : op.getResults())
      lastUser[result] = &op;
    op.walk([&](mlir::Operation *inner) {
      for (mlir::Value operand : inner->getOperands())
        if (operand.getParentBlock() == &block)
          lastUser[operand] = &op;
    });
  }
  llvm::DenseMap<mlir::Operation *, SmallVector<mlir::Value>> dying;
  for (auto [value, op] : lastUser)
    dying[op].push_back(value);
  return dying;
}

FailureOr<Values> Frame::run(mlir::Block &block,
                             ArrayRef<RankTensors> arguments) {
  for (auto [argument, value] :
       llvm::zip_equal(block.getArguments(), arguments))
    values[argument] = value;
  auto dying = lastUses(block);
  for (mlir::Operation &op : block) {
    if (llvm::isa<mlir::func::ReturnOp, prog::YieldOp>(op))
      return lookup(op.getOperands());
    FailureOr<Values> results = runOp(op);
    if (mlir::failed(results) || llvm::isa<dist::StartOp>(op.getParentOp()))
      return results;
    for (auto [result, value] : llvm::zip_equal(op.getResults(), *results))
      values[result] = std::move(value);
    for (mlir::Value value : dying[&op])
      values.erase(value);
  }
  return Values();
}

FailureOr<Values> Frame::runOp(mlir::Operation &op) {
  Values operands = lookup(op.getOperands());
  if (llvm::isa<prog::FusedOp, dist::StartOp>(op))
    return Frame(machine, this).run(op.getRegion(0).front(), operands);
  return evaluateOp(&op, operands, machine);
}

FailureOr<Values> interpreter::interpret(mlir::func::FuncOp function,
                                         ArrayRef<RankTensors> arguments,
                                         const Machine &machine) {
  if (function.isDeclaration() ||
      arguments.size() != function.getNumArguments())
    return function.emitOpError("cannot be interpreted: got ")
           << arguments.size() << " arguments, expected "
           << function.getNumArguments();
  for (auto [index, type] : llvm::enumerate(function.getArgumentTypes()))
    for (const Tensor &tensor : arguments[index])
      if (tensor.shape() != llvm::cast<mlir::RankedTensorType>(type).getShape())
        return function.emitOpError("argument ")
               << index << " has another shape than the value given: got ["
               << tensor.shape() << "], expected " << type;
  return Frame(machine, nullptr).run(function.front(), arguments);
}
