// SPDX-License-Identifier: Apache-2.0
//
// Prints diagnostics as `file:line:col: error: message`.
#include "Compiler.h"
#include "Commands.h"
#include "weft/Transforms/ApplyPlan.h"

#include "mlir/IR/DialectRegistry.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace weft::tool {

static DialectRegistry registryOfWeft() {
  DialectRegistry registry;
  registerWeftDialects(registry);
  return registry;
}

/// `file:line:col: ` of a location, looking through names; else the module's
/// name; empty if unknown.
static std::string placeOf(Location location) {
  std::string place;
  location->walk([&](Location part) {
    auto file = dyn_cast<FileLineColLoc>(part);
    if (!file)
      return WalkResult::advance();
    place = file.getFilename().str();
    if (file.getLine() > 0)
      place += ":" + std::to_string(file.getLine()) + ":" +
               std::to_string(file.getColumn());
    place += ": ";
    return WalkResult::interrupt();
  });
  if (auto name = dyn_cast<NameLoc>(location); name && place.empty())
    place = name.getName().str() + ": ";
  return place;
}

static llvm::StringRef severityOf(const Diagnostic &diagnostic) {
  switch (diagnostic.getSeverity()) {
  case DiagnosticSeverity::Note:
    return "note: ";
  case DiagnosticSeverity::Warning:
    return "warning: ";
  case DiagnosticSeverity::Error:
    return "error: ";
  case DiagnosticSeverity::Remark:
    return "remark: ";
  }
  llvm_unreachable("unknown DiagnosticSeverity");
}

Compiler::Compiler()
    : mlirContext(registryOfWeft(), MLIRContext::Threading::DISABLED) {
  mlirContext.loadAllAvailableDialects();
  mlirContext.printOpOnDiagnostic(false);
  mlirContext.getDiagEngine().registerHandler([this](Diagnostic &diagnostic) {
    std::string place = placeOf(diagnostic.getLocation());
    auto name = dyn_cast<NameLoc>(diagnostic.getLocation());
    isPlanAtFault |= diagnostic.getSeverity() == DiagnosticSeverity::Error &&
                     name && name.getName() == kPlanLocationName;
    llvm::errs() << place << severityOf(diagnostic) << diagnostic << "\n";
    for (const Diagnostic &note : diagnostic.getNotes())
      llvm::errs() << placeOf(note.getLocation()) << severityOf(note) << note
                   << "\n";
    return success();
  });
}

int Compiler::exitCode(CompileStatus status) const {
  switch (status) {
  case CompileStatus::Done:
    return Done;
  case CompileStatus::BadModel:
    return BadInput;
  case CompileStatus::PlanImpossible:
    return isPlanAtFault ? BadUsage : PlanImpossible;
  case CompileStatus::Failed:
    return CompileFailed;
  case CompileStatus::StorageFailed:
    return Storage;
  }
  llvm_unreachable("unknown CompileStatus");
}

} // namespace weft::tool
