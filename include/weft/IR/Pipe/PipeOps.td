// SPDX-License-Identifier: Apache-2.0
//
// The pipe dialect: slots and the schedule table.
#ifndef WEFT_IR_PIPE_OPS
#define WEFT_IR_PIPE_OPS

include "weft/IR/Dist/DistDialect.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"

def Pipe_Dialect : Dialect {
  let name = "pipe";
  let cppNamespace = "::weft::pipe";
  let summary = "When and on which stage";
  let description = [{
    Named slots, through which functions exchange values, and the table that
    says in which order functions run. Every argument and result of a function
    names its slot in the attribute `pipe.slot`; a result bound to the slot of
    an argument updates it in place.
  }];
  let dependentDialects = ["::weft::dist::DistDialect"];
}

def Pipe_SlotOp : Op<Pipe_Dialect, "slot", [Symbol]> {
  let summary = "a named place for a value";
  let description = [{
    One propagation variable, one memory region, one name in dumps.

    - `kind`: parameter | buffer | gradient | optimizer | saved | activation |
      cotangent | input | scalar
    - `lifetime`: run | step | microbatch
    - `stored`: the tensor's name in the weights file; `names`: all its names
      in the model (a tied weight is one slot)
    - `trainable`: set on parameters that are trained
    - `unit`: parameters of one unit are gathered and reduced together
    - `constraint`, `gradient`, `optimizer`: wishes for this slot and, on a
      parameter, for its gradient and optimizer slots; `reduce` ("each" or
      "last") says when its gradient is reduced over data-parallel axes,
      `reduce_type` in which type (f32 without it)
    - `of`: on a gradient or optimizer slot, its parameter's slot
    - `coefficient`: on the sum of a loss term

    Lifespan: made by export and by the passes that add state; read until the
    program descriptor is emitted.

    Constraints: C1 `kind` and `lifetime` are of the lists above; C2 the
    type is a ranked tensor; C3 `reduce` is "each" or "last"; C4
    `reduce_type` is f32 or bf16.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttr:$type, StrAttr:$kind,
                       StrAttr:$lifetime, OptionalAttr<StrAttr>:$stored,
                       OptionalAttr<ArrayAttr>:$names, UnitAttr:$trainable,
                       OptionalAttr<StrAttr>:$unit,
                       OptionalAttr<Dist_ConstraintAttr>:$constraint,
                       OptionalAttr<Dist_ConstraintAttr>:$gradient,
                       OptionalAttr<Dist_ConstraintAttr>:$optimizer,
                       OptionalAttr<StrAttr>:$reduce,
                       OptionalAttr<TypeAttr>:$reduce_type,
                       OptionalAttr<FlatSymbolRefAttr>:$of,
                       OptionalAttr<F64Attr>:$coefficient);
  let assemblyFormat = "$sym_name `:` $type attr-dict";
  let hasVerifier = 1;
}

def Pipe_ScheduleOp : Op<Pipe_Dialect, "schedule"> {
  let summary = "the order of calls of one step";
  let description = [{
    A list of entries `{call = @function, microbatch = 0 : i64}`; entries
    without a microbatch run once a step.

    Lifespan: made by `pipe-build-schedule`; becomes part of the program
    descriptor.

    Constraints: C1 every entry names a function; C2 a microbatch is a
    number from 0.
  }];
  let arguments = (ins ArrayAttr:$entries);
  let assemblyFormat = "$entries attr-dict";
  let hasVerifier = 1;
}

#endif // WEFT_IR_PIPE_OPS
