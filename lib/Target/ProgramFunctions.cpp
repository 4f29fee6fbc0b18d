// SPDX-License-Identifier: Apache-2.0
//
// Program functions -> LLVM dialect: straight-line calls on base + offset.
//
//   void NAME(weft_context *context, char *const *regions)
//
// A buffer is an address where it is used (offsets fold into the calls), but a
// gathered one is read where the context says after the wait; a launch is a
// call of the kernel, a collective `start` and `wait` through the
// context; before each of them goes the number of its site, to `mark`. The two
// pointer arrays that `start` takes are shared by all collectives of a
// function: they are read before `start` returns.
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "weft/IR/Prog/Prog.h"
#include "weft/Target/Program.h"

using namespace mlir;

namespace weft {

namespace {

/// Fields of weft_context, each of 8 bytes.
enum ContextField {
  kCoordinatesField = 1,
  kStartField = 2,
  kWaitField = 3,
  kMarkField = 5,
  kGatheredField = 6
};

class FunctionEmitter {
public:
  /// `numSites` counts the sites of the functions so far.
  FunctionEmitter(ModuleOp target, func::FuncOp source,
                  const DenseMap<Operation *, int64_t> &gathered,
                  int64_t &numSites)
      : source(source), target(target), gathered(gathered), numSites(numSites),
        b(source.getLoc(), target.getContext()),
        pointer(LLVM::LLVMPointerType::get(target.getContext())),
        i64(b.getI64Type()) {}

  void run();

private:
  void emit(Operation &op);
  void emitLaunch(prog::LaunchOp op);
  void emitCopy(prog::CopyOp op);
  void emitCollective(prog::CollectiveOp op);
  void emitWait(prog::WaitOp op);
  void emitCoordinate(prog::CoordinateOp op);
  Value positionInGroup(ArrayRef<int64_t> sizes, ArrayRef<Value> coordinates);
  Value validExtent(int64_t size, ArrayRef<int64_t> sizes,
                    ArrayRef<Value> coordinates);

  Value constant(int64_t value) {
    return LLVM::ConstantOp::create(b, i64, b.getI64IntegerAttr(value));
  }
  Value offset(Value base, int64_t bytes) {
    return LLVM::GEPOp::create(
        b, pointer, b.getI8Type(), base,
        ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(bytes)});
  }
  Value addressOf(Value memref);
  /// Where the plan has it.
  Value plannedAddressOf(prog::BufferOp buffer);
  Value contextField(ContextField field, Type type) {
    return LLVM::LoadOp::create(b, type,
                                offset(function.getArgument(0), field * 8));
  }
  /// The shared array, filled with the planned addresses of `memrefs`.
  Value pointerArray(Value array, ValueRange memrefs);
  void callContext(ContextField field, ArrayRef<Type> types, ValueRange values);
  void declareKernel(StringRef name, unsigned numArguments);

  func::FuncOp source;
  ModuleOp target;
  const DenseMap<Operation *, int64_t> &gathered;
  int64_t &numSites;
  llvm::SmallPtrSet<Operation *, 32> sites;
  ImplicitLocOpBuilder b;
  Type pointer, i64;
  LLVM::LLVMFuncOp function;
  SmallVector<Value> bases;
  Value inputArray, outputArray;
};

} // namespace

Value FunctionEmitter::addressOf(Value memref) {
  prog::BufferOp buffer = prog::bufferOf(memref);
  auto found = gathered.find(buffer);
  if (found == gathered.end())
    return plannedAddressOf(buffer);
  Value list = contextField(kGatheredField, pointer);
  return LLVM::LoadOp::create(
      b, pointer,
      LLVM::GEPOp::create(b, pointer, pointer, list,
                          ValueRange(constant(found->second))));
}

Value FunctionEmitter::plannedAddressOf(prog::BufferOp buffer) {
  Value base = bases[prog::regionNumber(buffer.getRegion())];
  // Offsets may exceed 32 bits, so they are no constant indices.
  return LLVM::GEPOp::create(b, pointer, b.getI8Type(), base,
                             ValueRange(constant(buffer.getOffset())));
}

void FunctionEmitter::declareKernel(StringRef name, unsigned numArguments) {
  if (target.lookupSymbol(name))
    return;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(target.getBody());
  SmallVector<Type> arguments(numArguments, pointer);
  auto kernel = LLVM::LLVMFuncOp::create(
      b, name,
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()),
                                  arguments));
  // The linker makes a symbol as hidden as any mention of it.
  kernel.setVisibility_(LLVM::Visibility::Hidden);
}

void FunctionEmitter::emitLaunch(prog::LaunchOp op) {
  SmallVector<Value> arguments;
  for (Value operand : op.getOperands())
    arguments.push_back(addressOf(operand));
  declareKernel(op.getKernel(), arguments.size());
  LLVM::CallOp::create(b, TypeRange(), op.getKernel(), arguments);
}

void FunctionEmitter::emitCopy(prog::CopyOp op) {
  int64_t bytes = prog::bytesOf(cast<MemRefType>(op.getSource().getType()));
  LLVM::MemcpyOp::create(b, addressOf(op.getTarget()),
                         addressOf(op.getSource()), constant(bytes),
                         /*isVolatile=*/false);
}

Value FunctionEmitter::pointerArray(Value array, ValueRange memrefs) {
  for (auto [i, memref] : llvm::enumerate(memrefs))
    LLVM::StoreOp::create(b, plannedAddressOf(prog::bufferOf(memref)),
                          offset(array, i * 8));
  return array;
}

