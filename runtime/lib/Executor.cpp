// SPDX-License-Identifier: Apache-2.0
//
// Executor: regions, the callbacks of the program, and the fingerprint.
//
// A collective that fails must not throw through the program's frames, which
// have no unwind tables: the error is kept, later collectives of the call are
// skipped, and it is thrown when the function returns. Until then the program
// computes on what lies in its memory.
#include "weft_runtime/Executor.h"
#include "weft_runtime/Profile.h"

#include <cstring>
#include <xxhash.h>

using namespace weft;

static int64_t rounded(int64_t bytes) { return (bytes + 63) / 64 * 64; }

Regions::Regions(const Descriptor &descriptor, Communicator &communicator,
                 int64_t guard)
    : stride(inputStride(descriptor)) {
  for (int region = 0; region < WEFT_NUM_REGIONS; ++region) {
    int64_t bytes = plannedBytes(descriptor, region) + guard;
    int64_t exchanged = descriptor.exchangedBytes[region];
    if (region == WEFT_REGION_INPUT && exchanged > 0)
      exchanged = bytes; // a part of each microbatch
    void *memory = communicator.allocate(bytes, exchanged);
    whole[region] = {static_cast<char *>(memory), static_cast<size_t>(bytes)};
  }
}

int64_t Regions::inputStride(const Descriptor &descriptor) {
  return rounded(descriptor.regionBytes[WEFT_REGION_INPUT]);
}

int64_t Regions::plannedBytes(const Descriptor &descriptor, int region) {
  int64_t before = region == WEFT_REGION_INPUT
                       ? inputStride(descriptor) * (descriptor.microbatches - 1)
                       : 0;
  return before + descriptor.regionBytes[region];
}

int64_t Regions::bytes(const Descriptor &descriptor, int64_t guard) {
  int64_t total = 0;
  for (int region = 0; region < WEFT_NUM_REGIONS; ++region)
    total += rounded(plannedBytes(descriptor, region) + guard);
  return total;
}

std::array<char *, WEFT_NUM_REGIONS> Regions::bases(int64_t microbatch) const {
  std::array<char *, WEFT_NUM_REGIONS> result;
  for (int region = 0; region < WEFT_NUM_REGIONS; ++region)
    result[region] = whole[region].data();
  result[WEFT_REGION_INPUT] += microbatch * stride;
  return result;
}

char *Regions::address(const Slot &slot, int64_t microbatch) const {
  return bases(microbatch)[slot.region] + slot.offset;
}

bool weft::isUpdate(const Call &call) {
  return call.function.ends_with("_update");
}

int64_t Executor::sharedBytes(const Descriptor &descriptor) {
  // Each region may begin on a page, which some systems make 64 KiB large.
  return Regions::bytes(descriptor, Regions::guardBytes) +
         (WEFT_NUM_REGIONS + 1) * int64_t{65536};
}

Executor::Executor(const Program &program, Communicator &communicator,
                   int64_t guard)
    : program(program), communicator(communicator),
      memory(program.descriptor, communicator, guard),
      collectives(program.descriptor, communicator,
                  /*mayKeepInputs=*/guard == 0),
      coordinates(program.descriptor.mesh.coordinates(communicator.rank())) {
  context.abi_version = WEFT_ABI_VERSION;
  context.coordinates = coordinates.data();
  context.start = &Executor::start;
  context.wait = &Executor::wait;
  context.provider = nullptr;
  context.mark = &Executor::ignoreMark;
  context.gathered = collectives.gatheredOutputs();
  context.executor = this;
}

void Executor::setProfile(Profile *newProfile) {
  profile = newProfile;
  context.mark = profile ? &Executor::mark : &Executor::ignoreMark;
}

//===----------------------------------------------------------------------===//
// Callbacks
//===----------------------------------------------------------------------===//

void Executor::start(weft_context *context, int64_t collective,
                     const void *const *inputs, void *const *outputs) {
  Executor &self = *static_cast<Context *>(context)->executor;
  try {
    self.collectiveOf(collective);
    self.collectives.expect(collective, outputs);
    if (!self.failure)
      self.issue(collective, inputs, outputs);
  } catch (...) {
    self.failure = std::current_exception();
  }
}

void Executor::wait(weft_context *context, int64_t collective) {
  Executor &self = *static_cast<Context *>(context)->executor;
  if (self.failure)
    return;
  try {
    self.currentCollective =
        &self.program.descriptor.collectives.at(collective);
    self.collectives.finish(collective);
  } catch (...) {
    self.failure = std::current_exception();
  }
}

