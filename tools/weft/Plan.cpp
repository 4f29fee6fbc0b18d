// SPDX-License-Identifier: Apache-2.0
//
// `weft plan`: compiles in memory up to the planned program and prints what
// was applied, the memory of a rank and the collectives of a step. It needs no
// devices and no weights.
#include "Commands.h"
#include "Compiler.h"
#include "PlanOptions.h"
#include "weft/IR/Prog/Prog.h"
#include "weft/Pipelines/StepCollectives.h"
#include "weft/Target/Program.h"

#include "mlir/Pass/PassManager.h"
#include "weft/Plan/Pattern.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"
#include <filesystem>
#include <set>

namespace fs = std::filesystem;
using namespace mlir;
using namespace weft;
using namespace weft::tool;
using llvm::formatv;
using llvm::outs;

namespace {
struct ReportOptions {
  std::string model;
  PlanOptions plan;
};
} // namespace

static std::string bytesText(int64_t bytes) {
  static const char *units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = bytes;
  int unit = 0;
  while (value >= 1024 && unit < 4) {
    value /= 1024;
    ++unit;
  }
  return formatv(unit ? "{0,8:F1} {1}" : "{0,8:F0} {1}", value, units[unit]);
}

static void printMesh(const Config &config) {
  std::string product;
  for (const auto &[name, size] : config.meshAxes())
    if (size > 1)
      product +=
          (product.empty() ? "" : " x ") + name + " " + std::to_string(size);
  outs() << "mesh: " << (product.empty() ? "" : product + " = ")
         << config.numRanks() << " rank" << (config.numRanks() > 1 ? "s" : "")
         << "\n";
}

// `a, b, c`, each once and with `*` for numbers; at most six.
static std::string listed(ArrayAttr names) {
  llvm::SetVector<std::string, std::vector<std::string>, std::set<std::string>>
      general;
  for (auto name : names.getAsRange<StringAttr>())
    general.insert(generalize(name.getValue()));
  std::string text;
  for (auto [position, name] : llvm::enumerate(general)) {
    if (position == 6)
      return text + formatv(", and {0} more", general.size() - 6).str();
    text += (position ? ", " : "") + name;
  }
  return text;
}

static void printApplied(ModuleOp module, const Config &config) {
  auto applied = module->getAttrOfType<DictionaryAttr>("weft.applied");
  if (!applied)
    return;
  auto units = applied.getAs<ArrayAttr>("units");
  outs() << "units: root";
  if (!units.empty())
    outs() << ", " << units.size() << " of " << listed(units);
  outs() << "\n";
  if (config.mesh.tp == 1)
    return;
  outs() << "\nApplied styles\n";
  for (auto rule :
       applied.getAs<ArrayAttr>("rules").getAsRange<DictionaryAttr>()) {
    auto text = [&](const char *key) {
      return rule.getAs<StringAttr>(key).getValue();
    };
    outs() << formatv("  {0,-40} {1,-22} {2,3} x  {3}\n", text("pattern"),
                      text("style"), rule.getAs<ArrayAttr>("matched").size(),
                      text("origin"));
  }
  if (auto uncovered = applied.getAs<ArrayAttr>("uncovered");
      !uncovered.empty())
    outs() << "  no rule covers (replicated along tp): " << listed(uncovered)
           << "\n";
}

// `f32 [4, 64]`
static std::string typeText(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  std::string text;
  llvm::raw_string_ostream os(text);
  os << tensor.getElementType() << " [";
  llvm::interleaveComma(tensor.getShape(), os);
  os << "]";
  return text;
}

static void printLargest(ArrayAttr values) {
  outs() << "  largest at the peak\n";
  for (auto value : values.getAsRange<DictionaryAttr>())
    outs() << formatv("    {0}  {1,-16}  {2,-13}  {3}\n",
                      bytesText(value.getAs<IntegerAttr>("bytes").getInt()),
                      typeText(value.getAs<TypeAttr>("type").getValue()),
                      value.getAs<StringAttr>("category").getValue(),
                      value.getAs<StringAttr>("name").getValue());
}

