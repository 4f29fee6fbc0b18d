// SPDX-License-Identifier: Apache-2.0
//
// Composite ops: kept whole because they have a better kernel or a better
// rule than their parts. Shape letters: B batch, S query positions, T key
// positions, H query heads, K kv heads, D head size, E hidden, C classes.
#ifndef WEFT_IR_NN_COMPOSITE
#define WEFT_IR_NN_COMPOSITE

include "weft/IR/NN/NNBase.td"

def NN_SoftmaxOp
    : NN_Op<"softmax", [DeclareOpInterfaceMethods<DecomposeOpInterface>]> {
  let summary = "softmax over the last dim";
  let description = [{
    exp(x - max) / sum(exp(x - max)) along the last dim.

    Constraints: C1 types agree; C2 there is at least one dim.
  }];
  let arguments = (ins NN_Float:$input);
  let results = (outs NN_Float:$result);
  let assemblyFormat =
      "$input attr-dict `:` custom<UnaryTypes>(type($input), type($result))";
}

def NN_RmsNormOp
    : NN_Op<"rms_norm", [DeclareOpInterfaceMethods<DecomposeOpInterface>]> {
  let summary = "root-mean-square norm of the last dim";
  let description = [{
    y = x * rstd * weight, rstd = 1 / sqrt(mean(x^2) + eps) over the last dim;
    yields y and rstd (the operand's shape without the last dim).

    Constraints: C1 y has x's type; C2 the weight is [E], E the last dim;
    C3 rstd has x's shape without the last dim.
  }];
  let arguments = (ins NN_Float:$input, NN_Float:$weight, F64Attr:$eps);
  let results = (outs NN_Float:$result, NN_Float:$rstd);
  let assemblyFormat = [{
    $input `,` $weight `eps` $eps attr-dict `:`
    functional-type(operands, results)
  }];
}

def NN_RmsNormGradOp
    : NN_GradOp<"rms_norm_grad",
                [DeclareOpInterfaceMethods<DecomposeOpInterface>]> {
  let summary = "cotangents of rms_norm";
  let description = [{
    dx = rstd * (g - x * rstd^2 * mean(g * x)), g = dy * weight;
    dweight = sum of dy * x * rstd over all dims but the last.

    Constraints: C1 dy, x and dx have one type; C2 weight and dweight are [E];
    C3 rstd has x's shape without the last dim.
  }];
  let arguments = (ins NN_Float:$dy, NN_Float:$input, NN_Float:$weight,
                       NN_Float:$rstd);
  let results = (outs NN_Float:$dinput, NN_Float:$dweight);
  let assemblyFormat = [{
    operands attr-dict `:` functional-type(operands, results)
  }];
}

def NN_RotaryOp
    : NN_Op<"rotary", [DeclareOpInterfaceMethods<DecomposeOpInterface>]> {
  let summary = "rotary position embedding";
  let description = [{
    x [B, H, S, D], cos and sin [S, D]; with rot(x) = concat(-x2, x1) of the
    halves x1, x2 of the last dim: x * cos + rot(x) * sin; the adjoint form is
    x * cos - rot(x * sin).

    Constraints: C1 result and x have one type; C2 cos and sin have the type
    of x's last two dims; C3 D is even.
  }];
  let arguments = (ins NN_Float:$input, NN_Float:$cos, NN_Float:$sin,
                       UnitAttr:$adjoint);
  let results = (outs NN_Float:$result);
  let assemblyFormat = [{
    (`adjoint` $adjoint^)? $input `,` $cos `,` $sin attr-dict `:`
    functional-type(operands, results)
  }];
}

def NN_AttentionOp
    : NN_Op<"attention", [DeclareOpInterfaceMethods<DecomposeOpInterface>]> {
  let summary = "scaled dot-product attention";
  let description = [{
    q [B, H, S, D], k and v [B, K, T, D], positions [S] and [T]; query head h
    uses kv head h / (H / K). Scores s = q.k * scale, with `softcap` c then
    c * tanh(s / c). With `causal` a key counts if its position is at most the
    query's, with `window` w moreover if it is more than the query's - w; with
    documents, ids [B, S] of queries and [B, T] of keys, only where both ids
    are equal. Yields out [B, H, S, D] and the log-sum-exp of the scores,
    lse [B, H, S]; a row without keys gives 0.

    Constraints: C1 q, k, v are 4-d, of one element type and agree in B, D; k
    and v have one shape; C2 K divides H; C3 positions are [S] and [T]; C4 out
    has q's type, lse is [B, H, S]; C5 documents are none, or [B, S] and
    [B, T]; C6 the window is at least 1 and comes with `causal`; C7 the
    softcap is above 0.
  }];
  let arguments = (ins NN_Float:$query, NN_Float:$key, NN_Float:$value,
                       NN_Index:$query_positions, NN_Index:$key_positions,
                       Variadic<NN_Index>:$documents, F64Attr:$scale,
                       UnitAttr:$causal, OptionalAttr<I64Attr>:$window,
                       OptionalAttr<F64Attr>:$softcap);
  let results = (outs NN_Float:$result, NN_Float:$lse);
  let assemblyFormat = [{
    operands attr-dict `:` functional-type(operands, results)
  }];
}

def NN_AttentionGradOp
    : NN_GradOp<"attention_grad",
                [DeclareOpInterfaceMethods<DecomposeOpInterface>]> {
  let summary = "cotangents of attention";
  let description = [{
    From dout, q, k, v, out, lse, the positions and documents: dq, dk, dv. Kv
    heads sum over the query heads of their group.

    Constraints: C1 as `nn.attention`; C2 dout and out have q's type; C3 dq,
    dk, dv have the types of q, k, v.
  }];
  let arguments = (ins NN_Float:$dout, NN_Float:$query, NN_Float:$key,
                       NN_Float:$value, NN_Float:$out, NN_Float:$lse,
                       NN_Index:$query_positions, NN_Index:$key_positions,
                       Variadic<NN_Index>:$documents, F64Attr:$scale,
                       UnitAttr:$causal, OptionalAttr<I64Attr>:$window,
                       OptionalAttr<F64Attr>:$softcap);
  let results = (outs NN_Float:$dquery, NN_Float:$dkey, NN_Float:$dvalue);
  let assemblyFormat = [{
    operands attr-dict `:` functional-type(operands, results)
  }];
}

def NN_EmbeddingOp : NN_Op<"embedding", [OffsetOpInterface]> {
  let summary = "rows of a table";
  let description = [{
    result[..., :] = table[ids[...] - offset, :]; a zero row where the index
    is out of the table's range, so shards of the vocabulary add up.

    Constraints: C1 the table is 2-d; C2 the result has the ids' shape and the
    table's last dim and element type.
  }];
  let arguments = (ins NN_Index:$ids, NN_Float:$table, NN_Offset:$offset);
  let results = (outs NN_Float:$result);
  let assemblyFormat = [{
    $ids `,` $table (`offset` $offset^)? attr-dict `:`
    functional-type(operands, results)
  }];
}

def NN_EmbeddingGradOp : NN_GradOp<"embedding_grad", [OffsetOpInterface]> {
  let summary = "cotangent of an embedding table";
  let description = [{
    Row r is the sum of dy[..., :] over all ids equal to r + offset, in
    row-major order of the ids.

    Constraints: C1 the result is 2-d; C2 dy has the ids' shape and the
    result's last dim; C3 element types agree, or the sum of a narrow floating
    type is in f32.
  }];
  let arguments = (ins NN_Float:$dy, NN_Index:$ids, NN_Offset:$offset);
  let results = (outs NN_Float:$result);
  let assemblyFormat = [{
    $dy `,` $ids (`offset` $offset^)? attr-dict `:`
    functional-type(operands, results)
  }];
}

def NN_CrossEntropyOp
    : NN_Op<"cross_entropy", [DeclareOpInterfaceMethods<DecomposeOpInterface>]> {
  let summary = "sum of negative log-likelihoods";
  let description = [{
    logits [..., C], labels [...]; yields the sum over all labels other than
    -100 of lse - logits[label], and lse [...], the log-sum-exp over C. The
    number of labels that count is a separate computation.

    Constraints: C1 logits have one dim more than labels, the others agree;
    C2 the sum is a scalar of the logits' element type, or in f32 if that is
    narrow; C3 lse has the labels' shape.
  }];
  let arguments = (ins NN_Float:$logits, NN_Index:$labels);
  let results = (outs NN_Float:$sum, NN_Float:$lse);
  let assemblyFormat = [{
    operands attr-dict `:` functional-type(operands, results)
  }];
}

def NN_CrossEntropyGradOp
    : NN_GradOp<"cross_entropy_grad",
                [OffsetOpInterface,
                 DeclareOpInterfaceMethods<DecomposeOpInterface>]> {
  let summary = "cotangent of cross_entropy's logits";
  let description = [{
    (exp(logits - lse) - [c + offset = label]) * seed where the label is not
    -100, else 0. Needs no other class, so the class dim may be sharded.

    Constraints: C1 the result has the logits' type; C2 labels and lse have
    the logits' shape without the last dim; C3 the seed is a scalar.
  }];
  let arguments = (ins NN_Float:$logits, NN_Index:$labels, NN_Float:$lse,
                       NN_Float:$seed, NN_Offset:$offset);
  let results = (outs NN_Float:$result);
  let assemblyFormat = [{
    $logits `,` $labels `,` $lse `,` $seed (`offset` $offset^)? attr-dict `:`
    functional-type(operands, results)
  }];
}

#endif // WEFT_IR_NN_COMPOSITE
