// SPDX-License-Identifier: Apache-2.0
//
// The prog dialect: what the machine does.
#ifndef WEFT_IR_PROG_OPS
#define WEFT_IR_PROG_OPS

include "weft/IR/Dist/DistDialect.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Prog_Dialect : Dialect {
  let name = "prog";
  let cppNamespace = "::weft::prog";
  let summary = "What the machine does";
  let description = [{
    Fused regions, buffers at offsets of regions, kernel launches and
    communicator calls. A program allocates nothing: every buffer is (region,
    offset).
  }];
  let dependentDialects = ["::weft::dist::DistDialect"];
}

/// What other ranks see; a call of the communicator changes it.
def Prog_Peers : Resource<"::weft::prog::PeersResource">;

class Prog_Op<string mnemonic, list<Trait> traits = []>
    : Op<Prog_Dialect, mnemonic, traits>;

def Prog_FusedOp
    : Prog_Op<"fused", [Pure, IsolatedFromAbove, SingleBlock]> {
  let summary = "elementwise ops that become one loop";
  let description = [{
    The region's block arguments are the operands; it holds elementwise nn
    ops, broadcasts, constants and iotas, and ends in `prog.yield`. In front of
    that there may be one `nn.reduce`, which then is the only result. It may
    begin with one `nn.contract` of the first two arguments. Or it holds one
    `nn.rotary`, `nn.attention` or `nn.attention_grad`, whose operands are the
    arguments in order and whose results are yielded in order, each of them as
    it is or with its heads and rows transposed.

    Lifespan: made by `prog-fuse-regions`, consumed by `prog-lower`.

    Constraints: C1 block arguments have the operands' types; C2 yielded types
    are the results' types; C3 all results of a loop have one shape; C4
    a region with one of the last three is made of it and such transposes.
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$inputs);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $inputs attr-dict `:` functional-type($inputs, $results) $body
  }];
  let extraClassDeclaration = [{
    /// The rotary, attention or gradient of attention in it; null for a loop.
    ::mlir::Operation *getRowKernel();
  }];
  let hasVerifier = 1;
}

def Prog_YieldOp : Prog_Op<"yield", [Pure, Terminator]> {
  let summary = "results of a fused region";
  let description = "Ends the region of `prog.fused`.";
  let arguments = (ins Variadic<AnyType>:$operands);
  let assemblyFormat = "($operands^ `:` type($operands))? attr-dict";
}

