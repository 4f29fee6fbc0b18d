// SPDX-License-Identifier: Apache-2.0
//
// Elementwise ops. Shapes agree (broadcast is explicit); the scalar table in
// lib/IR/NN/Scalar.cpp gives their meaning, the adjoint table their derivative.
#ifndef WEFT_IR_NN_ELEMENTWISE
#define WEFT_IR_NN_ELEMENTWISE

include "weft/IR/NN/NNBase.td"

class NN_Elementwise<string mnemonic, list<Trait> traits = []>
    : NN_Op<mnemonic, traits> {
  let extraClassDefinition = [{
    ::weft::ShardingRule $cppClass::getShardingRule() {
      return elementwiseRule(getOperation());
    }
    ::llvm::SmallVector<::mlir::Value> $cppClass::buildAdjoint(
        ::mlir::OpBuilder &builder, ::mlir::ValueRange cotangents) {
      return elementwiseAdjoint(getOperation(), builder, cotangents);
    }
    ::llvm::LogicalResult $cppClass::verify() {
      return verifyElementwise(getOperation());
    }
  }];
}

class NN_Unary<string mnemonic, string meaning, Type type = NN_Float>
    : NN_Elementwise<mnemonic> {
  let summary = meaning;
  let description = "Elementwise: result = " # meaning # [{ of the operand.

    Constraints: C1 operand and result have the same shape and element type.
  }];
  let arguments = (ins type:$input);
  let results = (outs type:$result);
  let assemblyFormat =
      "$input attr-dict `:` custom<UnaryTypes>(type($input), type($result))";
}

class NN_Binary<string mnemonic, string meaning, Type type = NN_Tensor>
    : NN_Elementwise<mnemonic> {
  let summary = meaning;
  let description = "Elementwise: result = " # meaning # [{ of the operands.

    Constraints: C1 operands and result have the same shape and element type.
  }];
  let arguments = (ins type:$lhs, type:$rhs);
  let results = (outs type:$result);
  let assemblyFormat = [{
    $lhs `,` $rhs attr-dict `:`
    custom<BinaryTypes>(type($lhs), type($rhs), type($result))
  }];
}

def NN_NegOp : NN_Unary<"neg", "negation", NN_Tensor>;
def NN_AbsOp : NN_Unary<"abs", "absolute value", NN_Tensor>;
def NN_ExpOp : NN_Unary<"exp", "exponential">;
def NN_LogOp : NN_Unary<"log", "natural logarithm">;
def NN_Expm1Op : NN_Unary<"expm1", "exponential less 1, exact near 0">;
def NN_Log1pOp : NN_Unary<"log1p", "natural logarithm of 1 + x, exact near 0">;
def NN_SqrtOp : NN_Unary<"sqrt", "square root">;
def NN_RsqrtOp : NN_Unary<"rsqrt", "reciprocal of the square root">;
def NN_SinOp : NN_Unary<"sin", "sine">;
def NN_CosOp : NN_Unary<"cos", "cosine">;
def NN_TanhOp : NN_Unary<"tanh", "hyperbolic tangent">;
def NN_ErfOp : NN_Unary<"erf", "error function">;
def NN_SigmoidOp : NN_Unary<"sigmoid", "logistic function">;
def NN_SiluOp : NN_Unary<"silu", "x times sigmoid(x)">;
def NN_GeluOp : NN_Unary<"gelu", "x times the normal distribution's CDF">;
def NN_GeluTanhOp : NN_Unary<"gelu_tanh", "gelu by its tanh formula">;
def NN_ReluOp : NN_Unary<"relu", "maximum with 0">;
def NN_LogicalNotOp : NN_Unary<"logical_not", "logical negation", NN_Bool>;

def NN_AddOp : NN_Binary<"add", "sum">;
def NN_SubOp : NN_Binary<"sub", "difference">;
def NN_MulOp : NN_Binary<"mul", "product">;
def NN_DivOp : NN_Binary<"div", "quotient">;
def NN_PowOp : NN_Binary<"pow", "power", NN_Float>;
def NN_MaximumOp : NN_Binary<"maximum", "maximum (NaN if either is)">;
def NN_MinimumOp : NN_Binary<"minimum", "minimum (NaN if either is)">;
def NN_LogicalAndOp : NN_Binary<"logical_and", "conjunction", NN_Bool>;
def NN_LogicalOrOp : NN_Binary<"logical_or", "disjunction", NN_Bool>;

def NN_SumOfOp : NN_Elementwise<"sum_of"> {
  let summary = "sum in operand order";
  let description = [{
    The sum of all operands, from the first to the last; the gradient of a
    value with several uses.

    Constraints: C1 operands and result have the same shape and element type;
    C2 there is at least one operand.
  }];
  let arguments = (ins Variadic<NN_Tensor>:$inputs);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $inputs attr-dict `:`
    custom<VariadicTypes>(ref($inputs), type($inputs), type($result))
  }];
}

def NN_CompareOp : NN_Elementwise<"compare"> {
  let summary = "compare elements";
  let description = [{
    True where `lhs predicate rhs`; comparisons with NaN are false, but ne.

    Constraints: C1 operands have the same shape and element type; C2 the
    result has their shape and element type i1.
  }];
  let arguments = (ins NN_PredicateAttr:$predicate, NN_Tensor:$lhs,
                       NN_Tensor:$rhs);
  let results = (outs NN_Bool:$result);
  let assemblyFormat = [{
    `` $predicate $lhs `,` $rhs attr-dict `:` functional-type(operands, results)
  }];
}

def NN_SelectOp : NN_Elementwise<"select"> {
  let summary = "choose between elements";
  let description = [{
    `on_true` where the condition holds, else `on_false`.

    Constraints: C1 all operands and the result have the same shape; C2
    `on_true`, `on_false` and the result have the same element type.
  }];
  let arguments = (ins NN_Bool:$condition, NN_Tensor:$on_true,
                       NN_Tensor:$on_false);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $condition `,` $on_true `,` $on_false attr-dict `:`
    functional-type(operands, results)
  }];
}

def NN_CastOp : NN_Elementwise<"cast"> {
  let summary = "convert the element type";
  let description = [{
    Floating to floating rounds to nearest even; floating to integer rounds
    towards zero; i1 is 0 or 1. With `of_parts` a cast to a narrower type may
    also round the parts of a partial sum, one by one.

    Constraints: C1 operand and result have the same shape.
  }];
  let arguments = (ins NN_Tensor:$input, UnitAttr:$of_parts);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    (`of_parts` $of_parts^)? $input attr-dict `:`
    functional-type(operands, results)
  }];
}

#endif // WEFT_IR_NN_ELEMENTWISE
