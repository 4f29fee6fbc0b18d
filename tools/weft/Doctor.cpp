// SPDX-License-Identifier: Apache-2.0
//
// `weft doctor`: what is installed, what is missing, and what to do about it.
// A finding is a value, so that the table and the exit code read the same list.
#include "Commands.h"
#include "Environment.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/TargetParser/Host.h"
#include <filesystem>
#include <fstream>
#include <thread>

namespace fs = std::filesystem;
using namespace weft::tool;

namespace {
struct Finding {
  std::string name;
  std::optional<std::string> found; // what there is, if it is there
  std::string remedy;               // a command or a reason
  bool isRequired = true;
};
} // namespace

static Finding findLinker() {
  Finding finding{"linker", std::nullopt, "apt-get install lld-22"};
  // An ArrayRef is a view: what it shows must outlive the loop.
  const llvm::StringRef versioned[] = {"/usr/lib/llvm-22/bin"};
  const llvm::ArrayRef<llvm::StringRef> places[] = {{}, versioned};
  for (const char *name : {"ld.lld", "ld.lld-22"})
    for (llvm::ArrayRef<llvm::StringRef> folders : places)
      if (auto path = llvm::sys::findProgramByName(name, folders);
          path && !finding.found)
        finding.found = *path;
  return finding;
}

static Finding findCpu() {
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  std::string text =
      llvm::formatv("{0}, {1} cores", llvm::sys::getHostCPUName(),
                    std::thread::hardware_concurrency());
  for (const char *feature :
       {"avx2", "fma", "avx512f", "avx512bf16", "amx-bf16"})
    if (features.lookup(feature))
      text += std::string(", ") + feature;
  Finding finding{"CPU", text, ""};
  if (!features.lookup("avx2") || !features.lookup("fma"))
    finding = {"CPU", std::nullopt,
               text + ": programs are slow without avx2 and fma",
               /*isRequired=*/false};
  return finding;
}

static Finding findMemory() {
  std::ifstream file("/proc/meminfo");
  std::string word;
  int64_t kilobytes = 0;
  while (file >> word)
    if (word == "MemAvailable:" && file >> kilobytes)
      break;
  return {"memory",
          llvm::formatv("{0:F1} GiB available", kilobytes / 1048576.0).str(),
          ""};
}

static Finding findPython() {
  Finding finding{"Python environment", findVenv(),
                  "tools/quickstart makes it; needed to export models and "
                  "to prepare data"};
  return finding;
}

// The wheel's version, read from its files: starting Python takes seconds.
static Finding findTorch() {
  Finding finding{"LibTorch", std::nullopt,
                  ".venv/bin/pip install torch==2.11.0; needed for gloo, nccl "
                  "and MKL's kernels",
                  /*isRequired=*/false};
  std::optional<std::string> venv = findVenv();
  if (!venv)
    return finding;
  std::error_code error;
  for (const auto &python : fs::directory_iterator(*venv + "/lib", error)) {
    fs::path torch = python.path() / "site-packages" / "torch";
    auto version = llvm::MemoryBuffer::getFile((torch / "version.py").string(),
                                               /*IsText=*/true);
    if (!version || !fs::exists(torch / "lib" / "libtorch_cpu.so", error))
      continue;
    llvm::StringRef text = (*version)->getBuffer();
    text = text.substr(text.find("__version__ = ")).split('\'').second;
    finding.found = (text.split('\'').first + ", " + torch.string()).str();
  }
  return finding;
}

static Finding findCuda() {
  Finding finding{"CUDA toolkit", std::nullopt,
                  "optional: only for programs on GPUs",
                  /*isRequired=*/false};
  std::error_code error;
  for (const char *root : {"/usr/local/cuda", "/usr/local/cuda-13.0"})
    if (fs::exists(fs::path(root) / "bin" / "nvcc", error))
      finding.found = root;
  if (auto path = llvm::sys::findProgramByName("nvcc"))
    finding.found = *path;
  return finding;
}

static Finding findGpu() {
  Finding finding{"GPU", std::nullopt, "optional: programs run on the CPU",
                  /*isRequired=*/false};
  std::error_code error;
  int count = 0;
  while (fs::exists("/dev/nvidia" + std::to_string(count), error))
    ++count;
  if (count > 0)
    finding.found = std::to_string(count) + " NVIDIA";
  return finding;
}

static int diagnose() {
  Finding findings[] = {
      {"compiler", "LLVM " LLVM_VERSION_STRING, ""},
      findLinker(),
      findPython(),
      findTorch(),
      findCpu(),
      findMemory(),
      findCuda(),
      findGpu(),
  };
  int missing = 0;
  for (const Finding &finding : findings) {
    bool isMissing = !finding.found && finding.isRequired;
    missing += isMissing;
    llvm::outs() << llvm::formatv(
        "{0,-8} {1,-19} {2}\n",
        finding.found ? "ok" : (isMissing ? "missing" : "absent"), finding.name,
        finding.found ? *finding.found : finding.remedy);
  }
  if (missing)
    llvm::outs() << missing << " required part(s) missing\n";
  return missing ? BadUsage : Done;
}

void weft::tool::addDoctor(CLI::App &app, int &result) {
  CLI::App *doctor = app.add_subcommand(
      "doctor", "say what is installed, what is missing, and what to do");
  doctor->callback([&result] { result = diagnose(); });
}
