// SPDX-License-Identifier: Apache-2.0
//
// What the object emitter refuses, with its words.

#include "KernelHarness.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"

using namespace weft;

namespace {

/// Runs `action` and returns the diagnostics it made, one per line.
std::string messagesOf(mlir::MLIRContext &context,
                       llvm::function_ref<void()> action) {
  std::string text;
  mlir::ScopedDiagnosticHandler handler(&context,
                                        [&](mlir::Diagnostic &diagnostic) {
                                          text += diagnostic.str() + "\n";
                                          return mlir::success();
                                        });
  action();
  return text;
}

struct Emitter : testing::Test {
  Emitter() : context(registry()), loc(mlir::UnknownLoc::get(&context)) {
    context.loadAllAvailableDialects();
  }
  static mlir::DialectRegistry registry() {
    mlir::DialectRegistry registry;
    registerKernelDialects(registry);
    return registry;
  }
  mlir::MLIRContext context;
  mlir::Location loc;
};

TEST_F(Emitter, RefusesAMultiplyAddThatTheBackendWouldDecideOn) {
  auto module = mlir::parseSourceString<mlir::ModuleOp>(R"(
    func.func @k(%m: memref<16xf32>) {
      %zero = arith.constant 0 : index
      %x = vector.load %m[%zero] : memref<16xf32>, vector<16xf32>
      %y = vector.fma %x, %x, %x : vector<16xf32>
      vector.store %y, %m[%zero] : memref<16xf32>, vector<16xf32>
      return
    })",
                                                        &context);
  TargetInfo target = *resolveTarget({}, loc);
  EXPECT_EQ(messagesOf(context,
                       [&] {
                         EXPECT_TRUE(mlir::failed(
                             emitObject(*module, "/nonexistent/k.o", target)));
                       }),
            "fmuladd remains in \"k\": form a fused multiply-add "
            "explicitly\n");
}

TEST_F(Emitter, RefusesAnUnknownCpuAndAnUnwritableFile) {
  EXPECT_EQ(messagesOf(context,
                       [&] {
                         EXPECT_TRUE(mlir::failed(
                             resolveTarget({.cpu = "abacus"}, loc)));
                       }),
            "unknown target CPU \"abacus\"\n");
  mlir::OwningOpRef<mlir::ModuleOp> empty = mlir::ModuleOp::create(loc);
  TargetInfo target = *resolveTarget({}, loc);
  EXPECT_EQ(messagesOf(context,
                       [&] {
                         EXPECT_TRUE(mlir::failed(
                             emitObject(*empty, "/nonexistent/k.o", target)));
                       }),
            "can't write \"/nonexistent/k.o\": No such file or directory\n");
}

/// Links a function "k" that calls `callee`; returns the diagnostics.
std::string linkCallOf(Emitter &test, const std::string &callee) {
  auto module = mlir::parseSourceString<mlir::ModuleOp>(
      "func.func private @" + callee + "(f64) -> f64\n" +
          "func.func @k(%x: f64) -> f64 {\n  %y = call @" + callee +
          "(%x) : (f64) -> f64\n  return %y : f64\n}",
      &test.context);
  std::string stem = "/tmp/weft-link-test-" + std::to_string(getpid());
  std::string object = stem + ".o", library = stem + ".so";
  EXPECT_TRUE(mlir::succeeded(
      emitObject(*module, object, *resolveTarget({}, test.loc))));
  std::string messages = messagesOf(test.context, [&] {
    (void)linkSharedLibrary({object}, library, test.loc);
  });
  unlink(object.c_str());
  unlink(library.c_str());
  return messages;
}

TEST_F(Emitter, LinksNothingThatCallsWhatNothingDefines) {
  EXPECT_EQ(linkCallOf(*this, "exp"), "");
  EXPECT_EQ(linkCallOf(*this, "__truncsfbf2"),
            "generated code calls \"__truncsfbf2\", which nothing defines\n");
}

} // namespace