static void printMemory(ModuleOp module) {
  auto memory = module->getAttrOfType<DictionaryAttr>(prog::kMemoryAttrName);
  auto categories = memory.getAs<DictionaryAttr>("categories");
  auto regions = module->getAttrOfType<DictionaryAttr>(prog::kRegionsAttrName);
  auto print = [](DictionaryAttr bytes, llvm::StringRef name) {
    outs() << formatv("  {0,-14}", name)
           << bytesText(bytes.getAs<IntegerAttr>(name).getInt());
  };
  outs() << "\nMemory of a rank\n";
  for (const char *name :
       {"parameters", "gradients", "optimizer", "buffers", "inputs", "scalars",
        "saved", "transient", "communication", "scratch", "padding"}) {
    print(categories, name);
    outs() << "\n";
  }
  print(memory, "peak");
  if (auto at = memory.getAs<StringAttr>("at"))
    outs() << "  in " << at.getValue();
  outs() << "\n";
  print(memory, "least");
  outs() << "  no placement takes less\n  regions\n";
  for (llvm::StringRef name : prog::kRegionNames) {
    outs() << "  ";
    print(regions, name);
    outs() << "\n";
  }
  printLargest(memory.getAs<ArrayAttr>("largest"));
}

static void printCollectives(llvm::ArrayRef<CollectiveUse> uses) {
  outs() << "\nCollectives of a step (bytes of whole tensors, per rank)\n";
  if (uses.empty()) {
    outs() << "  none\n";
    return;
  }
  outs() << formatv("  {0,-9} {1,-14} {2,-18} {3,5} {4,7} {5,12}  {6}\n",
                    "phase", "kind", "axes", "calls", "tensors", "bytes",
                    "module");
  int64_t calls = 0, bytes = 0;
  for (const CollectiveUse &use : uses) {
    outs() << formatv("  {0,-9} {1,-14} {2,-18} {3,5} {4,7} {5,12}  {6}\n",
                      use.phase, use.kind, use.axes, use.calls, use.tensors,
                      bytesText(use.bytes), use.module);
    calls += use.calls;
    bytes += use.bytes;
  }
  outs() << formatv("  {0,-9} {1,-14} {2,-18} {3,5} {4,7} {5,12}\n", "all", "",
                    "", calls, "", bytesText(bytes));
}

static int report(const ReportOptions &options) {
  std::optional<Config> config = options.plan.load();
  if (!config)
    return BadUsage;
  if (!fs::exists(fs::path(options.model) / "model.mlir")) {
    llvm::errs() << "error: \"" << options.model
                 << "\" is no exported model: it has no \"model.mlir\"\n";
    return BadInput;
  }
  Compiler compiler;
  OwningOpRef<ModuleOp> module = readModel(compiler.context(), options.model);
  if (!module)
    return BadInput;
  std::vector<CollectiveUse> uses;
  auto observe = [&](Phase phase, ModuleOp current) {
    if (phase == Phase::Scheduled)
      uses = usesOfStep(current);
  };
  if (int code = compiler.exitCode(lowerToPhase(*module, *config, observe)))
    return code;
  TargetConfig target;
  target.cpu = config->target.cpu;
  auto info = resolveTarget(target, module->getLoc());
  if (failed(info))
    return BadUsage;
  PassManager passes(&compiler.context());
  addProgramPasses(passes, *info);
  if (failed(passes.run(*module)))
    return CompileFailed;
  printMesh(*config);
  printApplied(*module, *config);
  printMemory(*module);
  printCollectives(uses);
  return Done;
}

void weft::tool::addPlan(CLI::App &app, int &result) {
  auto options = std::make_shared<ReportOptions>();
  CLI::App *command = app.add_subcommand(
      "plan", "Show what a plan does to a model: memory and collectives");
  command->footer("Needs no devices: plan for any number of ranks.\n\n"
                  "  weft plan model/ -c weft.toml\n"
                  "  weft plan model/ --set mesh.dp_shard=8 --set mesh.tp=2");
  command->add_option("MODEL", options->model, "folder made by weft-export")
      ->required();
  options->plan.addTo(*command);
  command->callback([options, &result] { result = report(*options); });
}
