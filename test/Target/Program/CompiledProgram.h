// SPDX-License-Identifier: Apache-2.0
//
// Compiles text of the local phase to a program, loads it and calls its
// functions on regions of its own, as one rank.
//
//   CompiledProgram program(text);
//   program.slot<float>("x") = ...;      // a span of the slot's memory
//   program.call("stage0", {coordinates});
#ifndef WEFT_TEST_TARGET_PROGRAM_COMPILEDPROGRAM_H
#define WEFT_TEST_TARGET_PROGRAM_COMPILEDPROGRAM_H

#include "mlir/IR/BuiltinOps.h"
#include "weft/Target/Program.h"
#include "weft_runtime/Program.h"
#include "llvm/Support/JSON.h"
#include "gtest/gtest.h"
#include <map>
#include <span>
#include <string>
#include <vector>

namespace weft {

/// A collective as the program started it.
struct StartedCollective {
  int64_t id;
  std::vector<const void *> inputs;
  std::vector<void *> outputs;
};

class CompiledProgram {
public:
  /// Fails the running test if the text does not compile.
  explicit CompiledProgram(llvm::StringRef text);
  ~CompiledProgram();
  CompiledProgram(const CompiledProgram &) = delete;
  CompiledProgram &operator=(const CompiledProgram &) = delete;

  /// The memory of a slot on this rank.
  template <typename T> std::span<T> slot(llvm::StringRef name) {
    auto [memory, bytes] = slotMemory(name);
    return {reinterpret_cast<T *>(memory), bytes / sizeof(T)};
  }
  template <typename T>
  void set(llvm::StringRef name, const std::vector<T> &values) {
    std::copy(values.begin(), values.end(), slot<T>(name).begin());
  }
  template <typename T> std::vector<T> get(llvm::StringRef name) {
    std::span<T> memory = slot<T>(name);
    return {memory.begin(), memory.end()};
  }

  void call(const std::string &function, std::vector<int64_t> coordinates = {});

  /// What the program's descriptor says.
  llvm::json::Object descriptor;
  /// Sizes of operands in bytes, to let a collective copy input to output.
  std::vector<StartedCollective> started;
  std::vector<int64_t> waited;
  /// Sites, in the order in which they were reached.
  std::vector<int64_t> marked;
  /// Where gathered outputs lie.
  std::vector<const void *> gathered;

private:
  struct Context : weft_context {
    CompiledProgram *program;
  };
  std::pair<char *, size_t> slotMemory(llvm::StringRef name);
  void load();

  std::string folder;
  void *library = nullptr;
  std::map<std::string, std::vector<char>> regions;
};

/// The module in the program phase that `text` becomes; null, with a failure,
/// if a pass fails.
mlir::OwningOpRef<mlir::ModuleOp> lowerToProgram(mlir::MLIRContext &context,
                                                 llvm::StringRef text);
/// Registers what the text of programs needs.
mlir::DialectRegistry programDialects();

} // namespace weft

#endif // WEFT_TEST_TARGET_PROGRAM_COMPILEDPROGRAM_H
