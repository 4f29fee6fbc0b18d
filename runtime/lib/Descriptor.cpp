// SPDX-License-Identifier: Apache-2.0
//
// Descriptor: JSON -> checked values. Everything the rest of the runtime
// relies on (indices in range, slots inside their regions, known kinds) is
// checked here, once.
#include "weft_runtime/Descriptor.h"
#include "HostCpu.h"
#include "weft_runtime/Error.h"
#include "weft_runtime/ProgramFile.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <dlfcn.h>
#include <unistd.h>

using namespace weft;
using Json = nlohmann::json;

static const char *const regionNames[WEFT_NUM_REGIONS] = {
    "run", "step", "microbatch", "input"};

[[noreturn]] static void fail(const std::string &message) {
  throw Error(ExitCode::InputFile, "program descriptor " + message,
              "compile the program again with this version of weft");
}

template <typename T>
static T get(const Json &object, const char *key, T otherwise) {
  auto it = object.find(key);
  return it == object.end() || it->is_null() ? otherwise : it->get<T>();
}

static CollectiveKind parseKind(const std::string &name) {
  for (auto kind : {CollectiveKind::AllGather, CollectiveKind::AllReduce,
                    CollectiveKind::ReduceScatter, CollectiveKind::AllToAll,
                    CollectiveKind::Permute})
    if (toString(kind) == name)
      return kind;
  fail("has an unknown collective: got " + quote(name));
}

static DType parseType(const Json &object, const std::string &where) {
  auto name = object.at("dtype").get<std::string>();
  if (std::optional<DType> dtype = parseDType(name))
    return *dtype;
  fail("has an unknown dtype in " + where + ": got " + quote(name));
}

static void checkAxes(const std::vector<int> &axes, const Mesh &mesh,
                      const std::string &where) {
  for (int axis : axes)
    if (axis < 0 || axis >= static_cast<int>(mesh.axes.size()))
      fail("names a mesh axis out of range in " + where + ": got " +
           std::to_string(axis) + ", expected less than " +
           std::to_string(mesh.axes.size()));
}

static Slot parseSlot(const Json &json, const Descriptor &descriptor) {
  Slot slot;
  slot.name = json.at("name");
  std::string where = "slot " + quote(slot.name);
  slot.kind = json.at("kind");
  slot.dtype = parseType(json, where);
  slot.globalShape = json.at("global_shape").get<std::vector<int64_t>>();
  slot.localShape = json.at("local_shape").get<std::vector<int64_t>>();
  for (const Json &entry : get(json, "layout", Json::array())) {
    slot.layout.push_back({entry.at("axis"), entry.at("dim")});
    checkAxes({slot.layout.back().axis}, descriptor.mesh, where);
    if (slot.layout.back().dim < 0 ||
        slot.layout.back().dim >= static_cast<int>(slot.globalShape.size()))
      fail("shards a dim out of range in " + where);
  }
  slot.partial = get(json, "partial", std::vector<int>());
  checkAxes(slot.partial, descriptor.mesh, where);
  slot.offset = json.at("offset");
  slot.stored = get(json, "stored", std::string());
  slot.names = get(json, "names", std::vector<std::string>());
  slot.trainable = get(json, "trainable", false);
  slot.gradientOf = get(json, "gradient_of", std::string());
  slot.indices = get(json, "indices", int64_t(0));
  slot.ignores = get(json, "ignores", false);

  auto region = json.at("region").get<std::string>();
  const auto *found =
      std::find(regionNames, regionNames + WEFT_NUM_REGIONS, region);
  if (found == regionNames + WEFT_NUM_REGIONS)
    fail("has an unknown region in " + where + ": got " + quote(region));
  slot.region = static_cast<weft_region>(found - regionNames);
  int64_t end = slot.offset + slot.localBytes();
  if (slot.offset < 0 || end > descriptor.regionBytes[slot.region])
    fail("places " + where + " outside of region " + quote(region) +
         ": got end " + std::to_string(end) + ", expected at most " +
         std::to_string(descriptor.regionBytes[slot.region]));
  Slice slice = sliceOf(descriptor.mesh, slot.layout, slot.globalShape,
                        descriptor.mesh.coordinates(0));
  if (slice.local != slot.localShape)
    fail("has a local shape in " + where + " that its layout does not give");
  return slot;
}

