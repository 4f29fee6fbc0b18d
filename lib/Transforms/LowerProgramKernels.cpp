// SPDX-License-Identifier: Apache-2.0
//
// Kernels keyed by content: text without locations, names from its hash.
#include "LowerProgramKernels.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/OperationSupport.h"
#include "weft/IR/NN/NN.h"
#include "weft/IR/Prog/Prog.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;

namespace weft {

static func::FuncOp outline(Operation *op) {
  OpBuilder builder(op->getContext());
  auto type =
      builder.getFunctionType(op->getOperandTypes(), op->getResultTypes());
  auto kernel = func::FuncOp::create(op->getLoc(), "kernel", type);
  kernel.setPrivate();
  kernel->setAttr(prog::kKernelAttrName, builder.getUnitAttr());
  Block *body = kernel.addEntryBlock();
  builder.setInsertionPointToEnd(body);
  Operation *copy = builder.clone(*op);
  copy->setOperands(body->getArguments());
  copy->setDiscardableAttrs(DictionaryAttr::get(op->getContext()));
  func::ReturnOp::create(builder, op->getLoc(), copy->getResults());
  return kernel;
}

static std::string textOf(func::FuncOp kernel) {
  std::string text;
  llvm::raw_string_ostream os(text);
  kernel->print(
      os,
      OpPrintingFlags().useLocalScope().printGenericOpForm().enableDebugInfo(
          false));
  return text;
}

/// "fused_silu_mul", "contract": what people see in profiles.
static std::string stemOf(Operation *op) {
  auto fused = dyn_cast<prog::FusedOp>(op);
  if (!fused)
    return op->getName().stripDialect().str();
  std::string stem = "fused";
  int numNamed = 0;
  for (Operation &inner : fused.getBody().front())
    if (!isa<nn::ConstantOp, nn::BroadcastOp, prog::YieldOp>(inner) &&
        numNamed++ < 3)
      stem += "_" + inner.getName().stripDialect().str();
  return stem;
}

func::FuncOp KernelLibrary::kernelFor(Operation *op) {
  func::FuncOp kernel = outline(op);
  std::string text = textOf(kernel);
  auto [entry, isNew] = kernels.try_emplace(text, kernel);
  if (!isNew) {
    kernel->erase();
    return entry->second;
  }
  std::string name =
      stemOf(op) + "_" +
      llvm::utohexstr(llvm::xxh3_64bits(text), /*LowerCase=*/true);
  while (!names.try_emplace(name, true).second)
    name += "x";
  kernel.setSymName(name);
  if (int64_t bytes = scratch ? scratch(op) : 0)
    kernel->setAttr(prog::kScratchAttrName,
                    Builder(op->getContext()).getI64IntegerAttr(bytes));
  module.push_back(kernel);
  return kernel;
}

} // namespace weft
