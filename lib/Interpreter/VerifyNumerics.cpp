// SPDX-License-Identifier: Apache-2.0
//
// Observations of a module on random inputs, and their comparison around each
// pass.
#include "weft/Interpreter/VerifyNumerics.h"

#include "mlir/Pass/Pass.h"
#include "weft/IR/NN/NN.h"
#include "weft/IR/Prog/Prog.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"
#include <random>

using namespace weft;
using namespace weft::interpreter;
using llvm::StringRef;
using mlir::failure;
using mlir::FailureOr;
using mlir::LogicalResult;
using mlir::success;

static const char *const kDerivative = "derivative of the loss";

//===----------------------------------------------------------------------===//
// Random inputs
//===----------------------------------------------------------------------===//

RandomInputs RandomInputs::forModule(mlir::ModuleOp module, uint64_t seed) {
  RandomInputs inputs;
  inputs.seed = seed;
  module.walk([&](nn::EmbeddingOp op) {
    inputs.indexBound =
        std::max(inputs.indexBound, op.getTable().getType().getDimSize(0));
  });
  return inputs;
}

static std::mt19937_64 generatorFor(uint64_t seed, StringRef name,
                                    int64_t microbatch) {
  return std::mt19937_64(llvm::xxh3_64bits(name) + 31 * seed + microbatch);
}

Tensor RandomInputs::valueOf(pipe::SlotOp slot, int64_t microbatch) const {
  StringRef name = slot.getSymName();
  std::mt19937_64 random = generatorFor(seed, name, microbatch);
  std::uniform_real_distribution<double> uniform(-0.5, 0.5);
  Tensor value =
      Tensor::zeros(llvm::cast<mlir::RankedTensorType>(slot.getType()));
  for (int64_t i = 0, e = value.numElements(); i < e; ++i) {
    if (value.isFloating()) {
      double number = uniform(random);
      value.set(i, slot.getKind() == "optimizer" ? number * number : number);
      continue;
    }
    auto index = static_cast<double>(random() % indexBound);
    bool isIgnored = name == "labels" && random() % 4 == 0;
    value.set(i, isIgnored ? -100.0 : index);
  }
  return value;
}

Tensor RandomInputs::directionOf(pipe::SlotOp parameter) const {
  return valueOf(parameter, /*microbatch=*/1 << 20);
}

//===----------------------------------------------------------------------===//
// Observing
//===----------------------------------------------------------------------===//

bool interpreter::canObserve(mlir::ModuleOp module) {
  if (module.getOps<mlir::func::FuncOp>().empty() ||
      module.getOps<pipe::SlotOp>().empty())
    return false;
  auto findsLowered = [](mlir::Operation *op) {
    bool isLowered =
        llvm::isa_and_present<prog::ProgDialect>(op->getDialect()) &&
        !llvm::isa<prog::FusedOp, prog::YieldOp, prog::WindowOp>(op);
    return isLowered ? mlir::WalkResult::interrupt()
                     : mlir::WalkResult::advance();
  };
  return !module.walk(findsLowered).wasInterrupted();
}

namespace {
/// One module, run on random inputs.
class Observer {
public:
  Observer(mlir::ModuleOp module, const RandomInputs &inputs)
      : module(module), inputs(inputs), execution(module) {}

  FailureOr<TensorMap> observe();

private:
  LogicalResult setInputs(double along);
  FailureOr<TensorMap> runModel(double along);
  LogicalResult runStep();
  LogicalResult addDerivativeOfModel();
  void addDerivativeOfGradients();
  /// Sum of coefficient * sum / weight over the loss terms.
  double lossOf(const TensorMap &results);
  bool has(StringRef function) {
    return module.lookupSymbol<mlir::func::FuncOp>(function) != nullptr;
  }

  mlir::ModuleOp module;
  const RandomInputs &inputs;
  Execution execution;
  TensorMap seen;
};
} // namespace

