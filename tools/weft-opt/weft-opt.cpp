// SPDX-License-Identifier: Apache-2.0
//
// weft-opt: runs any pass or pipeline of the compiler on a file of IR.
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"
#include "weft/Pipelines/Pipelines.h"
#include "weft/Transforms/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<mlir::func::FuncDialect, weft::dist::DistDialect,
                  weft::nn::NNDialect, weft::pipe::PipeDialect,
                  weft::prog::ProgDialect>();
  mlir::registerCanonicalizerPass();
  mlir::registerCSEPass();
  weft::registerWeftPasses();
  weft::registerWeftPipelines();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "Weft optimizer driver\n", registry));
}