static Collective parseCollective(const Json &json, const Mesh &mesh) {
  Collective collective;
  collective.id = json.at("id");
  std::string where = "collective " + std::to_string(collective.id);
  collective.kind = parseKind(json.at("kind"));
  collective.axes = json.at("axes").get<std::vector<int>>();
  checkAxes(collective.axes, mesh, where);
  auto reduce = get(json, "reduce", std::string("sum"));
  std::optional<ReduceKind> kind = parseReduceKind(reduce);
  if (!kind)
    fail("has an unknown reduction in " + where + ": got " + quote(reduce));
  collective.reduce = *kind;
  collective.loc = get(json, "loc", std::string());
  collective.gathered = get<int64_t>(json, "gathered", -1);
  if (collective.gathered >= 0 && collective.kind != CollectiveKind::AllGather)
    fail("has gathered outputs of another kind in " + where);
  for (const Json &entry : json.at("operands")) {
    Operand operand;
    operand.dtype = parseType(entry, where);
    operand.outer = get<int64_t>(entry, "outer", 1);
    operand.inner = get<int64_t>(entry, "inner", 1);
    if (collective.kind == CollectiveKind::AllToAll) {
      operand.splitOuter = entry.at("split").at("outer");
      operand.splitInner = entry.at("split").at("inner");
      operand.concatOuter = entry.at("concat").at("outer");
      operand.concatInner = entry.at("concat").at("inner");
      if (operand.splitOuter * operand.splitInner !=
          operand.concatOuter * operand.concatInner)
        fail("splits and joins pieces of different sizes in " + where);
    }
    collective.operands.push_back(operand);
  }
  for (const Json &pair : get(json, "pairs", Json::array()))
    collective.pairs.emplace_back(pair.at(0), pair.at(1));
  return collective;
}

static Site parseSite(const Json &json) {
  Site site;
  site.op = json.at("op");
  site.kind = json.at("kind");
  site.kernel = get(json, "kernel", std::string());
  site.collective = get<int64_t>(json, "collective", -1);
  site.function = json.at("function");
  site.loc = get(json, "loc", std::string());
  site.flops = get<int64_t>(json, "flops", 0);
  site.bytes = get<int64_t>(json, "bytes", 0);
  return site;
}

static OptimizerConfig parseOptimizer(const Json &json) {
  OptimizerConfig config;
  config.lr = get(json, "lr", 0.0);
  config.lrMin = get(json, "lr_min", 0.0);
  config.warmupSteps = get<int64_t>(json, "warmup_steps", 0);
  config.steps = get<int64_t>(json, "steps", 0);
  auto decay = get(json, "decay", std::string("none"));
  const std::pair<const char *, Decay> decays[] = {{"none", Decay::None},
                                                   {"linear", Decay::Linear},
                                                   {"sqrt", Decay::Sqrt},
                                                   {"cosine", Decay::Cosine}};
  for (const auto &[name, value] : decays)
    if (decay == name) {
      config.decay = value;
      return config;
    }
  fail("has an unknown decay: got " + quote(decay));
}

static void parseSchedule(const Json &json, Descriptor &descriptor) {
  for (const Json &entry : json.at("step")) {
    Call call;
    call.function = entry.at("call");
    if (entry.contains("microbatch"))
      call.microbatch = entry.at("microbatch").get<int64_t>();
    if (call.microbatch.value_or(0) < 0 ||
        call.microbatch.value_or(0) >= descriptor.microbatches)
      fail("schedules a microbatch out of range: got " +
           std::to_string(*call.microbatch) + ", expected less than " +
           std::to_string(descriptor.microbatches));
    descriptor.step.push_back(call);
  }
}

