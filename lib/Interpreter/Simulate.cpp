// SPDX-License-Identifier: Apache-2.0
//
// Simulate: runs steps, keeps what a run leaves behind, and compares two runs.
#include "weft/Interpreter/Simulate.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>
#include <cmath>

using namespace weft;
using namespace weft::interpreter;
using llvm::StringRef;
using mlir::failure;
using mlir::FailureOr;
using mlir::LogicalResult;
using mlir::success;

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

/// The kernels' check at run time, which plain loops share: see
/// `nn-plan-indices`.
static LogicalResult verifyIndices(pipe::SlotOp slot, const Tensor &samples) {
  auto size = slot->getAttrOfType<mlir::IntegerAttr>(pipe::kIndicesAttrName);
  bool ignores = slot->hasAttr(pipe::kIgnoresAttrName);
  if (size)
    for (const Element &element : samples.elements()) {
      int64_t index = element.integer;
      if ((index < 0 || index >= size.getInt()) && !(ignores && index == -100))
        return slot.emitError("data hold an index that the model lacks: got ")
               << index << ", expected 0 to " << size.getInt() - 1;
    }
  return success();
}

/// Feeds all microbatches of a step; `first` counts samples.
static LogicalResult feed(Execution &execution, const Batches &data,
                          int64_t microbatches, int64_t &first) {
  int64_t batch = 0;
  for (int64_t microbatch = 0; microbatch < microbatches; ++microbatch) {
    for (pipe::SlotOp slot : execution.slots()) {
      if (slot.getKind() != "input")
        continue;
      auto type = llvm::cast<mlir::RankedTensorType>(slot.getType());
      batch = type.getDimSize(0);
      auto samples = data.samples(slot.getSymName(), type.getShape(), first);
      if (!samples)
        return slot.emitOpError(llvm::toString(samples.takeError()));
      if (failed(verifyIndices(slot, *samples)) ||
          failed(execution.set(slot.getSymName(), *samples, microbatch)))
        return failure();
    }
    first += batch;
  }
  return success();
}

/// Global values of the gradient slots, by their parameters' stored names.
static TensorMap gradientsOf(mlir::ModuleOp module,
                             const Execution &execution) {
  TensorMap gradients;
  for (pipe::SlotOp slot : execution.slots()) {
    // An open slot is not a gradient yet.
    if (slot.getKind() != "gradient" || slot.getLifetime() != "run" ||
        !slot.getOf())
      continue;
    auto parameter = module.lookupSymbol<pipe::SlotOp>(*slot.getOf());
    gradients[storedName(parameter).str()] =
        execution.global(slot.getSymName());
  }
  return gradients;
}

/// What a step reports beside its loss.
static bool isMetric(StringRef name) {
  return name == "grad_norm" || name == "skipped" || name == "num_tokens";
}

static void takeState(const Execution &execution, RunResults &results) {
  for (pipe::SlotOp slot : execution.slots()) {
    StringRef name = slot.getSymName();
    if (slot.getKind() == "parameter")
      results.parameters[storedName(slot).str()] = execution.global(name);
    else if (slot.getKind() == "optimizer" || isMetric(name))
      results.state[name.str()] = execution.global(name);
    else
      continue;
    if (double deviation = execution.deviation(name))
      results.deviations[name.str()] = deviation;
  }
}

FailureOr<RunResults> interpreter::runSteps(mlir::ModuleOp module,
                                            const RunInputs &inputs) {
  Execution execution(module, inputs.arithmetic);
  if (failed(execution.load(inputs.weights)))
    return failure();
  int64_t scheduled = numScheduledMicrobatches(module);
  int64_t microbatches = scheduled > 0 ? scheduled : inputs.microbatches;
  RunResults results;
  int64_t firstSample = 0;
  for (int64_t step = 1; step <= inputs.steps; ++step) {
    if (failed(feed(execution, inputs.data, microbatches, firstSample)))
      return failure();
    execution.setScalar("step", static_cast<double>(step));
    execution.setScalar("lr", inputs.learningRate(step));
    auto beforeCall = [&](StringRef function) {
      if (step == inputs.steps && pipe::isUpdate(function))
        results.gradients = gradientsOf(module, execution);
    };
    if (failed(execution.step(microbatches, beforeCall)))
      return failure();
    if (module.lookupSymbol<pipe::SlotOp>("loss"))
      results.losses.push_back(execution.global("loss").value());
  }
  takeState(execution, results);
  return results;
}

llvm::Error interpreter::writeDump(StringRef folder,
                                   const RunResults &results) {
  if (std::error_code code = llvm::sys::fs::create_directories(folder))
    return llvm::createStringError("folder \"" + folder +
                                   "\" cannot be made: " + code.message());
  std::error_code code;
  llvm::raw_fd_ostream losses((folder + "/loss.json").str(), code);
  if (code)
    return llvm::createStringError("\"" + folder +
                                   "/loss.json\" cannot be "
                                   "written: " +
                                   code.message());
  losses << llvm::json::Value(llvm::json::Object{{"losses", results.losses}})
         << "\n";
  if (llvm::Error error = writeSafetensors(
          (folder + "/gradients.safetensors").str(), results.gradients))
    return error;
  return writeSafetensors((folder + "/parameters.safetensors").str(),
                          results.parameters);
}

