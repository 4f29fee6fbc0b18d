// SPDX-License-Identifier: Apache-2.0
//
// Which module has which tensor-parallel style.
//
// 1. Rules: the published ones (module attribute weft.tp_plan), then the
//    user's. 2. Each module takes the rule that matches it; the user's wins
//    over the published. 3. Two rules of one rank that differ are an error, a
//    user's pattern without a match too; a published one is a warning.
#include "PlanModel.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace weft;

static LogicalResult addRule(const PlanModel &model, PlanDecision &decision,
                             StringRef patternText, StringRef styleName,
                             StringRef origin) {
  llvm::Expected<NamePattern> pattern = NamePattern::parse(patternText);
  if (!pattern)
    return emitAtOrigin(model.module, origin)
           << llvm::toString(pattern.takeError());
  if (pattern->side() != PatternSide::Name)
    return emitAtOrigin(model.module, origin)
           << "a style belongs to a module: got pattern \"" << patternText
           << "\"; give tensors a constraint in [plan.layouts]";
  llvm::Expected<const Style *> style = findStyle(styleName);
  if (!style) {
    auto diagnostic = emitAtOrigin(model.module, origin)
                      << llvm::toString(style.takeError());
    if (origin == "published")
      diagnostic.attachNote()
          << "the model's config publishes it for \"" << patternText
          << "\": set plan.tensor_parallel to \"none\", and [plan.styles]";
    return diagnostic;
  }
  decision.rules.push_back({*pattern, *style, origin.str(), {}});
  return success();
}

static LogicalResult collectRules(const PlanModel &model, const Config &config,
                                  PlanDecision &decision) {
  auto published = model.module->getAttrOfType<DictionaryAttr>("weft.tp_plan");
  // Without tensor parallelism nothing published is applied, whatever it says.
  if (published && config.plan.tensorParallel == "published" &&
      config.mesh.tp > 1)
    for (NamedAttribute entry : published) {
      auto style = dyn_cast<StringAttr>(entry.getValue());
      if (!style)
        return mlir::emitError(model.module->getLoc(),
                               "weft.tp_plan holds no style for \"")
               << entry.getName() << "\": got " << entry.getValue();
      if (failed(addRule(model, decision, entry.getName(), style, "published")))
        return failure();
    }
  for (const PatternEntry &entry : config.plan.styles)
    if (failed(
            addRule(model, decision, entry.pattern, entry.text, entry.origin)))
      return failure();
  return success();
}

// Styles are for modules; a parameter's own name works too.
static std::vector<std::string> styleTargets(const PlanModel &model) {
  std::vector<std::string> names = model.modules;
  for (const PlanParameter &parameter : model.parameters)
    names.insert(names.end(), parameter.names.begin(), parameter.names.end());
  return names;
}

// The better of two rules that match `name`; an error if neither is.
static FailureOr<int> choose(const PlanModel &model, PlanDecision &decision,
                             StringRef name, int old, int candidate) {
  StyleRule &a = decision.rules[old], &b = decision.rules[candidate];
  if (a.isPublished() != b.isPublished())
    return a.isPublished() ? candidate : old;
  if (a.style == b.style)
    return old;
  emitAtOrigin(model.module, b.origin)
      << "\"" << name << "\" is given two styles: \"" << a.pattern.str()
      << "\" = \"" << a.style->name << "\" and \"" << b.pattern.str()
      << "\" = \"" << b.style->name << "\"";
  return failure();
}

static LogicalResult reportUnmatched(const PlanModel &model,
                                     const PlanDecision &decision,
                                     ArrayRef<std::string> names) {
  LogicalResult result = success();
  for (const StyleRule &rule : decision.rules) {
    if (!rule.matched.empty())
      continue;
    if (rule.isPublished()) {
      mlir::emitWarning(model.module->getLoc(), "published style \"")
          << rule.pattern.str() << "\" = \"" << rule.style->name
          << "\" matches no module";
      continue;
    }
    auto diagnostic = emitAtOrigin(model.module, rule.origin)
                      << "pattern \"" << rule.pattern.str()
                      << "\" matches nothing in the model";
    if (auto near = suggestName(rule.pattern, names))
      diagnostic << "; did you mean \"" << *near << "\"?";
    result = failure();
  }
  return result;
}

/// A style that this model could have, the numbers in the module's name left
/// open: for the last matrix in a numbered layer, which sums what others have
/// made, else for the last of all; for "MODULE" if there is no matrix.
static std::string exampleStyle(const PlanModel &model) {
  std::string example = "MODULE";
  bool isNumbered = false;
  for (const PlanParameter &parameter : model.parameters) {
    StringRef name = parameter.names.front();
    if (parameter.numDims() != 2 || !name.consume_back(".weight"))
      continue;
    SmallVector<StringRef> parts;
    name.split(parts, '.');
    bool hasNumber = false;
    for (StringRef &part : parts)
      if (llvm::all_of(part, [](char c) { return llvm::isDigit(c); }))
        part = "*", hasNumber = true;
    if (hasNumber || !isNumbered)
      example = llvm::join(parts, "."), isNumbered = hasNumber;
  }
  return "\"" + example + "\" = \"" + (isNumbered ? "rowwise" : "colwise") +
         "\"";
}

LogicalResult weft::decideStyles(const PlanModel &model, const Config &config,
                                 PlanDecision &decision) {
  if (failed(collectRules(model, config, decision)))
    return failure();
  std::vector<std::string> names = styleTargets(model);
  for (const std::string &name : names) {
    int chosen = -1;
    for (auto [index, rule] : llvm::enumerate(decision.rules)) {
      if (!rule.pattern.matches(name))
        continue;
      rule.matched.push_back(name);
      FailureOr<int> better =
          chosen < 0 ? FailureOr<int>(index)
                     : choose(model, decision, name, chosen, index);
      if (failed(better))
        return failure();
      chosen = *better;
    }
    if (chosen >= 0)
      decision.styled.push_back({name, chosen});
  }
  if (failed(reportUnmatched(model, decision, names)))
    return failure();
  bool saysNothing = decision.rules.empty() && config.plan.layouts.empty();
  if (config.mesh.tp == 1 || !saysNothing)
    return success();
  auto diagnostic = emitAtOrigin(model.module, config.originOf("mesh.tp"))
                    << "mesh.tp is " << config.mesh.tp
                    << ", but no plan says what it shards";
  diagnostic.attachNote() << "add styles, such as [plan.styles] "
                          << exampleStyle(model) << ", or set mesh.tp to 1";
  return diagnostic;
}
