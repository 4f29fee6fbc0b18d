// SPDX-License-Identifier: Apache-2.0
//
// Text, verification and hashing of mesh, layout and constraint attributes.
#include "mlir/IR/DialectImplementation.h"
#include "weft/IR/Dist/Dist.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace weft::dist;

//===----------------------------------------------------------------------===//
// Hashing
//===----------------------------------------------------------------------===//

namespace weft {

llvm::hash_code hash_value(const Mesh &mesh) {
  llvm::hash_code hash = llvm::hash_value(mesh.numAtoms());
  for (const MeshAxis &axis : mesh.axes())
    hash = llvm::hash_combine(
        hash, axis.name,
        llvm::hash_combine_range(axis.factors.begin(), axis.factors.end()));
  return hash;
}

static llvm::hash_code hashPlacement(const Placement &placement) {
  return llvm::hash_combine(placement.axis, static_cast<int>(placement.kind),
                            placement.dim, static_cast<int>(placement.reduce));
}

llvm::hash_code hash_value(const Layout &layout) {
  llvm::hash_code hash = llvm::hash_value(layout.entries().size());
  for (const Placement &placement : layout.entries())
    hash = llvm::hash_combine(hash, hashPlacement(placement));
  return hash;
}

llvm::hash_code hash_value(const Constraint &constraint) {
  llvm::hash_code hash = llvm::hash_value(constraint.entries.size());
  for (const ConstraintEntry &entry : constraint.entries)
    hash = llvm::hash_combine(hash, entry.axis, hashPlacement(entry.placement));
  return hash;
}

} // namespace weft

//===----------------------------------------------------------------------===//
// Text pieces
//===----------------------------------------------------------------------===//

/// An axis name: a bare identifier, `tp.1` included.
static ParseResult parseAxisName(AsmParser &parser, std::string &name) {
  StringRef keyword;
  if (parser.parseKeyword(&keyword))
    return failure();
  name = keyword.str();
  return success();
}

/// `shard(1)`, `partial(sum)` or `replicate`.
static ParseResult parsePlacement(AsmParser &parser,
                                  weft::Placement &placement) {
  StringRef keyword;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&keyword))
    return failure();
  if (keyword == "replicate") {
    placement.kind = weft::PlacementKind::Replicate;
    return success();
  }
  if (keyword == "shard") {
    placement.kind = weft::PlacementKind::Shard;
    return failure(parser.parseLParen() || parser.parseInteger(placement.dim) ||
                   parser.parseRParen());
  }
  if (keyword != "partial")
    return parser.emitError(loc)
           << "unknown placement \"" << keyword
           << "\", expected shard(dim), partial(kind) or replicate";
  placement.kind = weft::PlacementKind::Partial;
  StringRef kind;
  if (parser.parseLParen() || parser.parseKeyword(&kind) ||
      parser.parseRParen())
    return failure();
  auto reduce = weft::parseReduceKind(kind);
  if (!reduce)
    return parser.emitError(loc) << "unknown reduction \"" << kind << '"';
  placement.reduce = *reduce;
  return success();
}

static void printPlacement(AsmPrinter &printer,
                           const weft::Placement &placement) {
  if (placement.kind == weft::PlacementKind::Shard)
    printer << "shard(" << placement.dim << ')';
  else if (placement.kind == weft::PlacementKind::Partial)
    printer << "partial(" << weft::toString(placement.reduce) << ')';
  else
    printer << "replicate";
}

//===----------------------------------------------------------------------===//
// MeshAttr
//===----------------------------------------------------------------------===//

static ParseResult parseMeshAxis(AsmParser &parser, weft::MeshAxis &axis) {
  if (parseAxisName(parser, axis.name) || parser.parseEqual())
    return failure();
  auto parseFactor = [&] {
    return parser.parseInteger(axis.factors.emplace_back());
  };
  if (succeeded(parser.parseOptionalLParen()))
    return failure(parser.parseCommaSeparatedList(parseFactor) ||
                   parser.parseRParen());
  return parseFactor();
}

Attribute MeshAttr::parse(AsmParser &parser, Type) {
  SmallVector<weft::MeshAxis> axes;
  if (parser.parseLess())
    return {};
  if (failed(parser.parseOptionalGreater()))
    if (parser.parseCommaSeparatedList(
            [&] { return parseMeshAxis(parser, axes.emplace_back()); }) ||
        parser.parseGreater())
      return {};
  return parser.getChecked<MeshAttr>(parser.getContext(), weft::Mesh(axes));
}

