// SPDX-License-Identifier: Apache-2.0
//
// Collectives: the collectives of a descriptor as transfers of a communicator,
// over the groups of the mesh.
#ifndef WEFT_RUNTIME_COLLECTIVES_H
#define WEFT_RUNTIME_COLLECTIVES_H

#include "weft_runtime/Communicator.h"
#include "weft_runtime/Descriptor.h"

namespace weft {

class CollectiveRunner {
public:
  /// Adds one group per distinct list of axes, in the order of first use.
  /// Without `mayKeepInputs` every output is written where it is told to be.
  CollectiveRunner(const Descriptor &descriptor, Communicator &communicator,
                   bool mayKeepInputs = true);

  /// Outputs of collective `id` are found where they are told to be until it
  /// has ended, as they are if that never comes.
  void expect(int64_t id, void *const *outputs);
  /// Begins collective `id` on one pointer per operand, and ends it.
  void start(int64_t id, const void *const *inputs, void *const *outputs) {
    communicator.start(transfers[id], inputs, outputs);
  }
  void finish(int64_t id);

  /// The list of that name in weft_context.
  const void *const *gatheredOutputs() const { return gathered.data(); }

private:
  Communicator &communicator;
  std::vector<Transfer> transfers;  // by collective
  std::vector<int64_t> firstOutput; // by collective: in `gathered`, or -1
  std::vector<const void *> gathered;
};

} // namespace weft

#endif // WEFT_RUNTIME_COLLECTIVES_H
