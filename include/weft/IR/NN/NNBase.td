// SPDX-License-Identifier: Apache-2.0
//
// The nn dialect and the base classes of its ops.
#ifndef WEFT_IR_NN_BASE
#define WEFT_IR_NN_BASE

include "weft/IR/Dist/DistInterfaces.td"
include "weft/IR/NN/NNInterfaces.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def NN_Dialect : Dialect {
  let name = "nn";
  let cppNamespace = "::weft::nn";
  let summary = "What the model computes";
  let description = [{
    Global semantics on ranked, static tensors: no layout, no rank. Every op
    states its sharding rule, its adjoint and, where it is composite, its
    decomposition. In the typed phase the same ops carry layouts in their
    types; in the local phase they work on one rank's shard.
  }];
  let dependentDialects = ["::weft::dist::DistDialect"];
  let useDefaultAttributePrinterParser = 1;
}

class NN_Op<string mnemonic, list<Trait> traits = []>
    : Op<NN_Dialect, mnemonic,
         traits # [Pure,
                   DeclareOpInterfaceMethods<ShardingRuleOpInterface>,
                   DeclareOpInterfaceMethods<AdjointOpInterface>]> {
  let hasVerifier = 1;
}

/// An op that only gradients use: it has no adjoint of its own.
class NN_GradOp<string mnemonic, list<Trait> traits = []>
    : Op<NN_Dialect, mnemonic,
         traits # [Pure, DeclareOpInterfaceMethods<ShardingRuleOpInterface>]> {
  let hasVerifier = 1;
}

def NN_Tensor : RankedTensorOf<[AnyType]>;
def NN_Index : RankedTensorOf<[I64]>;
def NN_Bool : RankedTensorOf<[I1]>;
def NN_Float : RankedTensorOf<[F64, F32, BF16, F16]>;
def NN_Offset : Optional<0DTensorOf<[I64]>>;

def NN_ReduceKind : I32EnumAttr<"ReduceOpKind", "how a reduction combines", [
    I32EnumAttrCase<"sum", 0>, I32EnumAttrCase<"max", 1>,
    I32EnumAttrCase<"min", 2>, I32EnumAttrCase<"product", 3>]> {
  let cppNamespace = "::weft::nn";
  let genSpecializedAttr = 0;
}
def NN_ReduceKindAttr : EnumAttr<NN_Dialect, NN_ReduceKind, "reduce_kind"> {
  let assemblyFormat = "$value";
}

def NN_Predicate : I32EnumAttr<"Predicate", "what a comparison asks", [
    I32EnumAttrCase<"eq", 0>, I32EnumAttrCase<"ne", 1>,
    I32EnumAttrCase<"lt", 2>, I32EnumAttrCase<"le", 3>,
    I32EnumAttrCase<"gt", 4>, I32EnumAttrCase<"ge", 5>]> {
  let cppNamespace = "::weft::nn";
  let genSpecializedAttr = 0;
}
def NN_PredicateAttr : EnumAttr<NN_Dialect, NN_Predicate, "predicate"> {
  let assemblyFormat = "$value";
}

#endif // WEFT_IR_NN_BASE