def Prog_WindowOp : Prog_Op<"window", [Pure]> {
  let summary = "elements from a dynamic start on";
  let description = [{
    The result's elements along `dim` are those of the operand from `start`
    on; what lies past the end is zero.

    Lifespan: made from `dist.shard_slice` by `prog-decompose-moves`.

    Constraints: C1 `dim` is a dim; C2 shapes agree elsewhere, element types
    agree.
  }];
  let arguments = (ins AnyRankedTensor:$input, 0DTensorOf<[I64]>:$start,
                       I64Attr:$dim);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $input `from` $start `dim` $dim attr-dict `:`
    functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Prog_BufferOp : Prog_Op<"buffer"> {
  let summary = "memory of a value";
  let description = [{
    A memref in a region: `run`, `step`, `microbatch` or `input`; `offset` in
    bytes is -1 until `prog-plan-memory`. With `slot`, the slot's memory. Two
    equal buffers are two places, so nothing may merge them.

    Lifespan: made by `prog-lower`; lowered to base + offset.

    Constraints: C1 `region` is of the list above; C2 the offset is -1 or a
    multiple of 64.
  }];
  let arguments = (ins StrAttr:$region, DefaultValuedAttr<I64Attr, "-1">:$offset,
                       OptionalAttr<FlatSymbolRefAttr>:$slot);
  let results = (outs Res<AnyMemRef, "", [MemAlloc]>:$result);
  let assemblyFormat =
      "$region (`slot` $slot^)? (`at` $offset^)? attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Prog_ViewOp : Prog_Op<"view", [Pure]> {
  let summary = "the same memory in another shape";
  let description = [{
    Row-major order is kept: a reshape costs nothing.

    Lifespan: made by `prog-lower`; lowered to its operand.

    Constraints: C1 the numbers of elements and the element types agree.
  }];
  let arguments = (ins AnyMemRef:$input);
  let results = (outs AnyMemRef:$result);
  let assemblyFormat =
      "$input attr-dict `:` type($input) `to` type($result)";
  let hasVerifier = 1;
}

def Prog_LaunchOp : Prog_Op<"launch", [AttrSizedOperandSegments]> {
  let summary = "run a kernel";
  let description = [{
    Calls `kernel` with inputs, then outputs, then scratch memory.

    Lifespan: made by `prog-lower`; lowered to a call.

    Constraints: C1 the kernel exists and takes the operands' types.
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel,
                       Arg<Variadic<AnyMemRef>, "", [MemRead]>:$inputs,
                       Arg<Variadic<AnyMemRef>, "", [MemWrite]>:$outputs,
                       Arg<Variadic<AnyMemRef>, "", [MemWrite]>:$scratch);
  let assemblyFormat = [{
    $kernel (`ins` `(` $inputs^ `:` type($inputs) `)`)?
    `outs` `(` $outputs `:` type($outputs) `)`
    (`scratch` `(` $scratch^ `:` type($scratch) `)`)? attr-dict
  }];
}

def Prog_CopyOp : Prog_Op<"copy"> {
  let summary = "copy a buffer";
  let description = [{
    Lifespan: made by `prog-lower` where a result's slot is another buffer.

    Constraints: C1 types agree.
  }];
  let arguments = (ins Arg<AnyMemRef, "", [MemRead]>:$source,
                       Arg<AnyMemRef, "", [MemWrite]>:$target);
  let assemblyFormat =
      "$source `to` $target attr-dict `:` type($source) `to` type($target)";
  let hasVerifier = 1;
}

def Prog_CoordinateOp : Prog_Op<"coordinate"> {
  let summary = "write a rank-dependent integer";
  let description = [{
    Stores the value of the `dist.coordinate` or `dist.extent` that `what`
    describes: "coordinate" (times scale) or "extent" (of size).
  }];
  let arguments = (ins Arg<AnyMemRef, "", [MemWrite]>:$target, StrAttr:$what,
                       Dist_MeshAttr:$mesh, StrArrayAttr:$axes, I64Attr:$value);
  let assemblyFormat = [{
    $what $value `over` $mesh $axes `to` $target attr-dict `:` type($target)
  }];
}

def Prog_CollectiveOp
    : Prog_Op<"collective", [AttrSizedOperandSegments,
                             MemoryEffects<[MemWrite<Prog_Peers>]>]> {
  let summary = "a communicator call";
  let description = [{
    `kind` over the groups of `axes`. `dims` has one entry per operand: the
    dim that is gathered, scattered or split; `concat_dims` the dim that an
    all_to_all joins; of a permute, `dims` are the sources. `id` numbers the
    calls of a program.

    Constraints: C1 as many inputs as outputs.
  }];
  let arguments = (ins StrAttr:$kind,
                       Arg<Variadic<AnyMemRef>, "", [MemRead]>:$inputs,
                       Arg<Variadic<AnyMemRef>, "", [MemWrite]>:$outputs,
                       Dist_MeshAttr:$mesh,
                       StrArrayAttr:$axes, StrAttr:$reduce,
                       DenseI64ArrayAttr:$dims, DenseI64ArrayAttr:$concat_dims,
                       I64Attr:$id);
  let assemblyFormat = [{
    $kind $id `ins` `(` $inputs `:` type($inputs) `)`
    `outs` `(` $outputs `:` type($outputs) `)` `over` $mesh $axes
    `reduce` $reduce `dims` $dims `concat` $concat_dims attr-dict
  }];
  let hasVerifier = 1;
}

def Prog_WaitOp : Prog_Op<"wait"> {
  let summary = "finish a communicator call";
  let description = [{
    Returns when call `id` is done; names its buffers, which are in use until
    then.

    Lifespan: made by `prog-lower`, one per `prog.collective`; lowered to the
    context's `wait`.
  }];
  let arguments = (ins I64Attr:$id, Variadic<AnyMemRef>:$buffers);
  let assemblyFormat = "$id `(` $buffers `:` type($buffers) `)` attr-dict";
}

#endif // WEFT_IR_PROG_OPS
