// SPDX-License-Identifier: Apache-2.0
//
// What the table of kernels refuses, and that the cut of regions into kernels
// changes no bit.
#include "weft/Target/KernelTable.h"
#include "CompiledProgram.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FormatVariadic.h"
#include <random>

using namespace weft;

namespace {

/// The message of emitting a kernel for the first op of a function; empty if
/// there is one.
std::string refusalOf(llvm::StringRef text) {
  mlir::MLIRContext context(programDialects(),
                            mlir::MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  std::string message;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &d) {
    if (d.getSeverity() == mlir::DiagnosticSeverity::Error)
      message = d.str();
    return mlir::success();
  });
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  EXPECT_TRUE(module) << message;
  auto function = *module->getOps<mlir::func::FuncOp>().begin();
  auto kernels = mlir::ModuleOp::create(module->getLoc());
  TargetInfo target = *resolveTarget({}, module->getLoc());
  auto kernel = emitKernelFor({kernels, "k", target, module->getLoc()},
                              &function.front().front());
  EXPECT_EQ(failed(kernel), !message.empty());
  kernels.erase();
  return message;
}

TEST(KernelTable, RefusesCompositesOfOtherTypes) {
  EXPECT_EQ(refusalOf(R"(
      func.func @f(%x: tensor<4x8xbf16>) -> tensor<4x8xbf16> {
        %y = nn.softmax %x : tensor<4x8xbf16>
        return %y : tensor<4x8xbf16>
      })"),
            "'nn.softmax' op has no kernel for its element type: got 'bf16', "
            "expected 'f32'");
}

TEST(KernelTable, RefusesOpsOfEarlierPhases) {
  EXPECT_EQ(refusalOf(R"(
      func.func @f(%x: tensor<4xf32>, %n: tensor<i64>) -> tensor<4xf32> {
        %y = nn.mask_tail %x, %n dim 0 value 0.0 : (tensor<4xf32>, tensor<i64>) -> tensor<4xf32>
        return %y : tensor<4xf32>
      })"),
            "'nn.mask_tail' op has no kernel");
}

TEST(KernelTable, DescribesItsChoices) {
  mlir::MLIRContext context(programDialects(),
                            mlir::MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(R"(
      func.func @f(%x: tensor<512x70xf32>, %w: tensor<96x70xf32>, %v: tensor<1x70xf32>) -> tensor<512x96xf32> {
        %y = nn.contract "td,od->to" %x, %w : (tensor<512x70xf32>, tensor<96x70xf32>) -> tensor<512x96xf32>
        %z = nn.contract "td,od->to" %x, %v {partials} : (tensor<512x70xf32>, tensor<1x70xf32>) -> tensor<512x1xf32>
        %t = nn.transpose %x permutation [1, 0] : (tensor<512x70xf32>) -> tensor<70x512xf32>
        return %y : tensor<512x96xf32>
      })",
                                                        &context);
  ASSERT_TRUE(module);
  TargetInfo target = *resolveTarget({.cpu = "x86-64-v3"}, module->getLoc());
  std::vector<std::string> texts;
  auto function = *module->getOps<mlir::func::FuncOp>().begin();
  for (mlir::Operation &op : function.front().without_terminator())
    texts.push_back(
        llvm::formatv("{0}", llvm::json::Value(describeKernel(&op, target))));
  EXPECT_EQ(texts[0], R"({"block":{"depth":70,"rows":512},"by":"generated",)"
                      R"("emitter":"contract","order":"chain",)"
                      R"("packed":["rhs"],"tile":[6,16]})");
  EXPECT_EQ(texts[1],
            R"({"by":"generated","emitter":"contract","order":"partials"})");
  EXPECT_EQ(texts[2], R"({"by":"generated","emitter":"copy"})");
}

