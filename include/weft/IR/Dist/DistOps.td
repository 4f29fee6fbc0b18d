// SPDX-License-Identifier: Apache-2.0
//
// Ops of the dist dialect: wishes, redistribution, collectives, and the few
// rank-dependent values a local program needs.
#ifndef WEFT_IR_DIST_OPS
#define WEFT_IR_DIST_OPS

include "weft/IR/Dist/DistDialect.td"
include "weft/IR/Dist/DistInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Dist_Op<string mnemonic, list<Trait> traits = []>
    : Op<Dist_Dialect, mnemonic, traits>;

//===----------------------------------------------------------------------===//
// Wishes and layout changes
//===----------------------------------------------------------------------===//

def Dist_ConstrainOp : Dist_Op<"constrain", [Pure]> {
  let summary = "wish a layout for a value";
  let description = [{
    The result is the operand, with the layout that the constraint asks for.
    Shard entries flow on to the operand at the lowest priority, replicate
    entries never do.

    Lifespan: made by a plan or by hand; consumed by
    `dist-materialize-layouts`; absent in the typed phase.

    Constraints: C1 operand and result have the same type; C2 every dim of the
    constraint is a dim of the tensor.
  }];
  let arguments = (ins AnyRankedTensor:$input,
                       Dist_ConstraintAttr:$constraint);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $input $constraint attr-dict `:` custom<UnaryTypes>(type($input), type($result))
  }];
  let hasVerifier = 1;
}

def Dist_RedistributeOp
    : Dist_Op<"redistribute", [Pure]> {
  let summary = "change the layout of a value";
  let description = [{
    The global value stays the same; ranks exchange what the new layout asks
    for. Which moves do it is decided by the redistribution planner.

    Lifespan: made by `dist-materialize-layouts`; consumed by
    `dist-partition`; absent in the local phase.

    Constraints: C1 shape and element type are the same; C2 both types carry a
    layout on the same mesh.
  }];
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `to` type($result)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Rank-dependent values and moves without communication (local phase)
//===----------------------------------------------------------------------===//

class Dist_LocalOp<string mnemonic, list<Trait> traits = []>
    : Dist_Op<mnemonic, traits # [Pure]> {
  dag meshAndAxes = (ins Dist_MeshAttr:$mesh, StrArrayAttr:$axes);
}

def Dist_CoordinateOp : Dist_LocalOp<"coordinate"> {
  let summary = "position of this rank in its group";
  let description = [{
    Yields, on every rank, its position among the ranks that differ from it
    only along `axes` (the first axis is outermost), times `scale`.

    Lifespan: made by `dist-partition`; lowered to a load from the context.

    Constraints: C1 every axis is in the mesh.
  }];
  let arguments = (ins Dist_MeshAttr:$mesh, StrArrayAttr:$axes,
                       DefaultValuedAttr<I64Attr, "1">:$scale);
  let results = (outs 0DTensorOf<[I64]>:$result);
  let assemblyFormat = [{
    `over` $mesh $axes (`scale` $scale^)? attr-dict `:` type($result)
  }];
  let hasVerifier = 1;
}

def Dist_ExtentOp : Dist_LocalOp<"extent"> {
  let summary = "number of valid elements of an uneven dim";
  let description = [{
    Yields how many leading elements of this rank's shard of a dim of global
    size `size`, sharded by `axes` (outermost first), are valid: per axis
    local = ceil(size / n), recursively.

    Constraints: C1 every axis is in the mesh.
  }];
  let arguments = (ins Dist_MeshAttr:$mesh, StrArrayAttr:$axes, I64Attr:$size);
  let results = (outs 0DTensorOf<[I64]>:$result);
  let assemblyFormat = [{
    `of` $size `over` $mesh $axes attr-dict `:` type($result)
  }];
  let hasVerifier = 1;
}

def Dist_ShardSliceOp : Dist_LocalOp<"shard_slice"> {
  let summary = "keep this rank's part of a dim";
  let description = [{
    Before, every rank of a group holds the whole dim; after, rank i holds
    elements i*local ... of it, local = ceil(size / n); what lies past the end
    is zero.

    Constraints: C1 every axis is in the mesh; C2 `dim` is a dim; C3 the
    result's size along `dim` is ceil(size / n), other dims agree.
  }];
  let arguments = (ins AnyRankedTensor:$input, Dist_MeshAttr:$mesh,
                       StrArrayAttr:$axes, I64Attr:$dim);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $input `over` $mesh $axes `dim` $dim attr-dict `:` type($input) `to` type($result)
  }];
  let hasVerifier = 1;
}

def Dist_MakePartialOp : Dist_LocalOp<"make_partial"> {
  let summary = "turn a replicated value into a partial one";
  let description = [{
    The rank at position 0 of its group keeps the value, others take the
    neutral element of `kind` (for max and min: all keep it).

    Constraints: C1 every axis is in the mesh; C2 types agree; C3 `kind` is
    sum, max, min or product.
  }];
  let arguments = (ins AnyRankedTensor:$input, StrAttr:$kind,
                       Dist_MeshAttr:$mesh, StrArrayAttr:$axes);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $kind $input `over` $mesh $axes attr-dict `:` type($input) `to` type($result)
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Collectives (local phase). Variadic: a bucket is one op with n operands.
//===----------------------------------------------------------------------===//

class Dist_Collective<string mnemonic, list<Trait> traits = []>
    : Dist_Op<mnemonic, traits # [Pure]> {
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let hasVerifier = 1;
}

