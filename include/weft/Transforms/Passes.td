// SPDX-License-Identifier: Apache-2.0
//
// All passes, in the order of the pipeline. Each is one file in
// lib/Transforms, one flag of weft-opt, one test in test/Transforms.
#ifndef WEFT_TRANSFORMS_PASSES
#define WEFT_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

class Weft_Pass<string flag> : Pass<flag, "::mlir::ModuleOp"> {
  let dependentDialects = ["::weft::dist::DistDialect", "::weft::nn::NNDialect",
                           "::weft::pipe::PipeDialect",
                           "::mlir::func::FuncDialect"];
}

//===----------------------------------------------------------------------===//
// global -> annotated
//===----------------------------------------------------------------------===//

//===----------------------------------------------------------------------===//
// annotated -> staged
//===----------------------------------------------------------------------===//

//===----------------------------------------------------------------------===//
// staged -> typed
//===----------------------------------------------------------------------===//

def PropagateLayoutsPass : Weft_Pass<"dist-propagate-layouts"> {
  let summary = "decide a layout for every value and slot";
  let description = [{
    Fixed point in program order over the ops' sharding rules. An axis on a
    value carries the priority of its source: explicit > slot and input >
    forward op > backward op; among equals fewer bytes, then the lower dim.
    Writes the decided layout of each value in the attribute `dist.layouts` of
    its op (of its function, for arguments), and of each slot in
    `dist.layout`; a value or slot that has one already is left alone.
  }];
}

//===----------------------------------------------------------------------===//
// typed -> local
//===----------------------------------------------------------------------===//

#endif // WEFT_TRANSFORMS_PASSES
