// SPDX-License-Identifier: Apache-2.0
//
// The prog dialect: what the machine does.
#ifndef WEFT_IR_PROG_PROG_H
#define WEFT_IR_PROG_PROG_H

#include "mlir/IR/SymbolTable.h"
#include "weft/IR/Dist/Dist.h"

#include "weft/IR/Prog/ProgDialect.h.inc"
#define GET_OP_CLASSES
#include "weft/IR/Prog/ProgOps.h.inc"

#endif // WEFT_IR_PROG_PROG_H