void FunctionEmitter::callContext(ContextField field, ArrayRef<Type> types,
                                  ValueRange values) {
  auto type = LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(b.getContext()), types);
  SmallVector<Value> operands = {contextField(field, pointer)};
  operands.append(values.begin(), values.end());
  LLVM::CallOp::create(b, type, operands);
}

void FunctionEmitter::emitCollective(prog::CollectiveOp op) {
  Value context = function.getArgument(0), id = constant(op.getId());
  Value inputs = pointerArray(inputArray, op.getInputs());
  Value outputs = pointerArray(outputArray, op.getOutputs());
  callContext(kStartField, {pointer, i64, pointer, pointer},
              {context, id, inputs, outputs});
}

void FunctionEmitter::emitWait(prog::WaitOp op) {
  callContext(kWaitField, {pointer, i64},
              {function.getArgument(0), constant(op.getId())});
}

/// The position of this rank in its group, the first axis outermost.
Value FunctionEmitter::positionInGroup(ArrayRef<int64_t> sizes,
                                       ArrayRef<Value> coordinates) {
  Value position = constant(0);
  for (auto [size, coordinate] : llvm::zip(sizes, coordinates)) {
    Value scaled = LLVM::MulOp::create(b, position, constant(size));
    position = LLVM::AddOp::create(b, scaled, coordinate);
  }
  return position;
}

/// How many elements of a dim of `size` this rank holds: each axis leaves
/// ceil(size / n), of which those before the end are valid.
Value FunctionEmitter::validExtent(int64_t size, ArrayRef<int64_t> sizes,
                                   ArrayRef<Value> coordinates) {
  Value valid = constant(size);
  for (auto [n, coordinate] : llvm::zip(sizes, coordinates)) {
    size = llvm::divideCeil(size, n);
    Value start = LLVM::MulOp::create(b, coordinate, constant(size));
    Value left = LLVM::SubOp::create(b, valid, start);
    left = LLVM::SMaxOp::create(b, left, constant(0));
    valid = LLVM::SMinOp::create(b, left, constant(size));
  }
  return valid;
}

void FunctionEmitter::emitCoordinate(prog::CoordinateOp op) {
  const Mesh &mesh = op.getMesh().getMesh();
  Value all = contextField(kCoordinatesField, pointer);
  SmallVector<int64_t> sizes;
  SmallVector<Value> coordinates;
  for (int atom : dist::atomsOf(op.getMesh(), op.getAxes())) {
    sizes.push_back(mesh.atomSize(atom));
    coordinates.push_back(LLVM::LoadOp::create(b, i64, offset(all, atom * 8)));
  }
  Value value;
  if (op.getWhat() == "extent")
    value = validExtent(op.getValue(), sizes, coordinates);
  else
    value = LLVM::MulOp::create(b, positionInGroup(sizes, coordinates),
                                constant(op.getValue()));
  LLVM::StoreOp::create(b, value, addressOf(op.getTarget()));
}

void FunctionEmitter::emit(Operation &op) {
  b.setLoc(op.getLoc());
  if (sites.contains(&op))
    callContext(kMarkField, {pointer, i64},
                {function.getArgument(0), constant(numSites++)});
  if (auto launch = dyn_cast<prog::LaunchOp>(op))
    emitLaunch(launch);
  else if (auto copy = dyn_cast<prog::CopyOp>(op))
    emitCopy(copy);
  else if (auto collective = dyn_cast<prog::CollectiveOp>(op))
    emitCollective(collective);
  else if (auto wait = dyn_cast<prog::WaitOp>(op))
    emitWait(wait);
  else if (auto coordinate = dyn_cast<prog::CoordinateOp>(op))
    emitCoordinate(coordinate);
}

void FunctionEmitter::run() {
  b.setInsertionPointToEnd(target.getBody());
  auto type = LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(b.getContext()), {pointer, pointer});
  function = LLVM::LLVMFuncOp::create(b, source.getSymName(), type);
  b.setInsertionPointToStart(function.addEntryBlock(b));
  for (size_t region = 0; region < std::size(prog::kRegionNames); ++region)
    bases.push_back(LLVM::LoadOp::create(
        b, pointer, offset(function.getArgument(1), region * 8)));
  size_t numOperands = 0;
  for (auto op : source.getOps<prog::CollectiveOp>())
    numOperands = std::max(numOperands, op.getInputs().size());
  if (numOperands) {
    Value count = constant(numOperands);
    inputArray = LLVM::AllocaOp::create(b, pointer, pointer, count);
    outputArray = LLVM::AllocaOp::create(b, pointer, pointer, count);
  }
  sites.insert_range(sitesOf(source));
  for (Operation &op : source.front())
    emit(op);
  LLVM::ReturnOp::create(b, ValueRange());
}

OwningOpRef<ModuleOp> buildProgramModule(ModuleOp module,
                                         StringRef descriptor) {
  OwningOpRef<ModuleOp> result = ModuleOp::create(module.getLoc());
  ImplicitLocOpBuilder b(module.getLoc(), module.getContext());
  b.setInsertionPointToStart(result->getBody());
  std::string text = descriptor.str();
  text.push_back('\0');
  LLVM::GlobalOp::create(b,
                         LLVM::LLVMArrayType::get(b.getI8Type(), text.size()),
                         /*isConstant=*/true, LLVM::Linkage::External,
                         "weft_program", b.getStringAttr(text));
  int64_t numSites = 0;
  DenseMap<Operation *, int64_t> gathered = gatheredBuffers(module);
  for (auto function : module.getOps<func::FuncOp>())
    if (!function.isDeclaration() && !function->hasAttr(prog::kKernelAttrName))
      FunctionEmitter(*result, function, gathered, numSites).run();
  return result;
}

} // namespace weft