def Dist_AllGatherOp : Dist_Collective<"all_gather"> {
  let summary = "concatenate the shards of a group";
  let description = [{
    Before, rank i of a group holds block i along `dims[k]` of operand k;
    after, every rank holds all blocks in group order.

    Constraints: C1 every axis is in the mesh; C2 one dim per operand, each a
    dim of it; C3 as many results as operands; result k is n times operand k
    along `dims[k]` and agrees elsewhere.
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$inputs, Dist_MeshAttr:$mesh,
                       StrArrayAttr:$axes, DenseI64ArrayAttr:$dims);
  let assemblyFormat = [{
    $inputs `over` $mesh $axes `dims` $dims attr-dict `:` functional-type($inputs, $results)
  }];
}

def Dist_AllReduceOp : Dist_Collective<"all_reduce"> {
  let summary = "combine the values of a group";
  let description = [{
    Before, each rank of a group holds a part; after, every rank holds the
    parts combined with `kind` in group order.

    Constraints: C1 every axis is in the mesh; C2 `kind` is sum, max, min or
    product; C3 as many results as operands, of the same types.
  }];
  let arguments = (ins StrAttr:$kind, Variadic<AnyRankedTensor>:$inputs,
                       Dist_MeshAttr:$mesh, StrArrayAttr:$axes);
  let assemblyFormat = [{
    $kind $inputs `over` $mesh $axes attr-dict `:` functional-type($inputs, $results)
  }];
}

def Dist_ReduceScatterOp : Dist_Collective<"reduce_scatter"> {
  let summary = "combine the values of a group and keep a shard";
  let description = [{
    Before, each rank of a group holds a part; after, rank i holds block i
    along `dims[k]` of the parts of operand k combined in group order.

    Constraints: C1 every axis is in the mesh; C2 `kind` is sum, max, min or
    product; C3 one dim per operand, each a dim of it; C4 as many results as
    operands; operand k is n times result k along `dims[k]`.
  }];
  let arguments = (ins StrAttr:$kind, Variadic<AnyRankedTensor>:$inputs,
                       Dist_MeshAttr:$mesh, StrArrayAttr:$axes,
                       DenseI64ArrayAttr:$dims);
  let assemblyFormat = [{
    $kind $inputs `over` $mesh $axes `dims` $dims attr-dict `:` functional-type($inputs, $results)
  }];
}

def Dist_AllToAllOp : Dist_Collective<"all_to_all"> {
  let summary = "move a sharding from one dim to another";
  let description = [{
    Before, rank i of a group holds block i along `concat_dims[k]` of operand
    k; after, it holds block i along `split_dims[k]`.

    Constraints: C1 every axis is in the mesh; C2 one split and one concat dim
    per operand; C3 as many results as operands; the size shrinks n times
    along the split dim and grows n times along the concat dim.
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$inputs, Dist_MeshAttr:$mesh,
                       StrArrayAttr:$axes, DenseI64ArrayAttr:$split_dims,
                       DenseI64ArrayAttr:$concat_dims);
  let assemblyFormat = [{
    $inputs `over` $mesh $axes `split` $split_dims `concat` $concat_dims attr-dict
    `:` functional-type($inputs, $results)
  }];
}

def Dist_PermuteOp : Dist_Collective<"permute"> {
  let summary = "send to another rank of the group";
  let description = [{
    Rank i of a group receives what rank `sources[i]` holds.

    Constraints: C1 every axis is in the mesh; C2 `sources` is a permutation
    of the group; C3 as many results as operands, of the same types.
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$inputs, Dist_MeshAttr:$mesh,
                       StrArrayAttr:$axes, DenseI64ArrayAttr:$sources);
  let assemblyFormat = [{
    $inputs `over` $mesh $axes `from` $sources attr-dict `:` functional-type($inputs, $results)
  }];
}

//===----------------------------------------------------------------------===//
// Overlap (scheduled phase)
//===----------------------------------------------------------------------===//

def Dist_StartOp
    : Dist_Op<"start", [SingleBlock, IsolatedFromAbove]> {
  let summary = "begin a collective";
  let description = [{
    Issues the one collective in its region on the operands, which are the
    region's arguments, and yields a future per result.

    Lifespan: made by `dist-overlap-collectives`; consumed by `prog-lower`.

    Constraints: C1 the region holds exactly one collective, on the region's
    arguments in order, which have the operands' types, and yields its
    results; C2 result k is a future of the collective's result k.
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$inputs);
  let regions = (region SizedRegion<1>:$body);
  let results = (outs Variadic<Dist_FutureType>:$futures);
  let assemblyFormat =
      "$inputs attr-dict `:` functional-type($inputs, $futures) $body";
  let hasVerifier = 1;
}

def Dist_YieldOp : Dist_Op<"yield", [Pure, Terminator]> {
  let summary = "results of a started collective";
  let description = "Ends the region of `dist.start`.";
  let arguments = (ins Variadic<AnyRankedTensor>:$operands);
  let assemblyFormat = "$operands attr-dict `:` type($operands)";
}

def Dist_WaitOp : Dist_Op<"wait", []> {
  let summary = "finish a collective";
  let description = [{
    Yields the values of the futures of one `dist.start`.

    Constraints: C1 operands are all futures of one start, in order; C2 each
    future is waited for exactly once; C3 result types are the futures' value
    types.
  }];
  let arguments = (ins Variadic<Dist_FutureType>:$futures);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $futures attr-dict `:` functional-type($futures, $results)
  }];
  let hasVerifier = 1;
}

#endif // WEFT_IR_DIST_OPS
