// SPDX-License-Identifier: Apache-2.0
//
// Stands in for Gloo's header: ProcessGroupGloo.hpp includes it and uses
// nothing of it.
#ifndef WEFT_GLOO_HEADERS_GLOO_ALGORITHM_H
#define WEFT_GLOO_HEADERS_GLOO_ALGORITHM_H

#endif // WEFT_GLOO_HEADERS_GLOO_ALGORITHM_H
