// SPDX-License-Identifier: Apache-2.0
//
// Stands in for Gloo's header, which the LibTorch wheel lacks: what
// ProcessGroupGloo.hpp mentions of it. Devices are only passed on.
#pragma once

namespace gloo::transport {
class Device;
class UnboundBuffer {
public:
  virtual ~UnboundBuffer() = 0;
};
} // namespace gloo::transport
