// SPDX-License-Identifier: Apache-2.0
//
// LearningRate: the one value of a step that the host computes.
#include "weft_runtime/Trainer.h"

#include <algorithm>
#include <cmath>

using namespace weft;

double weft::learningRate(const OptimizerConfig &config, int64_t step,
                          int64_t steps) {
  if (config.steps > 0)
    steps = config.steps;
  if (step <= config.warmupSteps)
    return config.lr * static_cast<double>(step) /
           static_cast<double>(config.warmupSteps);
  double done = std::clamp(
      static_cast<double>(step - config.warmupSteps) /
          std::max(1.0, static_cast<double>(steps - config.warmupSteps)),
      0.0, 1.0);
  double left = 1;
  switch (config.decay) {
  case Decay::None:
    return config.lr;
  case Decay::Linear:
    left = 1 - done;
    break;
  case Decay::Sqrt:
    left = 1 - std::sqrt(done);
    break;
  case Decay::Cosine:
    left = 0.5 * (1 + std::cos(done * 3.14159265358979323846));
    break;
  }
  return config.lrMin + (config.lr - config.lrMin) * left;
}
