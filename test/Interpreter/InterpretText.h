// SPDX-License-Identifier: Apache-2.0
//
// Parses IR from text and interprets it; tensors in short form.
#ifndef WEFT_TEST_INTERPRETER_INTERPRETTEXT_H
#define WEFT_TEST_INTERPRETER_INTERPRETTEXT_H

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "weft/Interpreter/Interpreter.h"

namespace weft::interpreter {

/// A context with the dialects of the interpreter.
class TestContext {
public:
  TestContext();
  mlir::MLIRContext *get() { return &context; }

  /// Parses and verifies a module; aborts the test program on an error.
  mlir::OwningOpRef<mlir::ModuleOp> parse(llvm::StringRef text);
  /// A module with one function: `signature` begins with its arguments,
  /// `(%x: tensor<2xf32>) -> tensor<2xf32> { ... }`.
  mlir::OwningOpRef<mlir::ModuleOp> parseFunction(llvm::StringRef signature);

  /// Results of such a function on one rank.
  llvm::SmallVector<Tensor> run(llvm::StringRef signature,
                                llvm::ArrayRef<Tensor> arguments,
                                Arithmetic arithmetic = Arithmetic::Exact);
  /// Results of such a function on all ranks of `mesh`; arguments and results
  /// hold one tensor per rank.
  llvm::SmallVector<RankTensors> run(llvm::StringRef signature,
                                     const Mesh &mesh,
                                     llvm::ArrayRef<RankTensors> arguments);

private:
  mlir::MLIRContext context;
};

/// `real({2, 2}, {1, 2, 3, 4})`
inline Tensor real(llvm::ArrayRef<int64_t> shape,
                   llvm::ArrayRef<double> values) {
  return Tensor::of(ElementKind::F32, shape, values);
}
inline Tensor whole(llvm::ArrayRef<int64_t> shape,
                    llvm::ArrayRef<double> values) {
  return Tensor::of(ElementKind::I64, shape, values);
}
/// All elements as doubles.
std::vector<double> valuesOf(const Tensor &tensor);

} // namespace weft::interpreter

#endif // WEFT_TEST_INTERPRETER_INTERPRETTEXT_H
