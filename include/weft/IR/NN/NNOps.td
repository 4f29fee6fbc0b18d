// SPDX-License-Identifier: Apache-2.0
//
// All ops of the nn dialect, one file per family.
#ifndef WEFT_IR_NN_OPS
#define WEFT_IR_NN_OPS

include "weft/IR/NN/NNComposite.td"
include "weft/IR/NN/NNElementwise.td"
include "weft/IR/NN/NNShape.td"

#endif // WEFT_IR_NN_OPS
