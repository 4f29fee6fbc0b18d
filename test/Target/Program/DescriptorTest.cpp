// SPDX-License-Identifier: Apache-2.0
//
// What the descriptor says of slots, collectives and the schedule; the content
// key.
#include "CompiledProgram.h"
#include "mlir/IR/Diagnostics.h"

using namespace weft;
using llvm::json::Object;
using llvm::json::Value;

namespace {

Value parsed(llvm::StringRef text) {
  llvm::Expected<Value> value = llvm::json::parse(text);
  EXPECT_TRUE(bool(value)) << text.str();
  return value ? *value : Value(nullptr);
}

class DescriptorTest : public testing::Test {
protected:
  Object describe(llvm::StringRef text) {
    auto module = lowerToProgram(context, text);
    auto descriptor = buildDescriptor(*module);
    EXPECT_TRUE(succeeded(descriptor));
    return *descriptor;
  }
  mlir::MLIRContext context{programDialects()};
};

const char *const kCollectives = R"(
  #mesh = #dist.mesh<dp = 2, tp = (2, 2)>
  module attributes {dist.mesh = #mesh} {
  pipe.slot @a : tensor<3x8x5xf32> {kind = "activation", lifetime = "run"}
  pipe.slot @r : tensor<3x2x5xf32> {kind = "activation", lifetime = "run"}
  pipe.slot @t : tensor<6x4x5xf32> {kind = "activation", lifetime = "run"}
  pipe.slot @p : tensor<3x8x5xf32> {kind = "activation", lifetime = "run"}
  func.func @f(%a: tensor<3x8x5xf32> {pipe.slot = @a})
      -> (tensor<3x2x5xf32> {pipe.slot = @r}, tensor<6x4x5xf32> {pipe.slot = @t}, tensor<3x8x5xf32> {pipe.slot = @p}) {
    %r = dist.reduce_scatter "min" %a over #mesh ["tp"] dims [1] : (tensor<3x8x5xf32>) -> tensor<3x2x5xf32> loc("scatter")
    %t = dist.all_to_all %a over #mesh ["tp.1"] split [1] concat [0] : (tensor<3x8x5xf32>) -> tensor<6x4x5xf32>
    %p = dist.permute %a over #mesh ["tp"] from [0, 2, 1, 3] : (tensor<3x8x5xf32>) -> tensor<3x8x5xf32>
    return %r, %t, %p : tensor<3x2x5xf32>, tensor<6x4x5xf32>, tensor<3x8x5xf32>
  }
  })";

TEST_F(DescriptorTest, CountsOperandsOfCollectivesInElements) {
  Object descriptor = describe(kCollectives);
  const llvm::json::Array &all = *descriptor.getArray("collectives");
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0], parsed(R"({"id": 0, "kind": "reduce_scatter",
      "axes": [1, 2], "reduce": "min", "loc": "scatter",
      "operands": [{"dtype": "f32", "outer": 3, "inner": 10}]})"));
  EXPECT_EQ(*all[1].getAsObject()->get("axes"), parsed("[2]"));
  EXPECT_EQ(*all[1].getAsObject()->get("operands"), parsed(R"([{
      "dtype": "f32", "outer": 1, "inner": 120,
      "split": {"outer": 3, "inner": 20},
      "concat": {"outer": 1, "inner": 60}}])"));
  EXPECT_EQ(*all[2].getAsObject()->get("pairs"),
            parsed("[[0, 0], [2, 1], [1, 2], [3, 3]]"));
}

