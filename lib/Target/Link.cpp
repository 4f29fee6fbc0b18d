// SPDX-License-Identifier: Apache-2.0
//
// Objects -> shared library.
#include "weft/Target/ObjectEmitter.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Support/Program.h"
#include "llvm/TargetParser/Host.h"

using namespace mlir;

namespace weft {

namespace {
/// The symbols of some objects.
struct Symbols {
  llvm::StringSet<> defined, undefined;

  llvm::Error read(StringRef path);
};
} // namespace

llvm::Error Symbols::read(StringRef path) {
  auto object = llvm::object::ObjectFile::createObjectFile(path);
  if (!object)
    return object.takeError();
  for (const llvm::object::SymbolRef &symbol : object->getBinary()->symbols()) {
    llvm::Expected<uint32_t> flags = symbol.getFlags();
    llvm::Expected<StringRef> name = symbol.getName();
    if (!flags || !name)
      return joinErrors(flags.takeError(), name.takeError());
    bool isUndefined = *flags & llvm::object::SymbolRef::SF_Undefined;
    (isUndefined ? undefined : defined).insert(*name);
  }
  return llvm::Error::success();
}

/// Whether every process has it: a function of the C library, or of its
/// mathematical part. LLVM's list of these lacks fma, for CPUs without it.
static bool isInCLibrary(StringRef name,
                         const llvm::TargetLibraryInfoImpl &library) {
  llvm::LibFunc function;
  return name == "fma" || name == "fmaf" || library.getLibFunc(name, function);
}

/// A code generator may call functions of its own run-time library, which no
/// process has: a program would be made that does not load.
static LogicalResult verifySymbols(ArrayRef<std::string> objects,
                                   Location loc) {
  Symbols symbols;
  for (const std::string &object : objects)
    if (llvm::Error error = symbols.read(object))
      return emitError(loc) << "can't read \"" << object
                            << "\": " << llvm::toString(std::move(error));
  llvm::TargetLibraryInfoImpl library{
      llvm::Triple(llvm::sys::getDefaultTargetTriple())};
  for (StringRef name : symbols.undefined.keys())
    if (!name.empty() && !symbols.defined.contains(name) &&
        !isInCLibrary(name, library))
      return emitError(loc) << "generated code calls \"" << name
                            << "\", which nothing defines";
  return success();
}

LogicalResult linkSharedLibrary(ArrayRef<std::string> objects, StringRef path,
                                Location loc) {
  if (failed(verifySymbols(objects, loc)))
    return failure();
  llvm::ErrorOr<std::string> linker = std::make_error_code(std::errc());
  for (StringRef name : {"ld.lld", "ld.lld-22", "cc"}) {
    linker = llvm::sys::findProgramByName(name);
    if (linker)
      break;
  }
  if (!linker)
    return emitError(loc) << "no linker found: expected ld.lld or cc in PATH";
  SmallVector<StringRef> arguments = {*linker, "-shared", "-o", path};
  arguments.append(objects.begin(), objects.end());
  std::string message;
  int status = llvm::sys::ExecuteAndWait(*linker, arguments, std::nullopt, {},
                                         /*SecondsToWait=*/0,
                                         /*MemoryLimit=*/0, &message);
  if (status != 0)
    return emitError(loc) << "\"" << *linker << "\" failed with status "
                          << status << " " << message;
  return success();
}

} // namespace weft
