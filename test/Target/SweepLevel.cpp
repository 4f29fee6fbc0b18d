// SPDX-License-Identifier: Apache-2.0
//
// The sweep level of a test program, from its CMakeLists.txt.

#include "KernelHarness.h"

const unsigned weft::sweepLevel = SWEEP_LEVEL;
