// SPDX-License-Identifier: Apache-2.0
//
// prog-verify: the contract of the program phase, all violations at once. What
// buffers hold when they are read is ProgramContents.
#include "ProgramContents.h"
#include "Temporaries.h"
#include "weft/Transforms/Passes.h"
#include <set>

#define DEBUG_TYPE "prog-verify"

namespace weft {
#define GEN_PASS_DEF_VERIFYPROGRAMPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

using namespace mlir;
using namespace weft;

/// True if `memref` is the memory of a tensor of type `tensor`.
static bool isMemoryOf(Type memref, Type tensor) {
  auto memory = cast<MemRefType>(memref);
  auto value = cast<RankedTensorType>(tensor);
  Type element = value.getElementType();
  return memory.getShape() == value.getShape() &&
         memory.getElementType() ==
             (element.isInteger(1)
                  ? Type(IntegerType::get(memref.getContext(), 8))
                  : element);
}

namespace {

class ProgramVerifier {
public:
  explicit ProgramVerifier(ModuleOp module)
      : module(module), symbols(module),
        regions(module->getAttrOfType<DictionaryAttr>(prog::kRegionsAttrName)) {
  }

  LogicalResult run();

private:
  void verify(Operation *op);
  void verifyCollective(prog::CollectiveOp op);
  void verifyBuffer(prog::BufferOp buffer);
  void verifySlotBuffer(prog::BufferOp buffer, StringRef slot);
  void verifyLaunch(prog::LaunchOp launch);
  void verifySlots();
  void verifyTemporaries(func::FuncOp function);
  void verifyTypes(prog::LaunchOp launch, StringRef what, ValueRange memory,
                   TypeRange tensors);
  InFlightDiagnostic error(Operation *op) {
    isOk = false;
    return op->emitOpError();
  }

