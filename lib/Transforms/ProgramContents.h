// SPDX-License-Identifier: Apache-2.0
//
// ProgramContents: what the bytes of the regions hold while a program function
// runs. A buffer is an SSA value, so which value an op means to read is known
// whatever the offsets say; here the offsets are checked against it.
#ifndef WEFT_LIB_TRANSFORMS_PROGRAMCONTENTS_H
#define WEFT_LIB_TRANSFORMS_PROGRAMCONTENTS_H

#include "weft/IR/Pipe/Pipe.h"
#include "weft/IR/Prog/Prog.h"
#include "llvm/ADT/SmallVector.h"
#include <map>

namespace weft {

/// Walks the ops of one function in order and emits an error where
///
///   a buffer is read of which some bytes were last written through another
///   a temporary is read that nothing wrote
///   an op writes over what it reads or writes through another buffer
///   a collective's memory is used, other than read as its input, before the
///   wait
///   something else than a slot's value lies in its memory at the end
///
/// Where values lie is not judged otherwise: any plan that passes computes the
/// same. Costs n log n.
class ProgramContents {
public:
  ProgramContents(mlir::func::FuncOp function, const mlir::SymbolTable &symbols)
      : function(function), symbols(symbols) {}
  mlir::LogicalResult verify();

private:
  /// Bytes of a region.
  struct Range {
    llvm::StringRef region;
    int64_t begin, end;
  };
  /// What was written last, up to byte `end`: a slot's value or a temporary's.
  struct Content {
    int64_t end;
    mlir::Operation *owner;
  };
  /// Memory of a collective that is not waited for.
  struct Lent {
    int64_t id;
    Range range;
    bool isOutput;
  };

  void visit(mlir::Operation &op);
  void read(mlir::Operation &op, mlir::Value memref);
  /// `others` are what the op reads and has written already.
  void write(mlir::Operation &op, mlir::Value memref,
             llvm::ArrayRef<mlir::Value> others);
  mlir::Operation *ownerOf(prog::BufferOp buffer);
  void checkLent(mlir::Operation &op, const Range &range, bool isWrite);
  void lend(prog::CollectiveOp op);
  mlir::InFlightDiagnostic error(mlir::Operation &op);

  mlir::func::FuncOp function;
  const mlir::SymbolTable &symbols;
  std::map<std::pair<llvm::StringRef, int64_t>, Content> contents;
  llvm::SmallVector<Lent> lent;
  bool isOk = true;
};

} // namespace weft

#endif // WEFT_LIB_TRANSFORMS_PROGRAMCONTENTS_H
