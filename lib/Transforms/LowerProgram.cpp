// SPDX-License-Identifier: Apache-2.0
//
// prog-lower: local functions on tensors -> program functions on buffers.
//
//   1. Check that every op has a place in a program.
//   2. Per function, decide which values share memory
//      (LowerProgramPlacement.cpp).
//   3. Rewrite: a buffer per value, a launch per op (kernels are outlined in
//      LowerProgramKernels.cpp), collectives numbered over the program, copies
//      into slots at the end.
// Offsets are left to prog-plan-memory. A started collective holds its buffers
// until its prog.wait; one that was not started is waited for at once.
#include "weft/Transforms/LowerProgram.h"
#include "LowerProgramKernels.h"
#include "LowerProgramPlacement.h"
#include "weft/Transforms/Passes.h"
#include "llvm/ADT/TypeSwitch.h"

#define DEBUG_TYPE "prog-lower"

namespace weft {
#define GEN_PASS_DEF_LOWERPROGRAMPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

using namespace mlir;
using namespace weft;

/// The memory of a tensor: row-major, booleans as bytes.
static MemRefType memoryType(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  Type element = tensor.getElementType();
  if (element.isInteger(1))
    element = IntegerType::get(type.getContext(), 8);
  return MemRefType::get(tensor.getShape(), element);
}

static bool isKernel(Operation *op) {
  return isa<prog::FusedOp, prog::WindowOp>(op) ||
         isa<nn::NNDialect>(op->getDialect());
}

namespace {

/// What a prog.collective says beside its operands.
struct CollectiveFields {
  StringRef reduce = "sum";
  ArrayRef<int64_t> dims, concatDims;
};

class FunctionLowering {
public:
  FunctionLowering(func::FuncOp function, SymbolTable &symbols,
                   KernelLibrary &kernels, int64_t &numCollectives)
      : function(function), symbols(symbols), kernels(kernels),
        numCollectives(numCollectives), builder(function.getContext()) {}

  void run();

private:
  void declareSlots();
  Value slotMemory(StringAttr slot, RankedTensorType type, Location loc);
  void lower(Operation *op);
  void lowerLaunch(Operation *op);
  /// A communicator call that is not waited for yet.
  struct Pending {
    int64_t id = 0;
    SmallVector<Value> inputs, outputs;
  };
  void lowerCollective(Operation *op);
  void lowerStart(dist::StartOp op);
  int64_t issue(Operation *op, ValueRange inputs, ValueRange outputs);
  void finish(Location loc, const Pending &call);
  void lowerCoordinate(Operation *op, StringRef what, int64_t value);
  void copyResults();
  void replaceBody(Block *body);

  Value temporary(Location loc, MemRefType type) {
    return prog::BufferOp::create(builder, loc, type, "microbatch", -1,
                                  FlatSymbolRefAttr());
  }
  /// `buffer` in the shape of `tensor`.
  Value viewAs(Value buffer, Type tensor, Location loc);
  /// Memory to write a result to.
  Value targetFor(OpResult result);
  SmallVector<Value> memoryOf(ValueRange tensors) {
    return llvm::map_to_vector(tensors,
                               [&](Value v) { return memory.lookup(v); });
  }

