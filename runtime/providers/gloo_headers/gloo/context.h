// SPDX-License-Identifier: Apache-2.0
//
// Stands in for Gloo's header, which the LibTorch wheel lacks: what
// ProcessGroupGloo.hpp mentions of it. The class is never made here.
#pragma once

#include <chrono>

namespace gloo {
class Context {
public:
  std::chrono::milliseconds getTimeout() const;
  void setTimeout(std::chrono::milliseconds timeout);
};
} // namespace gloo
