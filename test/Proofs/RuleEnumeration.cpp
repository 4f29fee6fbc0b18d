// SPDX-License-Identifier: Apache-2.0
//
// Enumerates assignments, builds the typed op, partitions, runs and compares.
#include "RuleEnumeration.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "weft/Interpreter/Sharding.h"
#include "weft/Interpreter/Simulate.h"
#include "weft/Transforms/Passes.h"
#include <cmath>

using namespace weft;
using namespace weft::interpreter;

std::string Sharding::text(const Mesh &mesh) const {
  std::string text;
  for (const Layout &layout : operands)
    text += "(" + toString(mesh, layout) + ") ";
  text += "->";
  for (const Layout &layout : results)
    text += " (" + toString(mesh, layout) + ")";
  return text;
}

//===----------------------------------------------------------------------===//
// Enumeration
//===----------------------------------------------------------------------===//

/// The layouts that follow from `assignment`, if it is one that layouts can
/// say: axes stay inside factor bounds.
static std::optional<Sharding> shardingOf(const Mesh &mesh,
                                          const ShardingRule &rule,
                                          const Assignment &assignment) {
  Sharding sharding{assignment, {}, {}};
  for (size_t i = 0; i < rule.operands.size(); ++i)
    sharding.operands.push_back(operandLayout(mesh, rule, assignment, i));
  for (size_t i = 0; i < rule.results.size(); ++i)
    sharding.results.push_back(resultLayout(mesh, rule, assignment, i));
  auto match = matchLayouts(mesh, rule, sharding.operands, sharding.results);
  if (!match.assignment)
    return std::nullopt;
  return sharding;
}

std::vector<Sharding>
interpreter::enumerateShardings(const Mesh &mesh, const ShardingRule &rule) {
  int numFactors = rule.factors.size(), numSets = rule.linear.size();
  int numChoices = 1 + numFactors + numSets;
  int64_t numAssignments = 1;
  for (int axis = 0; axis < mesh.numAtoms(); ++axis)
    numAssignments *= numChoices;
  std::vector<Sharding> shardings;
  for (int64_t number = 0; number < numAssignments; ++number) {
    Assignment assignment(mesh.numAtoms());
    bool isLegal = true;
    int64_t rest = number;
    for (int axis = 0; axis < mesh.numAtoms(); ++axis) {
      int choice = static_cast<int>(rest % numChoices) - 1;
      rest /= numChoices;
      if (choice >= numFactors)
        assignment.partialSet[axis] = choice - numFactors;
      else
        assignment.factorOf[axis] = choice;
      if (choice >= 0 && choice < numFactors)
        isLegal &= rule.factors[choice].kind != FactorKind::Whole &&
                   rule.factors[choice].size > 1;
    }
    if (!isLegal)
      continue;
    if (auto sharding = shardingOf(mesh, rule, assignment))
      shardings.push_back(std::move(*sharding));
  }
  return shardings;
}

//===----------------------------------------------------------------------===//
// Typed programs, and their run
//===----------------------------------------------------------------------===//

/// Adds @f<number>: the op of @f on types with the layouts of `sharding`.
static mlir::func::FuncOp addTyped(mlir::ModuleOp module, dist::MeshAttr mesh,
                                   const Sharding &sharding, size_t number) {
  auto plain = module.lookupSymbol<mlir::func::FuncOp>("f");
  mlir::func::FuncOp typed = plain.clone();
  typed.setName("f" + std::to_string(number));
  module.push_back(typed);
  mlir::Operation *op = &typed.front().front();
  auto setLayout = [&](mlir::Value value, const Layout &layout) {
    auto type = llvm::cast<mlir::RankedTensorType>(value.getType());
    value.setType(dist::withLayout(
        type, dist::LayoutAttr::get(module.getContext(), mesh, layout)));
  };
  for (auto [argument, layout] :
       llvm::zip_equal(typed.getArguments(), sharding.operands))
    setLayout(argument, layout);
  for (auto [result, layout] :
       llvm::zip_equal(op->getResults(), sharding.results))
    setLayout(result, layout);
  typed.setFunctionType(mlir::FunctionType::get(
      module.getContext(), typed.front().getArgumentTypes(),
      op->getResultTypes()));
  return typed;
}