  ModuleOp module;
  SymbolTable symbols;
  DictionaryAttr regions;
  /// Where the slots of a region end.
  llvm::StringMap<int64_t> slotBytes;
  int64_t numCollectives = 0;
  /// Calls of the function that are not waited for yet.
  std::set<int64_t> underWay;
  bool isOk = true;
};

} // namespace

void ProgramVerifier::verifySlotBuffer(prog::BufferOp buffer, StringRef name) {
  auto slot = symbols.lookup<pipe::SlotOp>(name);
  auto offset = slot ? slot->getAttrOfType<IntegerAttr>(prog::kOffsetAttrName)
                     : IntegerAttr();
  if (!offset)
    error(buffer) << "names no slot that has a place: got @" << name;
  else if (offset.getInt() != static_cast<int64_t>(buffer.getOffset()))
    error(buffer) << "does not lie where its slot does: got offset "
                  << static_cast<int64_t>(buffer.getOffset()) << ", expected "
                  << offset.getInt();
}

void ProgramVerifier::verifyBuffer(prog::BufferOp buffer) {
  int64_t offset = buffer.getOffset();
  auto size = regions.getAs<IntegerAttr>(buffer.getRegion());
  int64_t end = offset + prog::bytesOf(buffer.getType());
  if (offset < 0)
    error(buffer) << "has no offset";
  else if (!size || end > size.getInt())
    error(buffer) << "ends behind its region: got byte " << end
                  << ", expected at most " << (size ? size.getInt() : 0);
  else if (auto slot = buffer.getSlot())
    verifySlotBuffer(buffer, *slot);
}

/// Slots of a region share no byte, and buffers of slots lie where they do.
void ProgramVerifier::verifySlots() {
  for (StringRef region : prog::kRegionNames) {
    SlotPlan slots = slotsOf(module, region);
    if (auto message = weft::verify(slots.plan, slots.lifetimes)) {
      isOk = false;
      module.emitError("region \"") << region << "\": " << *message;
    }
    slotBytes[region] = slots.plan.bytes;
  }
}

/// Temporaries that are in use at the same time share no byte, with each other
/// or with slots.
void ProgramVerifier::verifyTemporaries(func::FuncOp function) {
  Temporaries temporaries = temporariesOf(function);
  MemoryPlan plan;
  for (prog::BufferOp buffer : temporaries.buffers) {
    int64_t offset = buffer.getOffset();
    if (offset < 0)
      return; // verifyBuffer has said so
    if (buffer.getRegion() != "microbatch")
      error(buffer) << "is no slot's in a region of slots: got \""
                    << buffer.getRegion() << "\", expected \"microbatch\"";
    if (offset < slotBytes["microbatch"])
      error(buffer) << "lies among slots: got offset " << offset
                    << ", expected at least " << slotBytes["microbatch"];
    plan.offsets.push_back(offset);
    plan.bytes = std::max(plan.bytes, offset + prog::bytesOf(buffer.getType()));
  }
  if (auto message = weft::verify(plan, temporaries.lifetimes))
    error(function) << *message;
}

void ProgramVerifier::verifyTypes(prog::LaunchOp launch, StringRef what,
                                  ValueRange memory, TypeRange tensors) {
  if (memory.size() != tensors.size()) {
    error(launch) << "has another number of " << what << " than its kernel: "
                  << "got " << memory.size() << ", expected " << tensors.size();
    return;
  }
  for (auto [value, type] : llvm::zip(memory, tensors))
    if (!isMemoryOf(value.getType(), type))
      error(launch) << "has " << what << " of another type than its kernel: "
                    << "got " << value.getType() << ", expected memory of "
                    << type;
}

void ProgramVerifier::verifyLaunch(prog::LaunchOp launch) {
  auto kernel = symbols.lookup<func::FuncOp>(launch.getKernel());
  if (!kernel || !kernel->hasAttr(prog::kKernelAttrName)) {
    error(launch) << "names no kernel: got " << launch.getKernelAttr();
    return;
  }
  verifyTypes(launch, "inputs", launch.getInputs(), kernel.getArgumentTypes());
  verifyTypes(launch, "outputs", launch.getOutputs(), kernel.getResultTypes());
  auto expected = kernel->getAttrOfType<IntegerAttr>(prog::kScratchAttrName);
  int64_t bytes = 0;
  for (Value scratch : launch.getScratch())
    bytes += prog::bytesOf(cast<MemRefType>(scratch.getType()));
  if (bytes != (expected ? expected.getInt() : 0))
    error(launch) << "has another size of scratch than its kernel: got "
                  << bytes << ", expected "
                  << (expected ? expected.getInt() : 0);
}

void ProgramVerifier::verify(Operation *op) {
  for (Type type : op->getResultTypes())
    if (isa<TensorType>(type))
      error(op) << "yields a tensor in the program phase: got " << type;
  for (Value operand : op->getOperands())
    if (isa<MemRefType>(operand.getType()) && !prog::bufferOf(operand))
      error(op) << "takes memory that is no buffer: got " << operand.getType();
  if (auto buffer = dyn_cast<prog::BufferOp>(op))
    verifyBuffer(buffer);
  else if (auto launch = dyn_cast<prog::LaunchOp>(op))
    verifyLaunch(launch);
  else if (auto collective = dyn_cast<prog::CollectiveOp>(op))
    verifyCollective(collective);
  else if (auto wait = dyn_cast<prog::WaitOp>(op);
           wait && !underWay.erase(wait.getId()))
    error(op) << "waits for a call that is not under way: got " << wait.getId();
}

void ProgramVerifier::verifyCollective(prog::CollectiveOp op) {
  if (static_cast<int64_t>(op.getId()) != numCollectives++)
    error(op) << "is numbered out of order: got " << op.getId() << ", expected "
              << numCollectives - 1;
  underWay.insert(op.getId());
}

LogicalResult ProgramVerifier::run() {
  if (!regions)
    return module.emitError("module has no sizes of regions").attachNote()
           << "run prog-plan-memory";
  verifySlots();
  for (auto function : module.getOps<func::FuncOp>()) {
    if (function.isDeclaration() || function->hasAttr(prog::kKernelAttrName))
      continue;
    if (function.getNumArguments() || function.getNumResults()) {
      error(function) << "has arguments or results in the program phase";
      continue;
    }
    bool wasOk = std::exchange(isOk, true);
    for (Operation &op : function.front())
      verify(&op);
    for (int64_t id : underWay)
      error(function) << "does not wait for call " << id;
    underWay.clear();
    // Contents mean nothing where buffers or calls are wrong in themselves.
    if (isOk)
      isOk = succeeded(ProgramContents(function, symbols).verify());
    isOk &= wasOk;
    verifyTemporaries(function);
  }
  return success(isOk);
}

namespace {
struct VerifyProgramPass
    : weft::impl::VerifyProgramPassBase<VerifyProgramPass> {
  void runOnOperation() override {
    markAllAnalysesPreserved();
    if (failed(ProgramVerifier(getOperation()).run()))
      signalPassFailure();
  }
};
} // namespace