/// Gives all slots that come from outside their values; parameters are moved
/// by `along` times their direction.
LogicalResult Observer::setInputs(double along) {
  for (pipe::SlotOp slot : execution.slots()) {
    StringRef kind = slot.getKind(), name = slot.getSymName();
    if (kind != "parameter" && kind != "buffer" && kind != "optimizer" &&
        kind != "input")
      continue;
    int64_t copies = kind == "input" ? inputs.microbatches : 1;
    for (int64_t microbatch = 0; microbatch < copies; ++microbatch) {
      Tensor value = inputs.valueOf(slot, microbatch);
      if (along != 0.0 && slot.getTrainable()) {
        Tensor direction = inputs.directionOf(slot);
        for (int64_t i = 0, e = value.numElements(); i < e; ++i)
          value.set(i, value.at(i) + along * direction.at(i));
      }
      if (failed(execution.set(name, value, microbatch)))
        return failure();
    }
  }
  execution.setScalar("step", 1.0);
  execution.setScalar("lr", 0.01);
  return success();
}

static void accumulate(TensorMap &sums, const std::string &name,
                       const Tensor &value) {
  auto [it, isNew] = sums.try_emplace(name, value);
  for (int64_t i = 0, e = value.numElements(); !isNew && i < e; ++i)
    it->second.set(i, it->second.at(i) + value.at(i));
}

/// Results of @weigh and @model, summed over the microbatches.
FailureOr<TensorMap> Observer::runModel(double along) {
  execution = Execution(module);
  if (failed(setInputs(along)))
    return failure();
  auto model = module.lookupSymbol<mlir::func::FuncOp>("model");
  TensorMap results;
  for (int64_t microbatch = 0; microbatch < inputs.microbatches; ++microbatch) {
    if ((has("weigh") && failed(execution.call("weigh", microbatch))) ||
        failed(execution.call("model", microbatch)))
      return failure();
    for (unsigned i = 0; i < model.getNumResults(); ++i) {
      StringRef slot = pipe::slotOfResult(model, i).getValue();
      accumulate(results, slot.str(), execution.global(slot, microbatch));
    }
  }
  for (pipe::SlotOp slot : execution.slots())
    if (has("weigh") && slot.getSymName().ends_with(".weight") &&
        slot.getKind() == "scalar")
      results[slot.getSymName().str()] = execution.global(slot.getSymName());
  return results;
}

double Observer::lossOf(const TensorMap &results) {
  double loss = 0.0;
  for (pipe::SlotOp slot : execution.slots()) {
    StringRef term = slot.getSymName();
    if (!slot.getCoefficient() || !term.consume_back(".sum"))
      continue;
    auto sum = results.find(slot.getSymName().str());
    auto weight = results.find((term + ".weight").str());
    if (sum != results.end() && weight != results.end() &&
        weight->second.value() != 0.0)
      loss += slot.getCoefficient()->convertToDouble() * sum->second.value() /
              weight->second.value();
  }
  return loss;
}

LogicalResult Observer::addDerivativeOfModel() {
  constexpr double kStep = 1e-5;
  FailureOr<TensorMap> ahead = runModel(kStep), behind = runModel(-kStep);
  if (failed(ahead) || failed(behind))
    return failure();
  double derivative = (lossOf(*ahead) - lossOf(*behind)) / (2 * kStep);
  seen[kDerivative] = Tensor::scalar(ElementKind::F64, derivative);
  return success();
}

void Observer::addDerivativeOfGradients() {
  double derivative = 0.0;
  for (pipe::SlotOp slot : execution.slots()) {
    auto gradient = seen.find(slot.getSymName().str());
    if (slot.getKind() != "gradient" || slot.getLifetime() != "run" ||
        !slot.getOf() || gradient == seen.end())
      continue;
    Tensor direction =
        inputs.directionOf(module.lookupSymbol<pipe::SlotOp>(*slot.getOf()));
    for (int64_t i = 0, e = direction.numElements(); i < e; ++i)
      derivative += gradient->second.at(i) * direction.at(i);
  }
  seen[kDerivative] = Tensor::scalar(ElementKind::F64, derivative);
}