static Descriptor readDescriptor(const Json &json) {
  Descriptor descriptor;
  if (int64_t abi = json.at("abi"); abi != WEFT_ABI_VERSION)
    fail("has another ABI version: got " + std::to_string(abi) + ", expected " +
         std::to_string(WEFT_ABI_VERSION));
  descriptor.key = json.at("key");
  for (const Json &axis : json.at("mesh"))
    descriptor.mesh.axes.push_back(
        {axis.at("name"), axis.at("axis"), axis.at("size")});
  for (int region = 0; region < WEFT_NUM_REGIONS; ++region)
    descriptor.regionBytes[region] = json.at("regions").at(regionNames[region]);
  for (int region = 0; region < WEFT_NUM_REGIONS; ++region)
    descriptor.occupied[region] =
        get(get(json, "occupied", Json::object()), regionNames[region],
            Descriptor::Extents{{0, descriptor.regionBytes[region]}});
  for (int region = 0; region < WEFT_NUM_REGIONS; ++region)
    descriptor.exchangedBytes[region] =
        get(get(json, "exchanged", Json::object()), regionNames[region],
            descriptor.regionBytes[region]);
  descriptor.microbatches = get<int64_t>(json, "microbatches", 1);
  descriptor.batch = get<int64_t>(json, "batch", 0);
  descriptor.communicator = get(json, "communicator", std::string("auto"));
  descriptor.libraries = get(json, "libraries", std::vector<std::string>());
  descriptor.weights = get(json, "weights", std::string());
  descriptor.tiles = get(json, "tiles", false);
  Json target = get(json, "target", Json::object());
  descriptor.cpu = get(target, "cpu", std::string());
  descriptor.instructions =
      get(target, "instructions", std::vector<std::string>());
  descriptor.optimizer = parseOptimizer(get(json, "optimizer", Json::object()));
  for (const Json &slot : json.at("slots"))
    descriptor.slots.push_back(parseSlot(slot, descriptor));
  for (const Json &entry : get(json, "collectives", Json::array())) {
    descriptor.collectives.push_back(parseCollective(entry, descriptor.mesh));
    if (descriptor.collectives.back().id + 1 !=
        static_cast<int64_t>(descriptor.collectives.size()))
      fail("numbers its collectives out of order");
  }
  for (const Json &entry : get(json, "sites", Json::array()))
    descriptor.sites.push_back(parseSite(entry));
  parseSchedule(json.at("schedule"), descriptor);
  return descriptor;
}

Descriptor weft::parseDescriptor(const std::string &text) {
  try {
    return readDescriptor(Json::parse(text));
  } catch (const Json::exception &error) {
    fail(std::string("does not parse: ") + error.what());
  }
}

const Slot *Descriptor::slot(const std::string &name) const {
  for (const Slot &slot : slots)
    if (slot.name == name)
      return &slot;
  return nullptr;
}

Program weft::loadProgram(const std::string &path) {
  if (access(path.c_str(), R_OK) == 0) // else the loader has the reason
    checkProgramFile(path);
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    throw Error(ExitCode::InputFile,
                "program " + quote(path) + " does not load: " + dlerror(),
                "run train from the folder \"weft compile\" wrote");
  Program program;
  program.path = path;
  program.handle = std::shared_ptr<void>(library, dlclose);
  const auto *text = static_cast<const char *>(dlsym(library, "weft_program"));
  if (!text)
    throw Error(ExitCode::InputFile,
                quote(path) + " is no program: it lacks \"weft_program\"");
  program.descriptor = parseDescriptor(text);
  requireInstructions(program.descriptor, path);
  for (const Call &call : program.descriptor.step) {
    void *function = dlsym(library, call.function.c_str());
    if (!function)
      throw Error(ExitCode::InputFile, "program " + quote(path) +
                                           " lacks function " +
                                           quote(call.function));
    program.functions[call.function] =
        reinterpret_cast<weft_function>(function);
  }
  return program;
}
