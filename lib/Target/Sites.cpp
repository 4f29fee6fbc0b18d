// SPDX-License-Identifier: Apache-2.0
//
// The sites of a program: launches, copies, starts and waits, in the order in
// which program functions mark them, with what a profile needs to name and
// judge them. Decides nothing; the runtime measures (Profile.h).
//
// A site's work is that of its operands' whole shapes. Of a causal attention
// half the scores count, and of each query at most a window of them; documents
// are not known here. Its gradient computes five products where the forward
// pass has two.
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "weft/IR/NN/NN.h"
#include "weft/IR/Prog/Prog.h"
#include "weft/Target/Program.h"
#include "weft/Transforms/FusedRegion.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
namespace json = llvm::json;

namespace weft {

SmallVector<Operation *> sitesOf(func::FuncOp function) {
  SmallVector<Operation *> sites;
  if (function.isDeclaration() || function->hasAttr(prog::kKernelAttrName))
    return sites;
  for (Operation &op : function.front())
    if (isa<prog::LaunchOp, prog::CopyOp, prog::CollectiveOp, prog::WaitOp>(op))
      sites.push_back(&op);
  return sites;
}

static ArrayRef<int64_t> shapeOf(Value value) {
  return cast<ShapedType>(value.getType()).getShape();
}

//===----------------------------------------------------------------------===//
// Work
//===----------------------------------------------------------------------===//

/// A multiplication and an addition per element of the result and value of the
/// letters that are summed over.
static int64_t flopsOf(nn::ContractOp op) {
  nn::Equation letters = *nn::parseEquation(op.getEquation());
  int64_t flops = 2 * llvm::product_of(shapeOf(op.getResult()));
  for (auto [letter, size] : llvm::zip(letters.lhs, shapeOf(op.getLhs())))
    if (!StringRef(letters.result).contains(letter))
      flops *= size;
  return flops;
}

template <typename OpT>
static int64_t flopsOfAttention(OpT op, int64_t numProducts) {
  int64_t counted = 2 * shapeOf(op.getKey())[2] / (op.getCausal() ? 2 : 1);
  if (std::optional<uint64_t> window = op.getWindow())
    counted = std::min<int64_t>(counted, 2 * *window);
  return numProducts * llvm::product_of(shapeOf(op.getQuery())) * counted;
}

static int64_t flopsOf(Operation *op) {
  return llvm::TypeSwitch<Operation *, int64_t>(op)
      .Case([](nn::ContractOp op) { return flopsOf(op); })
      .Case([](nn::AttentionOp op) { return flopsOfAttention(op, 2); })
      .Case([](nn::AttentionGradOp op) { return flopsOfAttention(op, 5); })
      .Default([](Operation *) { return 0; });
}

/// What a profile groups by. An op this list does not know is "other".
static StringRef kindOf(Operation *op) {
  return llvm::TypeSwitch<Operation *, StringRef>(op)
      .Case<nn::ContractOp>([](auto) { return "contraction"; })
      .Case<nn::AttentionOp, nn::AttentionGradOp>(
          [](auto) { return "attention"; })
      .Case<nn::SoftmaxOp, nn::RmsNormOp, nn::RmsNormGradOp, nn::RotaryOp,
            nn::CrossEntropyOp, nn::CrossEntropyGradOp>(
          [](auto) { return "rows"; })
      .Case<nn::EmbeddingOp, nn::EmbeddingGradOp, nn::PickOp, nn::PlaceOp>(
          [](auto) { return "lookup"; })
      .Case<nn::ReduceOp>([](auto) { return "reduction"; })
      .Case<nn::TransposeOp, nn::SliceOp, nn::PadOp, nn::ConcatOp,
            nn::ConstantOp, prog::WindowOp>([](auto) { return "copy"; })
      .Case([](prog::FusedOp op) -> StringRef {
        if (Operation *inner = op.getRowKernel())
          return kindOf(inner);
        return reductionOf(op) ? "reduction" : "elementwise";
      })
      .Default([](Operation *) { return "other"; });
}

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

static std::string textOf(ArrayRef<int64_t> shape) {
  if (shape.empty())
    return "scalar";
  std::string text;
  for (int64_t size : shape)
    text += (text.empty() ? "" : "x") + std::to_string(size);
  return text;
}

/// "contract btd,od->bto 4x256x256, 688x256": the op, and the shapes that make
/// it small or large.
static std::string textOf(Operation *op) {
  if (auto fused = dyn_cast<prog::FusedOp>(op); fused && fused.getRowKernel())
    op = fused.getRowKernel();
  std::string text = op->getName().stripDialect().str();
  if (auto fused = dyn_cast<prog::FusedOp>(op)) {
    for (Operation &inner : fused.getBody().front())
      if (!isa<nn::ConstantOp, nn::BroadcastOp, prog::YieldOp>(inner))
        text += " " + inner.getName().stripDialect().str();
    nn::ReduceOp reduction = reductionOf(fused);
    Value loop = reduction ? reduction.getInput() : fused.getResult(0);
    return text + " " + textOf(shapeOf(loop));
  }
  if (auto contract = dyn_cast<nn::ContractOp>(op))
    text += " " + contract.getEquation().str();
  if (op->getNumOperands() == 0)
    return text;
  text += " " + textOf(shapeOf(op->getOperand(0)));
  if (isa<nn::ContractOp, nn::AttentionOp, nn::AttentionGradOp>(op))
    text += ", " + textOf(shapeOf(op->getOperand(1)));
  return text;
}

namespace {

/// What a kernel does, of whichever function it is launched.
struct KernelFacts {
  std::string op;
  StringRef kind;
  int64_t flops = 0;
};

} // namespace

static KernelFacts factsOf(func::FuncOp kernel) {
  KernelFacts facts;
  Operation *named = &kernel.front().front();
  kernel.walk([&](Operation *op) {
    int64_t flops = flopsOf(op);
    // A contraction or attention that others are fused to names the kernel.
    if (flops > facts.flops)
      named = op;
    facts.flops += flops;
  });
  facts.op = textOf(named);
  facts.kind = kindOf(named);
  return facts;
}

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

static int64_t bytesOf(ValueRange memrefs) {
  int64_t bytes = 0;
  for (Value memref : memrefs)
    bytes += prog::bytesOf(cast<ShapedType>(memref.getType()));
  return bytes;
}

namespace {
/// What all sites of a module share.
struct SiteTable {
  explicit SiteTable(ModuleOp module) : symbols(module) {
    module.walk(
        [&](prog::CollectiveOp op) { kinds[op.getId()] = op.getKind(); });
  }
  SymbolTable symbols;
  llvm::StringMap<KernelFacts> kernels;
  DenseMap<int64_t, StringRef> kinds; // of collectives
};
} // namespace

static json::Object describe(Operation *op, SiteTable &table) {
  if (auto launch = dyn_cast<prog::LaunchOp>(op)) {
    StringRef name = launch.getKernel();
    auto [entry, isNew] = table.kernels.try_emplace(name);
    if (isNew)
      entry->second = factsOf(table.symbols.lookup<func::FuncOp>(name));
    const KernelFacts &facts = entry->second;
    return json::Object{
        {"kernel", name},
        {"op", facts.op},
        {"kind", facts.kind},
        {"flops", facts.flops},
        {"bytes", bytesOf(launch.getInputs()) + bytesOf(launch.getOutputs())}};
  }
  if (auto copy = dyn_cast<prog::CopyOp>(op)) {
    std::string shape = textOf(shapeOf(copy.getSource()));
    return json::Object{{"op", "copy " + shape},
                        {"kind", "copy"},
                        {"bytes", bytesOf(copy->getOperands())}};
  }
  if (auto call = dyn_cast<prog::CollectiveOp>(op))
    return json::Object{{"op", call.getKind()},
                        {"kind", "collective"},
                        {"collective", call.getId()},
                        {"bytes", bytesOf(call.getInputs())}};
  int64_t id = cast<prog::WaitOp>(op).getId();
  return json::Object{{"op", ("wait " + table.kinds.lookup(id)).str()},
                      {"kind", "collective"},
                      {"collective", id}};
}

json::Array describeSites(ModuleOp module) {
  SiteTable table(module);
  json::Array sites;
  for (auto function : module.getOps<func::FuncOp>())
    for (Operation *op : sitesOf(function)) {
      json::Object site = describe(op, table);
      site["function"] = function.getSymName();
      site["loc"] = prog::nameOf(op->getLoc());
      sites.push_back(std::move(site));
    }
  return sites;
}

} // namespace weft
