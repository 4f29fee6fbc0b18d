// SPDX-License-Identifier: Apache-2.0
//
// Constants, contraction, reduction, and ops that move elements.
#ifndef WEFT_IR_NN_SHAPE
#define WEFT_IR_NN_SHAPE

include "weft/IR/NN/NNBase.td"

def NN_ConstantOp : NN_Op<"constant", [ConstantLike]> {
  let summary = "a constant tensor";
  let description = [{
    Constants of more than 64 different elements are buffers in the weights
    file instead.

    Constraints: C1 the value's shape and element type are the result's; C2 at
    most 64 elements unless it is a splat.
  }];
  let arguments = (ins ElementsAttr:$value);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "custom<ConstantValue>($value, type($result)) attr-dict";
  let hasFolder = 1;
}

def NN_IotaOp : NN_Op<"iota", [OffsetOpInterface]> {
  let summary = "indices along one dim";
  let description = [{
    Element [..., i, ...] is i (plus `offset`) along `dim`.

    Constraints: C1 `dim` is a dim of the result.
  }];
  let arguments = (ins I64Attr:$dim, NN_Offset:$offset);
  let results = (outs RankedTensorOf<[I64, F32, F64]>:$result);
  let assemblyFormat =
      "`dim` $dim (`offset` $offset^ `,` type($offset))? attr-dict `:` type($result)";
}

def NN_ContractOp : NN_Op<"contract"> {
  let summary = "sum of products by an equation";
  let description = [{
    Every matmul, batched matmul and linear layer: letters name dims, those
    missing in the result are summed over, in one chain; or, with `partials`, in
    64 partials. dist-partition sets it, where the graph's shapes are known
    (isDotProduct).

    Constraints: C1 the equation is `a,b->c` in letters, one per dim; C2 a
    letter has one size; C3 a letter occurs once in each term; C4 a letter of
    the result occurs in an operand, any other letter occurs in both.
  }];
  let arguments = (ins StrAttr:$equation, NN_Tensor:$lhs, NN_Tensor:$rhs,
                       UnitAttr:$partials);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $equation $lhs `,` $rhs attr-dict `:` functional-type(operands, results)
  }];
}

def NN_ReduceOp : NN_Op<"reduce"> {
  let summary = "combine elements along dims";
  let description = [{
    Constraints: C1 `dims` are increasing dims of the operand; C2 the result's
    shape is the operand's without them; C3 element types agree, or a sum of a
    narrow floating type is in f32.
  }];
  let arguments = (ins NN_ReduceKindAttr:$kind, NN_Tensor:$input,
                       DenseI64ArrayAttr:$dims);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    `` $kind $input `dims` $dims attr-dict `:` functional-type(operands, results)
  }];
}

def NN_BroadcastOp : NN_Op<"broadcast"> {
  let summary = "repeat along new dims";
  let description = [{
    Dim i of the operand is dim `dims[i]` of the result; the operand is
    repeated along the others.

    Constraints: C1 `dims` are increasing dims of the result, one per operand
    dim; C2 sizes agree; C3 element types agree.
  }];
  let arguments = (ins NN_Tensor:$input, DenseI64ArrayAttr:$dims);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $input `dims` $dims attr-dict `:` functional-type(operands, results)
  }];
}

def NN_ReshapeOp : NN_Op<"reshape"> {
  let summary = "same elements, other dims";
  let description = [{
    Row-major order is kept.

    Constraints: C1 the numbers of elements agree; C2 element types agree.
  }];
  let arguments = (ins NN_Tensor:$input);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}

def NN_TransposeOp : NN_Op<"transpose"> {
  let summary = "permute dims";
  let description = [{
    Dim i of the result is dim `permutation[i]` of the operand.

    Constraints: C1 `permutation` is one of the operand's dims; C2 sizes and
    element types agree.
  }];
  let arguments = (ins NN_Tensor:$input, DenseI64ArrayAttr:$permutation);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $input `permutation` $permutation attr-dict `:`
    functional-type(operands, results)
  }];
  let hasFolder = 1;
}