  func::FuncOp function;
  SymbolTable &symbols;
  KernelLibrary &kernels;
  int64_t &numCollectives;
  OpBuilder builder;
  BufferPlacement placement;
  DenseMap<Value, Value> memory;
  /// Calls under way, by the op that waits for them.
  DenseMap<Operation *, Pending> pending;
  llvm::MapVector<StringAttr, Value> slots;
  /// Rank-dependent integers are written once a function.
  DenseMap<Attribute, Value> coordinates;
};

} // namespace

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

Value FunctionLowering::slotMemory(StringAttr name, RankedTensorType type,
                                   Location loc) {
  Value &buffer = slots[name];
  if (!buffer) {
    auto slot = symbols.lookup<pipe::SlotOp>(name);
    StringRef region =
        slot.getKind() == "input" ? StringRef("input") : slot.getLifetime();
    buffer = prog::BufferOp::create(builder, slot.getLoc(), memoryType(type),
                                    region, -1, FlatSymbolRefAttr::get(name));
  }
  return viewAs(buffer, type, loc);
}

void FunctionLowering::declareSlots() {
  for (BlockArgument argument : function.getArguments())
    memory[argument] = slotMemory(
        pipe::slotOfArgument(function, argument.getArgNumber()).getAttr(),
        cast<RankedTensorType>(argument.getType()), argument.getLoc());
  for (unsigned i = 0; i < function.getNumResults(); ++i)
    slotMemory(pipe::slotOfResult(function, i).getAttr(),
               cast<RankedTensorType>(function.getResultTypes()[i]),
               function.getLoc());
}

Value FunctionLowering::viewAs(Value buffer, Type tensor, Location loc) {
  MemRefType type = memoryType(tensor);
  if (auto view = buffer.getDefiningOp<prog::ViewOp>())
    buffer = view.getInput();
  if (buffer.getType() == type)
    return buffer;
  return prog::ViewOp::create(builder, loc, type, buffer);
}

Value FunctionLowering::targetFor(OpResult result) {
  Location loc = result.getLoc();
  Value target;
  if (StringAttr slot = placement.slots.lookup(result))
    target = viewAs(slots[slot], result.getType(), loc);
  else if (Value over = placement.overwrites.lookup(result))
    target = viewAs(memory.lookup(over), result.getType(), loc);
  else
    target = temporary(loc, memoryType(result.getType()));
  return memory[result] = target;
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

void FunctionLowering::lowerLaunch(Operation *op) {
  func::FuncOp kernel = kernels.kernelFor(op);
  SmallVector<Value> outputs, scratch;
  for (OpResult result : op->getResults())
    outputs.push_back(targetFor(result));
  if (auto bytes = kernel->getAttrOfType<IntegerAttr>(prog::kScratchAttrName))
    scratch.push_back(temporary(
        op->getLoc(), MemRefType::get({bytes.getInt()}, builder.getI8Type())));
  prog::LaunchOp::create(builder, op->getLoc(), kernel.getSymName(),
                         memoryOf(op->getOperands()), outputs, scratch);
}

void FunctionLowering::lowerCoordinate(Operation *op, StringRef what,
                                       int64_t value) {
  auto mesh = op->getAttrOfType<dist::MeshAttr>("mesh");
  auto axes = op->getAttrOfType<ArrayAttr>("axes");
  Attribute key = builder.getArrayAttr({builder.getStringAttr(what), mesh, axes,
                                        builder.getI64IntegerAttr(value)});
  Value &buffer = coordinates[key];
  if (!buffer) {
    buffer = temporary(op->getLoc(), memoryType(op->getResult(0).getType()));
    prog::CoordinateOp::create(builder, op->getLoc(), buffer, what, mesh, axes,
                               value);
  }
  memory[op->getResult(0)] = buffer;
}

static CollectiveFields fieldsOf(Operation *op) {
  return llvm::TypeSwitch<Operation *, CollectiveFields>(op)
      .Case([](dist::AllGatherOp op) {
        return CollectiveFields{"sum", op.getDims(), {}};
      })
      .Case([](dist::AllReduceOp op) {
        return CollectiveFields{op.getKind(), {}, {}};
      })
      .Case([](dist::ReduceScatterOp op) {
        return CollectiveFields{op.getKind(), op.getDims(), {}};
      })
      .Case([](dist::AllToAllOp op) {
        return CollectiveFields{"sum", op.getSplitDims(), op.getConcatDims()};
      })
      .Case([](dist::PermuteOp op) {
        return CollectiveFields{"sum", op.getSources(), {}};
      });
}

/// Issues `op` on `inputs` and returns its number.
int64_t FunctionLowering::issue(Operation *op, ValueRange inputs,
                                ValueRange outputs) {
  CollectiveFields fields = fieldsOf(op);
  prog::CollectiveOp::create(
      builder, op->getLoc(), op->getName().stripDialect(), inputs, outputs,
      op->getAttrOfType<dist::MeshAttr>("mesh"),
      op->getAttrOfType<ArrayAttr>("axes"), fields.reduce, fields.dims,
      fields.concatDims, numCollectives);
  return numCollectives++;
}

void FunctionLowering::finish(Location loc, const Pending &call) {
  SmallVector<Value> buffers(call.inputs);
  buffers.append(call.outputs);
  prog::WaitOp::create(builder, loc, call.id, buffers);
}

void FunctionLowering::lowerCollective(Operation *op) {
  Pending call;
  call.inputs = memoryOf(op->getOperands());
  for (OpResult result : op->getResults())
    call.outputs.push_back(targetFor(result));
  call.id = issue(op, call.inputs, call.outputs);
  finish(op->getLoc(), call);
}

void FunctionLowering::lowerStart(dist::StartOp op) {
  auto wait = cast<dist::WaitOp>(*op->getUsers().begin());
  Pending call;
  call.inputs = memoryOf(op.getInputs());
  for (Value result : wait.getResults())
    call.outputs.push_back(targetFor(cast<OpResult>(result)));
  call.id = issue(&op.getBody().front().front(), call.inputs, call.outputs);
  pending[wait] = std::move(call);
}

void FunctionLowering::lower(Operation *op) {
  if (auto reshape = dyn_cast<nn::ReshapeOp>(op))
    memory[reshape] = viewAs(memory.lookup(reshape.getInput()),
                             reshape.getType(), op->getLoc());
  else if (auto coordinate = dyn_cast<dist::CoordinateOp>(op))
    lowerCoordinate(op, "coordinate", coordinate.getScale());
  else if (auto extent = dyn_cast<dist::ExtentOp>(op))
    lowerCoordinate(op, "extent", extent.getSize());
  else if (dist::isCollective(op))
    lowerCollective(op);
  else if (auto start = dyn_cast<dist::StartOp>(op))
    lowerStart(start);
  else if (isa<dist::WaitOp>(op))
    finish(op->getLoc(), pending[op]);
  else if (isKernel(op))
    lowerLaunch(op);
}

/// Copies what could not be computed in its slot. All at once: a slot that is
/// overwritten here and read by another copy is read first.
void FunctionLowering::copyResults() {
  struct Copy {
    Value source, target;
    Location loc;
  };
  SmallVector<Copy> copies;
  Operation *terminator = function.front().getTerminator();
  llvm::SmallPtrSet<Value, 4> overwritten;
  for (unsigned number : placement.copies) {
    Value value = terminator->getOperand(number);
    Value slot = slots[pipe::slotOfResult(function, number).getAttr()];
    overwritten.insert(slot);
    copies.push_back({memory.lookup(rootOf(value)),
                      viewAs(slot, rootOf(value).getType(), value.getLoc()),
                      value.getLoc()});
  }
  for (Copy &copy : copies) {
    auto view = copy.source.getDefiningOp<prog::ViewOp>();
    if (!overwritten.contains(view ? view.getInput() : copy.source))
      continue;
    Value saved = temporary(copy.loc, cast<MemRefType>(copy.source.getType()));
    prog::CopyOp::create(builder, copy.loc, copy.source, saved);
    copy.source = saved;
  }
  for (const Copy &copy : copies)
    prog::CopyOp::create(builder, copy.loc, copy.source, copy.target);
}

void FunctionLowering::replaceBody(Block *body) {
  Block *old = &function.front();
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(*old)))
    op.erase();
  old->erase();
  function.getBody().push_back(body);
  function.setFunctionType(builder.getFunctionType({}, {}));
  function.removeArgAttrsAttr();
  function.removeResAttrsAttr();
}