/// What the ranks hold of an operand. Parts of partial values are random;
/// padding is NaN, and for labels the ignored one.
static RankTensors distribute(const Mesh &mesh, const Layout &layout,
                              const Tensor &global, bool isLabels) {
  double padding = isLabels ? -100.0 : 0.0;
  RankTensors locals =
      shard(mesh, layout, global, global.isFloating() ? NAN : padding);
  llvm::SmallVector<int, 4> partial = layout.partialAxes();
  for (int64_t rank = 0; rank < mesh.numRanks(); ++rank) {
    llvm::SmallVector<int64_t> group = mesh.group(rank, partial);
    if (group.front() == rank)
      continue;
    // The same part on all replicas of the group: seeded by its position.
    Tensor part =
        randomLike(locals[rank], mesh.indexInGroup(rank, partial), -1, 1);
    Tensor &first = locals[group.front()];
    for (int64_t i = 0; i < part.numElements(); ++i)
      first.set(i, first.at(i) - part.at(i));
    locals[rank] = part;
  }
  return locals;
}

/// A message if the ranks' results do not make up `expected`.
static std::string compare(const Mesh &mesh, const Sharding &sharding,
                           llvm::ArrayRef<RankTensors> expected,
                           llvm::ArrayRef<RankTensors> got) {
  for (size_t k = 0; k < expected.size(); ++k) {
    const Tensor &plain = expected[k].front();
    Tensor joined = unshard(mesh, sharding.results[k], plain.shape(), got[k]);
    double distance = distanceOf(joined, plain);
    if (!(distance <= 1e-11 * (1.0 + normOf(plain))))
      return "result " + std::to_string(k) + " is off by " +
             std::to_string(distance);
    double deviation =
        replicaDeviation(mesh, sharding.results[k], plain.shape(), got[k]);
    if (!(deviation <= 1e-11))
      return "replicas of result " + std::to_string(k) + " differ by " +
             std::to_string(deviation);
  }
  return "";
}

/// Partitions all typed functions of the module.
static bool partition(mlir::ModuleOp module) {
  mlir::PassManager passes(module.getContext());
  passes.enableVerifier(false); // mutants are refused one by one
  passes.addPass(createPartitionPass());
  return succeeded(passes.run(module));
}

static void noteUse(const Sharding &sharding, RuleFindings &findings) {
  for (int factor : sharding.assignment.factorOf)
    if (factor >= 0)
      findings.usedFactors[factor] = true;
  for (int set : sharding.assignment.partialSet)
    if (set >= 0)
      findings.usedSets[set] = true;
}

RuleFindings interpreter::runShardings(TestContext &context,
                                       const Example &example, const Mesh &mesh,
                                       const ShardingRule &rule,
                                       llvm::ArrayRef<Sharding> shardings) {
  RuleFindings findings;
  findings.usedFactors.resize(rule.factors.size());
  findings.usedSets.resize(rule.linear.size());
  auto module = context.parse(example.text());
  mlir::Operation *op = opOf(*module);
  std::vector<Tensor> operands = operandsOf(example, op);
  llvm::SmallVector<RankTensors> plain;
  for (const Tensor &operand : operands)
    plain.push_back({operand});
  auto expected = *evaluateOp(op, plain, Machine::global());
  bool hasLabels = op->getName().getStringRef().contains("cross_entropy");

  auto meshAttr = dist::MeshAttr::get(context.get(), mesh);
  module->getOperation()->setAttr(dist::kMeshAttrName, meshAttr);
  llvm::SmallVector<mlir::func::FuncOp> functions;
  for (auto [number, sharding] : llvm::enumerate(shardings))
    functions.push_back(addTyped(*module, meshAttr, sharding, number));
  module->lookupSymbol<mlir::func::FuncOp>("f").erase();
  bool isPartitioned = partition(*module);

  // Diagnostics of refused mutants are part of the finding, not of the log.
  mlir::ScopedDiagnosticHandler quiet(
      context.get(), [](mlir::Diagnostic &) { return mlir::success(); });
  for (auto [function, sharding] : llvm::zip_equal(functions, shardings)) {
    ++findings.numRun;
    noteUse(sharding, findings);
    std::string problem = "is refused by the verifier";
    if (isPartitioned && succeeded(mlir::verify(function))) {
      llvm::SmallVector<RankTensors> arguments;
      for (auto [i, operand] : llvm::enumerate(operands))
        arguments.push_back(distribute(mesh, sharding.operands[i], operand,
                                       hasLabels && i == 1));
      auto got = interpret(function, arguments, Machine::ranksOf(mesh));
      problem = failed(got) ? "cannot be run"
                            : compare(mesh, sharding, expected, *got);
    }
    if (!problem.empty())
      findings.wrong.push_back(example.name() + "  " + sharding.text(mesh) +
                               ": " + problem);
  }
  return findings;
}
