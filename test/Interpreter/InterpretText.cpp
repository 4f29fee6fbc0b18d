// SPDX-License-Identifier: Apache-2.0
//
// Parses IR from text and interprets it.
#include "InterpretText.h"

#include "mlir/Parser/Parser.h"
#include "weft/IR/NN/NN.h"
#include "weft/IR/Pipe/Pipe.h"
#include "weft/IR/Prog/Prog.h"
#include "llvm/Support/ErrorHandling.h"

using namespace weft;
using namespace weft::interpreter;

TestContext::TestContext() {
  context.loadDialect<mlir::func::FuncDialect, dist::DistDialect, nn::NNDialect,
                      pipe::PipeDialect, prog::ProgDialect>();
}

mlir::OwningOpRef<mlir::ModuleOp> TestContext::parse(llvm::StringRef text) {
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  if (!module)
    llvm::report_fatal_error("the test's IR does not parse");
  return module;
}

mlir::OwningOpRef<mlir::ModuleOp>
TestContext::parseFunction(llvm::StringRef signature) {
  return parse(("func.func @f" + signature).str());
}

llvm::SmallVector<RankTensors>
TestContext::run(llvm::StringRef signature, const Mesh &mesh,
                 llvm::ArrayRef<RankTensors> arguments) {
  auto module = parseFunction(signature);
  auto results = interpret(module->lookupSymbol<mlir::func::FuncOp>("f"),
                           arguments, Machine::ranksOf(mesh));
  if (failed(results))
    llvm::report_fatal_error("the test's IR does not run");
  return *results;
}

llvm::SmallVector<Tensor> TestContext::run(llvm::StringRef signature,
                                           llvm::ArrayRef<Tensor> arguments,
                                           Arithmetic arithmetic) {
  auto module = parseFunction(signature);
  llvm::SmallVector<RankTensors> perRank;
  for (const Tensor &argument : arguments)
    perRank.push_back({argument});
  auto results = interpret(module->lookupSymbol<mlir::func::FuncOp>("f"),
                           perRank, Machine::global(arithmetic));
  if (failed(results))
    llvm::report_fatal_error("the test's IR does not run");
  llvm::SmallVector<Tensor> tensors;
  for (const RankTensors &result : *results)
    tensors.push_back(result.front());
  return tensors;
}

std::vector<double> interpreter::valuesOf(const Tensor &tensor) {
  std::vector<double> values;
  for (int64_t i = 0, e = tensor.numElements(); i < e; ++i)
    values.push_back(tensor.at(i));
  return values;
}
