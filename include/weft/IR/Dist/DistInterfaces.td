// SPDX-License-Identifier: Apache-2.0
//
// The interface through which layouts reach an op: one table of factors.
#ifndef WEFT_IR_DIST_INTERFACES
#define WEFT_IR_DIST_INTERFACES

include "mlir/IR/OpBase.td"

def ShardingRuleOpInterface : OpInterface<"ShardingRuleOpInterface"> {
  let description = [{
    States once which dims of the op's operands and results move together,
    which are reduced and in which operands the op is linear. Propagation,
    partition, cost and the generated tests read only this. In the typed phase
    the verifier checks operand and result layouts against it.
  }];
  let cppNamespace = "::weft::dist";
  let methods = [
    InterfaceMethod<"The factor table for the op's global shapes.",
                    "::weft::ShardingRule", "getShardingRule">,
  ];
  let verify = "return ::weft::dist::verifyLayouts($_op);";
  let verifyWithRegions = 1;
}

#endif // WEFT_IR_DIST_INTERFACES