def NN_SliceOp : NN_Op<"slice"> {
  let summary = "a regular part of a tensor";
  let description = [{
    Constraints: C1 one offset, size and stride per dim, strides >= 1; C2 the
    part lies inside the operand; C3 the result has shape `sizes` and the
    operand's element type.
  }];
  let arguments = (ins NN_Tensor:$input, DenseI64ArrayAttr:$offsets,
                       DenseI64ArrayAttr:$sizes, DenseI64ArrayAttr:$strides);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $input `offsets` $offsets `sizes` $sizes `strides` $strides attr-dict `:`
    functional-type(operands, results)
  }];
  let hasFolder = 1;
}

def NN_PadOp : NN_Op<"pad"> {
  let summary = "add zeros around a tensor";
  let description = [{
    `low` zeros before, `high` behind, `interior` between neighbours (the
    adjoint of a strided slice).

    Constraints: C1 one value per dim in `low`, `high` and `interior`, each
    >= 0; C2 the result's size is low + high + size + (size - 1) * interior.
  }];
  let arguments = (ins NN_Tensor:$input, DenseI64ArrayAttr:$low,
                       DenseI64ArrayAttr:$high, DenseI64ArrayAttr:$interior);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $input `low` $low `high` $high `interior` $interior attr-dict `:`
    functional-type(operands, results)
  }];
}

def NN_ConcatOp : NN_Op<"concat"> {
  let summary = "join tensors along a dim";
  let description = [{
    Constraints: C1 `dim` is a dim; C2 operands agree in other dims and in
    element type; C3 the result's size along `dim` is the sum.
  }];
  let arguments = (ins Variadic<NN_Tensor>:$inputs, I64Attr:$dim);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat =
      "$inputs `dim` $dim attr-dict `:` functional-type(operands, results)";
}

def NN_MaskTailOp : NN_GradOp<"mask_tail"> {
  let summary = "overwrite the padding of an uneven shard";
  let description = [{
    Elements whose index along `dim` is `extent` or more become `value`.

    Lifespan: made by `dist-partition`.

    Constraints: C1 `dim` is a dim; C2 types agree.
  }];
  let arguments = (ins NN_Tensor:$input, 0DTensorOf<[I64]>:$extent,
                       I64Attr:$dim, F64Attr:$value);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $input `,` $extent `dim` $dim `value` $value attr-dict `:`
    functional-type(operands, results)
  }];
}

def NN_PickOp : NN_Op<"pick", [OffsetOpInterface]> {
  let summary = "the element an index names";
  let description = [{
    result[...] = input[..., indices[...] - offset]; 0 where the index is out
    of range, so shards of the last dim add up.

    Constraints: C1 the operand has one dim more than the indices, the others
    agree; C2 the result has the indices' shape and the operand's element type.
  }];
  let arguments = (ins NN_Tensor:$input, NN_Index:$indices, NN_Offset:$offset);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $input `,` $indices (`offset` $offset^)? attr-dict `:`
    functional-type(operands, results)
  }];
}

def NN_PlaceOp : NN_Op<"place", [OffsetOpInterface]> {
  let summary = "put elements where indices say, zeros elsewhere";
  let description = [{
    The adjoint of `nn.pick`: result[..., c] = input[...] if
    indices[...] - offset is c, else 0.

    Constraints: C1 input and indices have the same shape; C2 the result has
    one dim more and the input's element type.
  }];
  let arguments = (ins NN_Tensor:$input, NN_Index:$indices, NN_Offset:$offset);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $input `,` $indices (`offset` $offset^)? attr-dict `:`
    functional-type(operands, results)
  }];
}

def NN_BoundaryOp : NN_Op<"boundary"> {
  let summary = "an input or output of a module";
  let description = [{
    The identity; marks where a module's `index`-th input or output was, for
    the plan's patterns.

    Lifespan: made by export; erased by `dist-apply-plan`.

    Constraints: C1 types agree; C2 `side` is "input" or "output".
  }];
  let arguments = (ins NN_Tensor:$input, StrAttr:$module, StrAttr:$side,
                       I64Attr:$index, DefaultValuedAttr<StrAttr, "\"\"">:$name,
                       DefaultValuedAttr<I64Attr, "0">:$call);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat =
      "$input attr-dict `:` custom<UnaryTypes>(type($input), type($result))";
}

#endif // WEFT_IR_NN_SHAPE
