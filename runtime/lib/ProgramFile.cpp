// SPDX-License-Identifier: Apache-2.0
//
// ProgramFile: the ELF headers' idea of the size, then the manifest's hash.
#include "weft_runtime/ProgramFile.h"
#include "weft_runtime/Error.h"
#include "weft_runtime/Files.h"

#include <nlohmann/json.hpp>

#include <cstring>
#include <elf.h>
#include <filesystem>
#include <fstream>
#include <xxhash.h>

using namespace weft;
namespace fs = std::filesystem;

static constexpr const char *remedy = "compile the model again";

[[noreturn]] static void failCutOff(const MappedFile &file, int64_t expected) {
  throw Error(ExitCode::InputFile,
              quote(file.path()) + " is cut off: got " +
                  std::to_string(file.size()) + " bytes, expected " +
                  std::to_string(expected),
              remedy);
}

/// The bytes that the section headers, which lie last, need; 0 if unknown.
static int64_t sizeByHeaders(const MappedFile &file) {
  Elf64_Ehdr header{};
  if (file.size() < static_cast<int64_t>(sizeof(header)))
    return sizeof(header);
  std::memcpy(&header, file.data(), sizeof(header));
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
    return 0;
  return static_cast<int64_t>(header.e_shoff) +
         header.e_shnum * header.e_shentsize;
}

static std::string hashOf(const MappedFile &file) {
  XXH128_hash_t hash = XXH3_128bits(file.data(), file.size());
  char text[33];
  std::snprintf(text, sizeof(text), "%016llx%016llx",
                static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return text;
}

/// What the manifest beside the program says of it: {"bytes", "hash"}; null if
/// there is no manifest.
static nlohmann::json recordOf(const fs::path &program) {
  fs::path path = program.parent_path() / "manifest.json";
  std::ifstream stream(path);
  if (!stream)
    return nullptr;
  nlohmann::json manifest =
      nlohmann::json::parse(stream, /*cb=*/nullptr, /*allow_exceptions=*/false);
  std::string name = program.filename();
  if (manifest.is_object() && manifest.contains("files") &&
      manifest["files"].contains(name))
    return manifest["files"][name];
  throw Error(ExitCode::InputFile,
              quote(path) + " is cut off or damaged: it records no " +
                  quote(name),
              remedy);
}

void weft::checkProgramFile(const std::string &path) {
  MappedFile file(path);
  if (int64_t expected = sizeByHeaders(file); file.size() < expected)
    failCutOff(file, expected);
  nlohmann::json record = recordOf(path);
  if (record.is_null())
    return;
  if (int64_t expected = record.value("bytes", int64_t{0});
      file.size() < expected)
    failCutOff(file, expected);
  if (record.value("hash", std::string()) != hashOf(file))
    throw Error(ExitCode::InputFile,
                quote(path) + " is not the file that was compiled", remedy);
}