TEST_F(DescriptorTest, DescribesTheWorkOfSites) {
  Object descriptor = describe(R"(
    #mesh = #dist.mesh<dp = 2>
    module attributes {dist.mesh = #mesh} {
    pipe.slot @a : tensor<3x4x5xf32> {kind = "activation", lifetime = "run"}
    pipe.slot @b : tensor<7x5xf32> {kind = "activation", lifetime = "run"}
    pipe.slot @q : tensor<2x4x16x8xf32> {kind = "activation", lifetime = "run"}
    pipe.slot @k : tensor<2x2x16x8xf32> {kind = "activation", lifetime = "run"}
    pipe.slot @p : tensor<16xi64> {kind = "activation", lifetime = "run"}
    pipe.slot @c : tensor<3x4x7xf32> {kind = "activation", lifetime = "run"}
    pipe.slot @o : tensor<2x4x16x8xf32> {kind = "activation", lifetime = "run"}
    func.func @first(%a: tensor<3x4x5xf32> {pipe.slot = @a}, %b: tensor<7x5xf32> {pipe.slot = @b})
        -> (tensor<3x4x7xf32> {pipe.slot = @c}) {
      %c = nn.contract "btd,od->bto" %a, %b : (tensor<3x4x5xf32>, tensor<7x5xf32>) -> tensor<3x4x7xf32> loc("model.head")
      %s = dist.all_reduce "sum" %c over #mesh ["dp"] : (tensor<3x4x7xf32>) -> tensor<3x4x7xf32>
      return %s : tensor<3x4x7xf32>
    }
    func.func @second(%q: tensor<2x4x16x8xf32> {pipe.slot = @q}, %k: tensor<2x2x16x8xf32> {pipe.slot = @k}, %p: tensor<16xi64> {pipe.slot = @p})
        -> (tensor<2x4x16x8xf32> {pipe.slot = @o}) {
      %o, %l = nn.attention %q, %k, %k, %p, %p {causal, scale = 1.0 : f64} : (tensor<2x4x16x8xf32>, tensor<2x2x16x8xf32>, tensor<2x2x16x8xf32>, tensor<16xi64>, tensor<16xi64>) -> (tensor<2x4x16x8xf32>, tensor<2x4x16xf32>)
      %n, %m = nn.attention %o, %k, %k, %p, %p {causal, scale = 1.0 : f64, window = 3 : i64} : (tensor<2x4x16x8xf32>, tensor<2x2x16x8xf32>, tensor<2x2x16x8xf32>, tensor<16xi64>, tensor<16xi64>) -> (tensor<2x4x16x8xf32>, tensor<2x4x16xf32>)
      return %n : tensor<2x4x16x8xf32>
    }
    })");
  const llvm::json::Array &sites = *descriptor.getArray("sites");
  ASSERT_EQ(sites.size(), 5u);
  const Object &product = *sites[0].getAsObject();
  EXPECT_EQ(product.getString("op"), "contract btd,od->bto 3x4x5, 7x5");
  EXPECT_EQ(product.getString("kind"), "contraction");
  EXPECT_EQ(product.getInteger("flops"), 2 * 3 * 4 * 7 * 5);
  EXPECT_EQ(product.getInteger("bytes"), 4 * (60 + 35 + 84));
  EXPECT_EQ(product.getString("function"), "first");
  EXPECT_EQ(product.getString("loc"), "model.head");
  EXPECT_TRUE(product.getString("kernel")->starts_with("contract_"));
  EXPECT_EQ(sites[1].getAsObject()->getString("op"), "all_reduce");
  EXPECT_EQ(sites[2].getAsObject()->getString("op"), "wait all_reduce");
  EXPECT_EQ(sites[2].getAsObject()->getInteger("collective"), 0);
  // Two products of 16 x 16 scores and 8, half of them masked.
  const Object &attention = *sites[3].getAsObject();
  EXPECT_EQ(attention.getString("kind"), "attention");
  EXPECT_EQ(attention.getInteger("flops"), 2 * 2 * 2 * 4 * 16 * 16 * 8 / 2);
  EXPECT_EQ(attention.getString("function"), "second");
  // At most 3 scores of a query.
  EXPECT_EQ(sites[4].getAsObject()->getInteger("flops"),
            2 * 2 * 2 * 4 * 16 * 3 * 8);
}

TEST_F(DescriptorTest, DescribesSlotsByTheirLayout) {
  Object descriptor = describe(R"(
    #mesh = #dist.mesh<dp = 2, tp = 3>
    module attributes {dist.mesh = #mesh, weft.optimizer = {lr = 0.5 : f64, warmup_steps = 3 : i64, decay = "none"}} {
    pipe.slot @w : tensor<10x7xf32, #dist.layout<#mesh, tp = shard(0), dp = shard(0)>> {kind = "parameter", lifetime = "run", stored = "w", names = ["w", "v"], trainable}
    pipe.slot @g.w : tensor<10x7xf32, #dist.layout<#mesh, tp = shard(0), dp = shard(0)>> {kind = "gradient", lifetime = "run", of = @w}
    pipe.slot @g.w.open : tensor<10x7xf32, #dist.layout<#mesh, tp = shard(0), dp = partial(sum)>> {kind = "gradient", lifetime = "step", of = @w}
    pipe.slot @tokens : tensor<6x4xi64, #dist.layout<#mesh, dp = shard(0)>> {kind = "input", lifetime = "microbatch"}
    func.func @stage0() { return }
    func.func @stage0_update() { return }
    pipe.schedule [{call = @stage0, microbatch = 0 : i64}, {call = @stage0, microbatch = 1 : i64}, {call = @stage0_update}]
    })");
  const llvm::json::Array &slots = *descriptor.getArray("slots");
  EXPECT_EQ(slots[0], parsed(R"({"name": "w", "kind": "parameter",
      "dtype": "f32", "global_shape": [10, 7], "local_shape": [2, 7],
      "layout": [{"axis": 1, "dim": 0}, {"axis": 0, "dim": 0}], "partial": [],
      "region": "run", "offset": 0, "stored": "w", "names": ["w", "v"],
      "trainable": true, "gradient_of": null})"));
  EXPECT_EQ(slots[1].getAsObject()->getString("gradient_of"), "w");
  EXPECT_EQ(slots[1].getAsObject()->getInteger("offset"), 64);
  // An open slot is reduced into the gradient; it is none itself.
  EXPECT_EQ(*slots[2].getAsObject()->get("gradient_of"), Value(nullptr));
  EXPECT_EQ(*slots[2].getAsObject()->get("partial"), parsed("[0]"));
  EXPECT_EQ(slots[3].getAsObject()->getString("region"), "input");
  // A region ends where its last value ends; between the two of region run are
  // eight bytes of nobody.
  EXPECT_EQ(
      *descriptor.getObject("regions"),
      *parsed(R"({"run": 120, "step": 112, "microbatch": 0, "input": 96})")
           .getAsObject());
  EXPECT_EQ(*descriptor.getObject("occupied"),
            *parsed(R"({"run": [[0, 56], [64, 120]], "step": [[0, 112]],
                        "microbatch": [], "input": [[0, 96]]})")
                 .getAsObject());
  EXPECT_EQ(descriptor.getInteger("microbatches"), 2);
  EXPECT_EQ(descriptor.getInteger("batch"), 6);
  EXPECT_EQ(*descriptor.get("optimizer"),
            parsed(R"({"lr": 0.5, "warmup_steps": 3, "decay": "none"})"));
  EXPECT_EQ(*descriptor.get("mesh"), parsed(R"([
      {"name": "dp", "axis": "dp", "size": 2},
      {"name": "tp", "axis": "tp", "size": 3}])"));
}