/// Slots as they are before the update, and state as it is after it.
LogicalResult Observer::runStep() {
  if (failed(setInputs(0.0)))
    return failure();
  auto takeSlots = [&](llvm::ArrayRef<StringRef> kinds, StringRef suffix) {
    for (pipe::SlotOp slot : execution.slots()) {
      StringRef name = slot.getSymName();
      bool isTemporary = slot.getLifetime() == "microbatch" ||
                         name.starts_with("fingerprint") ||
                         name.ends_with(".open") || name == "step" ||
                         name == "lr";
      if (llvm::is_contained(kinds, slot.getKind()) && !isTemporary)
        seen[(name + suffix).str()] = execution.global(name);
    }
  };
  auto beforeCall = [&](StringRef function) {
    if (pipe::isUpdate(function))
      takeSlots({"gradient", "scalar"}, "");
  };
  if (failed(execution.step(inputs.microbatches, beforeCall)))
    return failure();
  if (!has("stage0_update")) {
    takeSlots({"gradient", "scalar"}, "");
    return success();
  }
  takeSlots({"parameter", "optimizer", "scalar"}, " after the update");
  return success();
}

FailureOr<TensorMap> Observer::observe() {
  if (has("model")) {
    FailureOr<TensorMap> results = runModel(0.0);
    if (failed(results))
      return failure();
    seen = std::move(*results);
    if (failed(addDerivativeOfModel()))
      return failure();
    return seen;
  }
  if (failed(runStep()))
    return failure();
  addDerivativeOfGradients();
  return seen;
}

FailureOr<TensorMap> interpreter::observe(mlir::ModuleOp module,
                                          const RandomInputs &inputs) {
  return Observer(module, inputs).observe();
}

//===----------------------------------------------------------------------===//
// Comparing
//===----------------------------------------------------------------------===//

Comparison interpreter::compareObservations(const TensorMap &after,
                                            const TensorMap &before) {
  Comparison comparison;
  double all = 0.0;
  for (const auto &[name, value] : before)
    all += normOf(value);
  for (const auto &[name, b] : before) {
    auto a = after.find(name);
    if (a == after.end())
      continue;
    double norm = normOf(b);
    double relative = name == kDerivative ? 1e-5 : 1e-9;
    comparison.differences.push_back({"slot", name, distanceOf(a->second, b),
                                      norm, relative * norm + 1e-12 * all});
  }
  return comparison;
}

void NumericsInstrumentation::runBeforePass(mlir::Pass *pass,
                                            mlir::Operation *op) {
  auto module = llvm::dyn_cast<mlir::ModuleOp>(op);
  if (!module || !canObserve(module))
    return;
  mlir::OperationFingerPrint now(op);
  if (before && fingerPrint == now)
    return;
  if (!inputs) {
    inputs = RandomInputs::forModule(module, seed);
    inputs->microbatches = microbatches;
  }
  before.reset();
  fingerPrint = now;
  if (FailureOr<TensorMap> seen = observe(module, *inputs); succeeded(seen))
    before = std::move(*seen);
}

void NumericsInstrumentation::runAfterPass(mlir::Pass *pass,
                                           mlir::Operation *op) {
  auto module = llvm::dyn_cast<mlir::ModuleOp>(op);
  if (!module || !before || !canObserve(module))
    return;
  mlir::OperationFingerPrint now(op);
  if (fingerPrint == now)
    return;
  fingerPrint = now;
  FailureOr<TensorMap> after = observe(module, *inputs);
  if (failed(after)) {
    module.emitError("pass \"")
        << pass->getArgument() << "\" leaves a program that cannot be run";
    report.atFault.push_back(pass->getArgument().str());
    before.reset();
    return;
  }
  Comparison comparison = compareObservations(*after, *before);
  report.numCompared += comparison.differences.size();
  if (!comparison.agrees()) {
    const Difference &worst = *comparison.worst();
    module.emitError("pass \"")
        << pass->getArgument() << "\" changes what the program computes: \""
        << worst.name << "\" is off by " << worst.distance
        << ", expected at most " << worst.bound;
    report.atFault.push_back(pass->getArgument().str());
  }
  before = std::move(*after);
}
