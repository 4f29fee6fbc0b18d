// SPDX-License-Identifier: Apache-2.0
//
// Stands in for Gloo's header: ProcessGroupGloo.hpp includes it and uses
// nothing of it.