void FunctionLowering::run() {
  placement = placeBuffers(function);
  auto *body = new Block();
  builder.setInsertionPointToEnd(body);
  declareSlots();
  for (Operation &op : function.front().without_terminator())
    lower(&op);
  copyResults();
  func::ReturnOp::create(builder, function.front().getTerminator()->getLoc());
  replaceBody(body);
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

/// True for a function that is in the program phase already.
static bool isLowered(func::FuncOp function) {
  return function.getNumArguments() == 0 && function.getNumResults() == 0 &&
         llvm::none_of(function.getOps(), [](Operation &op) {
           return llvm::any_of(op.getResultTypes(),
                               llvm::IsaPred<RankedTensorType>);
         });
}

static LogicalResult verifyLowerable(func::FuncOp function,
                                     SymbolTable &symbols) {
  auto isSlot = [&](FlatSymbolRefAttr name) {
    return name && symbols.lookup<pipe::SlotOp>(name.getValue());
  };
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    if (!isSlot(pipe::slotOfArgument(function, i)))
      return function.emitError("argument ") << i << " names no slot";
  for (unsigned i = 0; i < function.getNumResults(); ++i)
    if (!isSlot(pipe::slotOfResult(function, i)))
      return function.emitError("result ") << i << " names no slot";
  for (Operation &op : function.front().without_terminator()) {
    bool isOk =
        isKernel(&op) || dist::isCollective(&op) ||
        isa<dist::CoordinateOp, dist::ExtentOp, dist::StartOp, dist::WaitOp>(
            op);
    if (!isOk)
      return op.emitOpError("has no place in a program").attachNote()
             << "prog-decompose-moves and prog-fuse-regions come before";
  }
  return success();
}

namespace {
struct LowerProgramPass : weft::impl::LowerProgramPassBase<LowerProgramPass> {
  LowerProgramPass() = default;
  explicit LowerProgramPass(KernelScratch scratch)
      : scratch(std::move(scratch)) {}

  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    SmallVector<func::FuncOp> functions;
    for (auto function : module.getOps<func::FuncOp>())
      if (!function.isDeclaration() &&
          !function->hasAttr(prog::kKernelAttrName) && !isLowered(function))
        functions.push_back(function);
    for (func::FuncOp function : functions)
      if (failed(verifyLowerable(function, symbols)))
        return signalPassFailure();
    KernelLibrary kernels(module, scratch);
    int64_t numCollectives = 0;
    for (func::FuncOp function : functions)
      FunctionLowering(function, symbols, kernels, numCollectives).run();
  }

  KernelScratch scratch;
};
} // namespace

std::unique_ptr<Pass> weft::createLowerProgramPass(KernelScratch scratch) {
  return std::make_unique<LowerProgramPass>(std::move(scratch));
}
