// SPDX-License-Identifier: Apache-2.0
//
// A program against the scheduled IR it is made of: the same communicator
// calls in the same order, on the same shapes. What its memory holds is proved
// by prog-verify.
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "weft/IR/Prog/Prog.h"
#include "weft/Pipelines/Check.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace weft {

/// Truth values are bytes in memory.
static void printShapes(llvm::raw_ostream &os, TypeRange types) {
  for (Type type : types) {
    auto shaped = cast<ShapedType>(type);
    Type element = shaped.getElementType();
    if (element.isInteger(1))
      element = IntegerType::get(type.getContext(), 8);
    os << " [";
    llvm::interleave(shaped.getShape(), os, "x");
    os << " " << element << "]";
  }
}

static void printNumbers(llvm::raw_ostream &os, ArrayRef<int64_t> numbers) {
  os << " (";
  llvm::interleaveComma(numbers, os);
  os << ")";
}

static std::string describe(Operation *op) {
  std::string text;
  llvm::raw_string_ostream os(text);
  auto kind = op->getAttrOfType<StringAttr>("kind");
  os << op->getName().stripDialect() << " " << (kind ? kind.getValue() : "sum")
     << " over " << op->getAttr("axes");
  for (StringRef name : {"dims", "split_dims", "sources", "concat_dims"})
    if (auto numbers = op->getAttrOfType<DenseI64ArrayAttr>(name))
      printNumbers(os, numbers);
  printShapes(os, op->getOperandTypes());
  os << " ->";
  printShapes(os, op->getResultTypes());
  return text;
}

static std::string describe(prog::CollectiveOp op) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << op.getKind() << " " << op.getReduce() << " over " << op.getAxesAttr();
  for (ArrayRef<int64_t> numbers : {op.getDims(), op.getConcatDims()})
    if (!numbers.empty())
      printNumbers(os, numbers);
  printShapes(os, op.getInputs().getTypes());
  os << " ->";
  printShapes(os, op.getOutputs().getTypes());
  return text;
}

/// The calls of a function in the order of issue, each with its op.
static std::vector<std::pair<std::string, Operation *>>
callsOf(func::FuncOp function) {
  std::vector<std::pair<std::string, Operation *>> calls;
  function.walk([&](Operation *op) {
    if (auto call = dyn_cast<prog::CollectiveOp>(op))
      calls.emplace_back(describe(call), op);
    else if (dist::isCollective(op))
      calls.emplace_back(describe(op), op);
  });
  return calls;
}

static bool proveCalls(func::FuncOp scheduled, func::FuncOp program) {
  auto expected = callsOf(scheduled), got = callsOf(program);
  for (auto [want, have] : llvm::zip(expected, got)) {
    if (want.first == have.first)
      continue;
    have.second->emitOpError("is not the call that was scheduled: got ")
        << have.first << ", expected " << want.first;
    return false;
  }
  if (expected.size() == got.size())
    return true;
  program.emitError("@") << program.getSymName()
                         << " has another number of calls than was scheduled: "
                            "got "
                         << got.size() << ", expected " << expected.size();
  return false;
}

Proof proveProgram(ModuleOp scheduled, ModuleOp program) {
  SymbolTable symbols(program);
  bool holds = true;
  int64_t numCalls = 0;
  for (auto function : scheduled.getOps<func::FuncOp>()) {
    auto lowered = symbols.lookup<func::FuncOp>(function.getSymName());
    if (!lowered) {
      function.emitError("@")
          << function.getSymName() << " is not in the program";
      holds = false;
      continue;
    }
    numCalls += callsOf(lowered).size();
    holds &= proveCalls(function, lowered);
  }
  return {std::to_string(numCalls) +
              " communicator calls, as scheduled; no buffer is written over "
              "before it is read",
          holds};
}

} // namespace weft
