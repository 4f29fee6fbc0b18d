// SPDX-License-Identifier: Apache-2.0
//
// Files: mapping and atomic writing.
#include "weft_runtime/Files.h"
#include "weft_runtime/Error.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

using namespace weft;

MappedFile::MappedFile(const std::string &path) : filePath(path) {
  int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status{};
  if (descriptor < 0 || fstat(descriptor, &status) != 0 ||
      !S_ISREG(status.st_mode)) {
    std::string reason = descriptor < 0 ? std::strerror(errno) : "no file";
    if (descriptor >= 0)
      close(descriptor);
    throw Error(ExitCode::InputFile,
                quote(path) + " cannot be read: " + reason);
  }
  bytes = status.st_size;
  if (bytes > 0) {
    void *mapped = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
    base = mapped == MAP_FAILED ? nullptr : static_cast<std::byte *>(mapped);
  }
  close(descriptor);
  if (bytes > 0 && !base)
    throw Error(ExitCode::InputFile,
                quote(path) + " cannot be mapped: " + std::strerror(errno));
}

MappedFile::MappedFile(MappedFile &&other) noexcept
    : filePath(std::move(other.filePath)),
      base(std::exchange(other.base, nullptr)),
      bytes(std::exchange(other.bytes, 0)) {}

MappedFile &MappedFile::operator=(MappedFile &&other) noexcept {
  std::swap(filePath, other.filePath);
  std::swap(base, other.base);
  std::swap(bytes, other.bytes);
  return *this;
}

MappedFile::~MappedFile() {
  if (base)
    munmap(const_cast<std::byte *>(base), bytes);
}

FileWriter::FileWriter(std::string path) : path(std::move(path)) {
  file = std::fopen((this->path + ".part").c_str(), "wb");
  if (!file)
    fail();
}

FileWriter::~FileWriter() {
  if (!file)
    return;
  std::fclose(file);
  std::remove((path + ".part").c_str());
}

void FileWriter::fail() const {
  throw Error(ExitCode::Storage,
              quote(path) + " cannot be written: " + std::strerror(errno),
              "check that the folder is writable and the disk has room");
}

void FileWriter::write(const void *data, int64_t bytes) {
  if (std::fwrite(data, 1, bytes, file) != static_cast<size_t>(bytes))
    fail();
}

void FileWriter::commit() {
  if (std::fclose(std::exchange(file, nullptr)) != 0 ||
      std::rename((path + ".part").c_str(), path.c_str()) != 0)
    fail();
}