/// A chain in one region, and cut by reshapes, which are views.
TEST(KernelTable, CuttingRegionsChangesNoBit) {
  auto text = [](llvm::StringRef cut) {
    std::string result = R"(
      pipe.slot @x : tensor<37x11xf32> {kind = "activation", lifetime = "run"}
      pipe.slot @b : tensor<11xf32> {kind = "activation", lifetime = "run"}
      pipe.slot @y : tensor<37x11xf32> {kind = "activation", lifetime = "run"}
      func.func @f(%x: tensor<37x11xf32> {pipe.slot = @x}, %b: tensor<11xf32> {pipe.slot = @b})
          -> (tensor<37x11xf32> {pipe.slot = @y}) {
        %bias = nn.broadcast %b dims [1] : (tensor<11xf32>) -> tensor<37x11xf32>
        %m0 = nn.mul %x, %bias : tensor<37x11xf32>
        CUT
        %a0 = nn.add %m, %x : tensor<37x11xf32>
        %s = nn.silu %a0 : tensor<37x11xf32>
        %y = nn.sum_of %s, %m, %bias : tensor<37x11xf32>
        return %y : tensor<37x11xf32>
      })";
    result.replace(result.find("CUT"), 3, cut);
    return result;
  };
  std::string whole = text("%m = nn.neg %m0 : tensor<37x11xf32>");
  std::string cut = text(R"(
        %n = nn.neg %m0 : tensor<37x11xf32>
        %flat = nn.reshape %n : (tensor<37x11xf32>) -> tensor<407xf32>
        %m = nn.reshape %flat : (tensor<407xf32>) -> tensor<37x11xf32>)");
  std::mt19937 engine(5);
  std::uniform_real_distribution<float> uniform(-2, 2);
  std::vector<float> x(407), b(11), results[2];
  for (auto *values : {&x, &b})
    for (float &value : *values)
      value = uniform(engine);
  for (int i : {0, 1}) {
    CompiledProgram program(i == 0 ? whole : cut);
    program.set("x", x);
    program.set("b", b);
    program.call("f");
    results[i] = program.get<float>("y");
  }
  EXPECT_EQ(results[0], results[1]);
}

/// A region with the sums that read it, and cut off from them by reshapes.
TEST(KernelTable, ReducingWhatIsComputedChangesNoBit) {
  auto text = [](bool isCut) {
    std::string result = R"(
      pipe.slot @x : tensor<37x111xbf16> {kind = "activation", lifetime = "run"}
      pipe.slot @b : tensor<111xbf16> {kind = "activation", lifetime = "run"}
      pipe.slot @rows : tensor<37xf32> {kind = "activation", lifetime = "run"}
      pipe.slot @columns : tensor<111xf32> {kind = "activation", lifetime = "run"}
      func.func @f(%x: tensor<37x111xbf16> {pipe.slot = @x}, %b: tensor<111xbf16> {pipe.slot = @b})
          -> (tensor<37xf32> {pipe.slot = @rows}, tensor<111xf32> {pipe.slot = @columns}) {
        %bias = nn.broadcast %b dims [1] : (tensor<111xbf16>) -> tensor<37x111xbf16>
        %0 = nn.mul %x, %bias : tensor<37x111xbf16>
        %silu = nn.silu %0 : tensor<37x111xbf16>
        %exp = nn.exp %x : tensor<37x111xbf16>
        CUT
        %rows = nn.reduce sum %s dims [1] : (tensor<37x111xbf16>) -> tensor<37xf32>
        %columns = nn.reduce sum %e dims [0] : (tensor<37x111xbf16>) -> tensor<111xf32>
        return %rows, %columns : tensor<37xf32>, tensor<111xf32>
      })";
    result.replace(result.find("CUT"), 3,
                   isCut ? R"(
        %s0 = nn.neg %silu : tensor<37x111xbf16>
        %e0 = nn.neg %exp : tensor<37x111xbf16>
        %s1 = nn.reshape %s0 : (tensor<37x111xbf16>) -> tensor<4107xbf16>
        %e1 = nn.reshape %e0 : (tensor<37x111xbf16>) -> tensor<4107xbf16>
        %s = nn.reshape %s1 : (tensor<4107xbf16>) -> tensor<37x111xbf16>
        %e = nn.reshape %e1 : (tensor<4107xbf16>) -> tensor<37x111xbf16>)"
                         : R"(
        %s = nn.neg %silu : tensor<37x111xbf16>
        %e = nn.neg %exp : tensor<37x111xbf16>)");
    return result;
  };
  std::mt19937 engine(5);
  std::uniform_int_distribution<uint16_t> uniform(0x3d00, 0x3fff);
  std::vector<uint16_t> x(37 * 111), b(111);
  std::vector<float> rows[2], columns[2];
  for (auto *values : {&x, &b})
    for (uint16_t &value : *values)
      value = uniform(engine);
  for (bool isCut : {false, true}) {
    CompiledProgram program(text(isCut));
    program.set("x", x);
    program.set("b", b);
    program.call("f");
    // Cut off, both regions are one loop over x in front of the sums.
    EXPECT_EQ(program.marked.size(), isCut ? 3 : 2);
    rows[isCut] = program.get<float>("rows");
    columns[isCut] = program.get<float>("columns");
  }
  EXPECT_EQ(rows[0], rows[1]);
  EXPECT_EQ(columns[0], columns[1]);
}

} // namespace