void Executor::ignoreMark(weft_context *, int64_t) {}

void Executor::mark(weft_context *context, int64_t site) {
  Executor &self = *static_cast<Context *>(context)->executor;
  if (!self.profile->enterSite(site) && !self.failure)
    self.failure = std::make_exception_ptr(
        Error(ExitCode::Internal,
              "the program marks an unknown site: got " + std::to_string(site) +
                  ", expected less than " +
                  std::to_string(self.program.descriptor.sites.size())));
}

const Collective &Executor::collectiveOf(int64_t id) const {
  const std::vector<Collective> &known = program.descriptor.collectives;
  if (id >= 0 && id < static_cast<int64_t>(known.size()))
    return known[id];
  throw Error(ExitCode::Internal,
              "the program starts an unknown collective: got " +
                  std::to_string(id) + ", expected less than " +
                  std::to_string(known.size()));
}

void Executor::issue(int64_t id, const void *const *inputs,
                     void *const *outputs) {
  currentCollective = &collectiveOf(id);
  if (onCollective)
    onCollective(*currentCall, *currentCollective);
  // The history so far is the seed, so the order counts.
  auto add = [this](const std::array<int64_t, 3> &words) {
    fingerprint = XXH64(words.data(), sizeof(words), fingerprint);
  };
  add({id, static_cast<int64_t>(currentCollective->kind), 0});
  for (const Operand &operand : currentCollective->operands)
    add({static_cast<int64_t>(operand.dtype), operand.outer * operand.inner,
         operand.splitOuter * operand.splitInner});
  collectives.start(id, inputs, outputs);
}

std::string Executor::lastCollective() const {
  if (!currentCollective)
    return "";
  return std::string(toString(currentCollective->kind)) + " " +
         std::to_string(currentCollective->id) + " (" + currentCollective->loc +
         ") of " + currentCall->function;
}

//===----------------------------------------------------------------------===//
// Step
//===----------------------------------------------------------------------===//

void Executor::runStep(int64_t step, double learningRate,
                       const std::function<void(const Call &)> &beforeCall) {
  clearSlots(WEFT_REGION_STEP);
  setScalar("step", static_cast<double>(step));
  setScalar("lr", learningRate);
  for (const Call &call : program.descriptor.step) {
    currentCall = &call;
    if (beforeCall)
      beforeCall(call);
    if (isUpdate(call)) {
      writeFingerprint();
      communicator.settle();
    }
    auto bases = memory.bases(call.microbatch.value_or(0));
    program.functions.at(call.function)(&context, bases.data());
    if (profile)
      profile->enter(Profile::Outside::Host);
    if (failure)
      std::rethrow_exception(std::exchange(failure, nullptr));
  }
}

void Executor::clearSlots(weft_region region) {
  for (const Slot &slot : program.descriptor.slots)
    if (slot.region == region)
      std::memset(memory.address(slot), 0, slot.localBytes());
}

void Executor::writeFingerprint() {
  for (int i = 0; i < 4; ++i)
    writtenFingerprint[i] =
        static_cast<double>((fingerprint >> (16 * i)) & 0xffff);
  if (const Slot *slot = program.descriptor.slot("fingerprint"))
    std::memcpy(memory.address(*slot), writtenFingerprint.data(),
                sizeof(writtenFingerprint));
}

void Executor::checkFingerprint() const {
  const Slot *slot = program.descriptor.slot("fingerprint.sum");
  if (!slot)
    return;
  std::array<double, 4> sum{};
  std::memcpy(sum.data(), memory.address(*slot), sizeof(sum));
  for (int i = 0; i < 4; ++i)
    if (sum[i] != writtenFingerprint[i] * communicator.worldSize())
      throw Error(ExitCode::RanksDisagree,
                  "the ranks issued different collectives: got a fingerprint "
                  "sum that is not " +
                      std::to_string(communicator.worldSize()) +
                      " times that of this rank",
                  "run \"weft check\" on the artefact, and see that all hosts "
                  "have the same one");
}

double Executor::scalar(const std::string &name, double otherwise) const {
  const Slot *slot = program.descriptor.slot(name);
  if (!slot)
    return otherwise;
  double value = 0;
  convert(slot->dtype, memory.address(*slot), DType::F64, &value, 1);
  return value;
}

void Executor::setScalar(const std::string &name, double value) {
  if (const Slot *slot = program.descriptor.slot(name))
    convert(DType::F64, &value, slot->dtype, memory.address(*slot), 1);
}
