// SPDX-License-Identifier: Apache-2.0
//
// The table of what each nn op means on the tensors of one rank. One file per
// family fills it; an op is evaluated by a plain function of its operands.
// Evaluators compute in double precision and do not round: the interpreter
// rounds their results where it is asked to.
#ifndef WEFT_LIB_INTERPRETER_EVALUATORS_H
#define WEFT_LIB_INTERPRETER_EVALUATORS_H

#include "weft/IR/NN/NN.h"
#include "weft/Interpreter/Tensor.h"
#include "llvm/ADT/StringMap.h"
#include <functional>

namespace weft::interpreter {

using Tensors = llvm::SmallVector<Tensor, 1>;
using Operands = llvm::ArrayRef<Tensor>;

/// An id that no program may look at: its embedding is NaN.
inline constexpr int64_t kPoisonedId = -(int64_t(1) << 50);

class EvaluatorTable {
public:
  using Evaluator = std::function<Tensors(mlir::Operation *, Operands)>;

  /// Says that `meaning` is what `OpTy` computes (one result).
  template <typename OpTy> void add(Tensor (*meaning)(OpTy, Operands)) {
    evaluators[OpTy::getOperationName()] = [meaning](mlir::Operation *op,
                                                     Operands operands) {
      return Tensors{meaning(llvm::cast<OpTy>(op), operands)};
    };
  }
  /// Says that `meaning` is what `OpTy` computes (several results).
  template <typename OpTy> void add(Tensors (*meaning)(OpTy, Operands)) {
    evaluators[OpTy::getOperationName()] = [meaning](mlir::Operation *op,
                                                     Operands operands) {
      return meaning(llvm::cast<OpTy>(op), operands);
    };
  }
  /// The same for ops that are told apart by name only.
  void add(llvm::StringRef opName, Evaluator evaluator) {
    evaluators[opName] = std::move(evaluator);
  }

  /// The evaluator of an op; null if it has none.
  const Evaluator *find(llvm::StringRef opName) const {
    auto it = evaluators.find(opName);
    return it == evaluators.end() ? nullptr : &it->second;
  }

private:
  llvm::StringMap<Evaluator> evaluators;
};

/// The table with all families; built once, never changed.
const EvaluatorTable &evaluatorTable();

void addElementwise(EvaluatorTable &table);
void addShape(EvaluatorTable &table);
void addIndexed(EvaluatorTable &table);
void addContract(EvaluatorTable &table);
void addNorm(EvaluatorTable &table);
void addAttention(EvaluatorTable &table);
void addLoss(EvaluatorTable &table);

/// Zeros of the type of an op's result.
inline Tensor resultOf(mlir::Value result) {
  return Tensor::zeros(llvm::cast<mlir::RankedTensorType>(result.getType()));
}
/// The value of an optional scalar operand: `operands[index]`, or 0 if there
/// is none.
inline int64_t offsetAmong(Operands operands, size_t index) {
  return index < operands.size() ? operands[index].elements()[0].integer : 0;
}

} // namespace weft::interpreter

#endif // WEFT_LIB_INTERPRETER_EVALUATORS_H