TEST_F(DescriptorTest, PutsWhatCollectivesTouchInFront) {
  Object descriptor = describe(R"(
    #mesh = #dist.mesh<dp = 2>
    module attributes {dist.mesh = #mesh} {
    pipe.slot @w : tensor<4096xf32> {kind = "parameter", lifetime = "run", trainable}
    pipe.slot @g : tensor<2048xf32> {kind = "gradient", lifetime = "run", of = @w}
    pipe.slot @norm : tensor<f32> {kind = "scalar", lifetime = "step"}
    func.func @stage0() {
      %w = prog.buffer "run" slot @w : memref<4096xf32>
      %g = prog.buffer "run" slot @g : memref<2048xf32>
      %v = prog.view %g : memref<2048xf32> to memref<64x32xf32>
      %n = prog.buffer "step" slot @norm : memref<f32>
      prog.collective "all_reduce" 0 ins(%v, %n : memref<64x32xf32>, memref<f32>) outs(%v, %n : memref<64x32xf32>, memref<f32>) over #mesh ["dp"] reduce "sum" dims [] concat []
      prog.wait 0(%v, %n : memref<64x32xf32>, memref<f32>)
      return
    }
    pipe.schedule [{call = @stage0, microbatch = 0 : i64}]
    })");
  const llvm::json::Array &slots = *descriptor.getArray("slots");
  EXPECT_EQ(slots[0].getAsObject()->getInteger("offset"), 8192);
  EXPECT_EQ(slots[1].getAsObject()->getInteger("offset"), 0);
  // The norm is small, but goes with what is read in place.
  EXPECT_EQ(*descriptor.getObject("exchanged"),
            *parsed(R"({"run": 8192, "step": 4, "microbatch": 0, "input": 0})")
                 .getAsObject());
}

TEST_F(DescriptorTest, RefusesAProductAcrossRanks) {
  auto module = lowerToProgram(context, R"(
    #mesh = #dist.mesh<tp = 2>
    module attributes {dist.mesh = #mesh} {
    pipe.slot @a : tensor<f32> {kind = "activation", lifetime = "run"}
    func.func @f(%a: tensor<f32> {pipe.slot = @a}) -> (tensor<f32> {pipe.slot = @a}) {
      %r = dist.all_reduce "product" %a over #mesh ["tp"] : (tensor<f32>) -> tensor<f32>
      return %r : tensor<f32>
    }
    })");
  std::string message;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &d) {
    message += d.str();
    return mlir::success();
  });
  EXPECT_TRUE(failed(buildDescriptor(*module)));
  EXPECT_NE(message.find("combines across ranks with a product"),
            std::string::npos)
      << message;
}

TEST_F(DescriptorTest, KeyKnowsContentNotPlaces) {
  std::string text = kCollectives, moved = text, other = text;
  moved.replace(moved.find("\"scatter\""), 9, "\"elsewhere\"");
  moved.insert(moved.find("dist.mesh = "),
               "weft.weights = \"/w\", weft.libraries = [\"/l\"], ");
  other.replace(other.find("\"min\""), 5, "\"max\"");
  std::string key = contentKey(*lowerToProgram(context, text));
  EXPECT_EQ(key.size(), 32u);
  EXPECT_EQ(contentKey(*lowerToProgram(context, moved)), key);
  EXPECT_EQ(*describe(moved).get("libraries"), parsed(R"(["/l"])"));
  EXPECT_NE(contentKey(*lowerToProgram(context, other)), key);
}

} // namespace
