// SPDX-License-Identifier: Apache-2.0
//
// Batches: token files in llm.c's format (256 int32 of header, then uint16 or
// uint32 tokens) and safetensors data behind one question.
#include "weft/Interpreter/Batches.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <cstring>

using namespace weft;
using namespace weft::interpreter;
using llvm::StringRef;

static llvm::Error bad(StringRef path, const llvm::Twine &problem) {
  return llvm::createStringError("\"" + path + "\" " + problem);
}

static llvm::Expected<std::vector<int32_t>> readTokens(StringRef path) {
  constexpr size_t headerBytes = 256 * 4;
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer)
    return bad(path, "cannot be read: " + buffer.getError().message());
  StringRef bytes = (*buffer)->getBuffer();
  int32_t header[3] = {};
  if (bytes.size() >= headerBytes)
    std::memcpy(header, bytes.data(), sizeof(header));
  bool isNarrow = header[0] == 20240520 && header[1] == 1;
  bool isWide = header[0] == 20240801 && header[1] == 7;
  if (!isNarrow && !isWide)
    return bad(path, "is no token file: got magic " + llvm::Twine(header[0]) +
                         ", expected 20240520 or 20240801");
  size_t width = isNarrow ? 2 : 4, count = header[2];
  if (bytes.size() != headerBytes + count * width)
    return bad(path, "is cut off or damaged: got " + llvm::Twine(bytes.size()) +
                         " bytes, expected " +
                         llvm::Twine(headerBytes + count * width));
  std::vector<int32_t> tokens(count, 0);
  for (size_t i = 0; i < count; ++i)
    std::memcpy(&tokens[i], bytes.data() + headerBytes + i * width, width);
  return tokens;
}

/// The token files at `path`, in order.
static std::vector<std::string> tokenPaths(StringRef path) {
  if (!llvm::sys::fs::is_directory(path))
    return {path.str()};
  std::vector<std::string> paths;
  std::error_code code;
  for (llvm::sys::fs::directory_iterator it(path, code), end;
       it != end && !code; it.increment(code)) {
    if (llvm::sys::path::extension(it->path()) == ".bin")
      paths.push_back(it->path());
  }
  llvm::sort(paths);
  return paths;
}

llvm::Expected<Batches> Batches::open(StringRef path) {
  Batches batches;
  batches.path = path.str();
  if (!llvm::sys::fs::exists(path))
    return bad(path, "does not exist");
  std::vector<std::string> files = tokenPaths(path);
  if (path.ends_with(".safetensors") || files.empty()) {
    auto tensors = readSafetensors(path);
    if (!tensors)
      return tensors.takeError();
    batches.tensors = std::move(*tensors);
    return batches;
  }
  for (const std::string &file : files) {
    auto tokens = readTokens(file);
    if (!tokens)
      return tokens.takeError();
    llvm::append_range(batches.stream, *tokens);
  }
  return batches;
}

Batches Batches::of(TensorMap tensors) {
  Batches batches;
  batches.tensors = std::move(tensors);
  return batches;
}

llvm::Expected<Tensor> Batches::tokenSamples(int64_t shift,
                                             llvm::ArrayRef<int64_t> shape,
                                             int64_t first) const {
  int64_t sequence = shape[1];
  int64_t total = (static_cast<int64_t>(stream.size()) - 1) / sequence;
  if (total <= 0)
    return bad(path, "has no sample of " + llvm::Twine(sequence) + " tokens");
  Tensor result(ElementKind::I64, shape);
  auto elements = result.mutableElements();
  for (int64_t row = 0; row < shape[0]; ++row)
    for (int64_t i = 0; i < sequence; ++i)
      elements[row * sequence + i].integer =
          stream[(first + row) % total * sequence + i + shift];
  return result;
}

llvm::Expected<Tensor> Batches::samples(StringRef input,
                                        llvm::ArrayRef<int64_t> shape,
                                        int64_t first) const {
  if (!stream.empty()) {
    if ((input != "tokens" && input != "labels") || shape.size() != 2)
      return bad(path, "cannot feed input \"" + input +
                           "\": a token file gives \"tokens\" and \"labels\"");
    return tokenSamples(input == "labels" ? 1 : 0, shape, first);
  }
  auto tensor = tensors.find(input.str());
  if (tensor == tensors.end())
    return bad(path, "lacks input \"" + input + "\"");
  const Tensor &all = tensor->second;
  if (all.numDims() == 0 || all.shape().drop_front() != shape.drop_front() ||
      all.dim(0) == 0)
    return bad(path, "holds input \"" + input + "\" in another shape");
  Tensor result(all.kind(), shape);
  for (int64_t row = 0; row < shape[0]; ++row)
    result.setBlock(0, row, all.block(0, (first + row) % all.dim(0), 1));
  return result;
}
