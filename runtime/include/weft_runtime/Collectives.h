// SPDX-License-Identifier: Apache-2.0
//
// Collectives: turns the collectives of a descriptor into communicator calls.
// Communicators move contiguous blocks; here are the strides, the buckets, and
// the groups of the mesh.
#ifndef WEFT_RUNTIME_COLLECTIVES_H
#define WEFT_RUNTIME_COLLECTIVES_H

#include "weft_runtime/Communicator.h"
#include "weft_runtime/Descriptor.h"

namespace weft {

class CollectiveRunner {
public:
  /// Adds one group per distinct list of axes, in the order of first use, and
  /// allocates the scratch memory that packing needs.
  CollectiveRunner(const Descriptor &descriptor, Communicator &communicator);

  /// Executes collective `id` on one pointer per operand.
  void run(int64_t id, const void *const *inputs, void *const *outputs);

  /// What the constructor allocates from the communicator, at most.
  static int64_t scratchBytes(const Descriptor &descriptor);

private:
  /// Operands that go in one call. An operand alone whose blocks are already
  /// contiguous needs no packing.
  struct Batch {
    std::vector<size_t> operands;
    bool isDirect = false;
    int64_t blockBytes = 0; // of one block: what one member adds or receives
  };
  std::vector<Batch> plan(const Collective &collective) const;
  void call(const Collective &collective, const Batch &batch, const void *input,
            void *output);
  void runPacked(const Collective &collective, const Batch &batch,
                 const void *const *inputs, void *const *outputs);

  const Descriptor &descriptor;
  Communicator &communicator;
  std::vector<Group> groups;
  std::vector<size_t> groupOf;             // by collective
  std::vector<std::vector<Batch>> batches; // by collective
  std::byte *packedInput = nullptr;
  std::byte *packedOutput = nullptr;
};

} // namespace weft

#endif // WEFT_RUNTIME_COLLECTIVES_H