//===----------------------------------------------------------------------===//
// Comparing
//===----------------------------------------------------------------------===//

double interpreter::normOf(const Tensor &tensor) {
  double squares = 0.0;
  for (int64_t i = 0, e = tensor.numElements(); i < e; ++i)
    squares += tensor.at(i) * tensor.at(i);
  return std::sqrt(squares);
}

double interpreter::distanceOf(const Tensor &a, const Tensor &b) {
  if (a.shape() != b.shape())
    return INFINITY;
  double squares = 0.0;
  for (int64_t i = 0, e = a.numElements(); i < e; ++i)
    squares += (a.at(i) - b.at(i)) * (a.at(i) - b.at(i));
  return std::sqrt(squares);
}

double Difference::severity() const {
  if (std::isnan(distance))
    return INFINITY;
  return distance == 0.0 ? 0.0 : distance / bound;
}

bool Comparison::agrees() const {
  return llvm::all_of(differences, [](const Difference &difference) {
    return difference.isWithin();
  });
}

const Difference *Comparison::worst() const {
  auto worst = llvm::max_element(differences,
                                 [](const Difference &a, const Difference &b) {
                                   return a.severity() < b.severity();
                                 });
  return worst == differences.end() ? nullptr : &*worst;
}

void Comparison::print(llvm::raw_ostream &os, bool isVerbose) const {
  auto printOne = [&](const Difference &difference) {
    os << llvm::formatv("{0} \"{1}\": |a - b| = {2:e3}, |b| = {3:e3}, "
                        "bound {4:e3}\n",
                        difference.kind, difference.name, difference.distance,
                        difference.norm, difference.bound);
  };
  int64_t numOutside = 0;
  for (const Difference &difference : differences) {
    numOutside += !difference.isWithin();
    if (isVerbose || !difference.isWithin())
      printOne(difference);
  }
  if (const Difference *difference = worst()) {
    os << "worst: ";
    printOne(*difference);
  }
  os << differences.size() << " values compared, " << numOutside << " differ\n";
}

/// Adds a difference for each name of either map; a missing tensor is
/// infinitely far away.
static void compareMaps(StringRef kind, const TensorMap &subject,
                        const TensorMap &reference, Tolerance tolerance,
                        double gradientNorm, Comparison &comparison) {
  for (const auto &[name, b] : reference) {
    auto a = subject.find(name);
    double norm = normOf(b);
    comparison.differences.push_back(
        {kind.str(), name,
         a == subject.end() ? INFINITY : distanceOf(a->second, b), norm,
         tolerance.relative * norm + tolerance.floor * gradientNorm});
  }
  for (const auto &[name, a] : subject)
    if (!reference.count(name))
      comparison.differences.push_back({kind.str(), name, INFINITY, 0.0, 0.0});
}

Comparison interpreter::compareRuns(const RunResults &subject,
                                    const RunResults &reference,
                                    Tolerance tolerance) {
  Comparison comparison;
  size_t steps = std::max(subject.losses.size(), reference.losses.size());
  for (size_t step = 0; step < steps; ++step) {
    bool isInBoth =
        step < subject.losses.size() && step < reference.losses.size();
    double norm = isInBoth ? std::fabs(reference.losses[step]) : 0.0;
    double distance =
        isInBoth ? std::fabs(subject.losses[step] - reference.losses[step])
                 : INFINITY;
    comparison.differences.push_back(
        {"loss", "step " + std::to_string(step + 1), distance, norm,
         tolerance.relative * norm});
  }
  double squares = 0.0;
  for (const auto &[name, gradient] : reference.gradients)
    squares += normOf(gradient) * normOf(gradient);
  double gradientNorm = std::sqrt(squares);
  compareMaps("gradient", subject.gradients, reference.gradients, tolerance,
              gradientNorm, comparison);
  compareMaps("parameter", subject.parameters, reference.parameters, tolerance,
              gradientNorm, comparison);
  compareMaps("state", subject.state, reference.state, tolerance, gradientNorm,
              comparison);
  for (const auto &[name, deviation] : subject.deviations)
    comparison.differences.push_back({"replica", name, deviation, 0.0, 1e-12});
  return comparison;
}

FailureOr<Comparison> interpreter::simulate(mlir::ModuleOp subject,
                                            mlir::ModuleOp reference,
                                            const RunInputs &inputs,
                                            Tolerance tolerance) {
  FailureOr<RunResults> expected = runSteps(reference, inputs);
  if (failed(expected))
    return failure();
  FailureOr<RunResults> got = runSteps(subject, inputs);
  if (failed(got))
    return failure();
  return compareRuns(*got, *expected, tolerance);
}