void MeshAttr::print(AsmPrinter &printer) const {
  printer << '<';
  llvm::interleaveComma(getMesh().axes(), printer, [&](const auto &axis) {
    printer << axis.name << " = ";
    if (axis.factors.size() == 1) {
      printer << axis.factors[0];
      return;
    }
    printer << '(';
    llvm::interleaveComma(axis.factors, printer);
    printer << ')';
  });
  printer << '>';
}

LogicalResult MeshAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                               weft::Mesh mesh) {
  // C1, C2
  if (auto message = mesh.verify())
    return emitError() << *message;
  return success();
}

//===----------------------------------------------------------------------===//
// LayoutAttr
//===----------------------------------------------------------------------===//

Attribute LayoutAttr::parse(AsmParser &parser, Type) {
  MeshAttr mesh;
  SmallVector<weft::Placement> placements;
  if (parser.parseLess() || parser.parseAttribute(mesh))
    return {};
  while (succeeded(parser.parseOptionalComma())) {
    std::string name;
    weft::Placement placement;
    SMLoc loc = parser.getCurrentLocation();
    if (parseAxisName(parser, name) || parser.parseEqual() ||
        parsePlacement(parser, placement))
      return {};
    auto atoms = mesh.getMesh().lookup(name);
    if (!atoms) {
      parser.emitError(loc)
          << "axis \"" << name << "\" is not in the mesh " << mesh;
      return {};
    }
    if (placement.kind == weft::PlacementKind::Replicate)
      continue;
    for (int atom : *atoms) {
      placement.axis = atom;
      placements.push_back(placement);
    }
  }
  if (parser.parseGreater())
    return {};
  return parser.getChecked<LayoutAttr>(
      parser.getContext(), mesh, weft::Layout(mesh.getMesh(), placements));
}

void LayoutAttr::print(AsmPrinter &printer) const {
  printer << '<';
  printer.printAttribute(getMesh());
  std::string text = weft::toString(getMesh().getMesh(), getLayout());
  if (!text.empty())
    printer << ", " << text;
  printer << '>';
}

LogicalResult LayoutAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 MeshAttr mesh, weft::Layout layout) {
  // C1, C3; the dims are checked against a tensor in verifyEncoding.
  int64_t numDims = 0;
  for (const weft::Placement &entry : layout.entries())
    if (entry.kind == weft::PlacementKind::Shard)
      numDims = std::max<int64_t>(numDims, entry.dim + 1);
  if (auto message = layout.verify(mesh.getMesh(), numDims))
    return emitError() << *message;
  return success();
}

LogicalResult
LayoutAttr::verifyEncoding(ArrayRef<int64_t> shape, Type elementType,
                           function_ref<InFlightDiagnostic()> emitError) const {
  // C2
  if (auto message = getLayout().verify(getMesh().getMesh(), shape.size()))
    return emitError() << *message;
  return success();
}

//===----------------------------------------------------------------------===//
// ConstraintAttr
//===----------------------------------------------------------------------===//

Attribute ConstraintAttr::parse(AsmParser &parser, Type) {
  weft::Constraint constraint;
  auto parseEntry = [&]() -> ParseResult {
    weft::ConstraintEntry &entry = constraint.entries.emplace_back();
    return failure(parseAxisName(parser, entry.axis) || parser.parseEqual() ||
                   parsePlacement(parser, entry.placement));
  };
  if (parser.parseLess())
    return {};
  if (failed(parser.parseOptionalGreater()))
    if (parser.parseCommaSeparatedList(parseEntry) || parser.parseGreater())
      return {};
  return parser.getChecked<ConstraintAttr>(parser.getContext(), constraint);
}

void ConstraintAttr::print(AsmPrinter &printer) const {
  printer << '<';
  llvm::interleaveComma(getConstraint().entries, printer, [&](const auto &e) {
    printer << e.axis << " = ";
    printPlacement(printer, e.placement);
  });
  printer << '>';
}

LogicalResult
ConstraintAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                       weft::Constraint constraint) {
  // C1
  llvm::StringSet<> seen;
  for (const weft::ConstraintEntry &entry : constraint.entries)
    if (!seen.insert(entry.axis).second)
      return emitError() << "axis \"" << entry.axis
                         << "\" is constrained twice";
  return success();
}

//===----------------------------------------------------------------------===//
// Generated
//===----------------------------------------------------------------------===//

#define GET_ATTRDEF_CLASSES
#include "weft/IR/Dist/DistAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "weft/IR/Dist/DistTypes.cpp.inc"

void DistDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "weft/IR/Dist/DistAttrs.cpp.inc"
      >();
}

void DistDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "weft/IR/Dist/DistTypes.cpp.inc"
      >();
}
