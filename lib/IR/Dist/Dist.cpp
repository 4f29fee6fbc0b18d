// SPDX-License-Identifier: Apache-2.0
//
// The dist dialect: registration, aliases, and questions about layouts in IR.
#include "weft/IR/Dist/Dist.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace weft::dist;

#include "weft/IR/Dist/DistDialect.cpp.inc"
#include "weft/IR/Dist/DistInterfaces.cpp.inc"

namespace {
/// Meshes and layouts are long; they print as aliases.
struct DistAsmInterface : OpAsmDialectInterface {
  using OpAsmDialectInterface::OpAsmDialectInterface;

  AliasResult getAlias(Attribute attr, raw_ostream &os) const override {
    if (!isa<MeshAttr>(attr))
      return AliasResult::NoAlias;
    os << "mesh";
    return AliasResult::FinalAlias;
  }
};
} // namespace

void DistDialect::initialize() {
  registerAttributes();
  registerTypes();
  addOperations<
#define GET_OP_LIST
#include "weft/IR/Dist/DistOps.cpp.inc"
      >();
  addInterfaces<DistAsmInterface>();
}

namespace weft::dist {

MeshAttr meshOf(Operation *op) {
  auto module = dyn_cast<ModuleOp>(op);
  if (!module)
    module = op->getParentOfType<ModuleOp>();
  if (auto mesh = module->getAttrOfType<MeshAttr>(kMeshAttrName))
    return mesh;
  return MeshAttr::get(op->getContext(), Mesh());
}

LayoutAttr layoutOf(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? dyn_cast_or_null<LayoutAttr>(tensor.getEncoding())
                : LayoutAttr();
}

RankedTensorType withLayout(RankedTensorType type, LayoutAttr layout) {
  return RankedTensorType::get(type.getShape(), type.getElementType(), layout);
}

RankedTensorType withoutLayout(RankedTensorType type) {
  return RankedTensorType::get(type.getShape(), type.getElementType());
}

RankedTensorType localType(RankedTensorType type) {
  LayoutAttr layout = layoutOf(type);
  if (!layout)
    return type;
  auto shape = layout.getLayout().localShape(layout.getMesh().getMesh(),
                                             type.getShape());
  return RankedTensorType::get(shape, type.getElementType());
}

int64_t bytesOf(ShapedType type) {
  return type.getNumElements() *
         llvm::divideCeil(type.getElementTypeBitWidth(), 8);
}

ArrayAttr axesAttr(MeshAttr meshAttr, ArrayRef<int> atoms) {
  const Mesh &mesh = meshAttr.getMesh();
  SmallVector<Attribute> names;
  for (size_t i = 0; i < atoms.size();) {
    const MeshAxis &axis = mesh.axes()[mesh.axisOfAtom(atoms[i])];
    auto whole = *mesh.lookup(axis.name);
    bool isWhole = atoms.size() - i >= whole.size() &&
                   std::equal(whole.begin(), whole.end(), atoms.begin() + i);
    std::string name = isWhole ? axis.name : mesh.atomName(atoms[i]);
    names.push_back(StringAttr::get(meshAttr.getContext(), name));
    i += isWhole ? whole.size() : 1;
  }
  return ArrayAttr::get(meshAttr.getContext(), names);
}

SmallVector<int, 4> atomsOf(MeshAttr mesh, ArrayAttr axes) {
  SmallVector<int, 4> atoms;
  for (auto name : axes.getAsRange<StringAttr>())
    if (auto found = mesh.getMesh().lookup(name))
      atoms.append(found->begin(), found->end());
  return atoms;
}

int64_t groupSize(MeshAttr mesh, ArrayAttr axes) {
  int64_t size = 1;
  for (int atom : atomsOf(mesh, axes))
    size *= mesh.getMesh().atomSize(atom);
  return size;
}

bool isCollective(Operation *op) {
  return isa<AllGatherOp, AllReduceOp, ReduceScatterOp, AllToAllOp, PermuteOp>(
      op);
}

ParseResult parseUnaryTypes(OpAsmParser &parser, Type &inputType,
                            Type &resultType) {
  if (parser.parseType(inputType))
    return failure();
  if (failed(parser.parseOptionalKeyword("to"))) {
    resultType = inputType;
    return success();
  }
  return parser.parseType(resultType);
}

void printUnaryTypes(OpAsmPrinter &printer, Operation *, Type inputType,
                     Type resultType) {
  printer << inputType;
  if (inputType != resultType)
    printer << " to " << resultType;
}

} // namespace weft::dist

#define GET_OP_CLASSES
#include "weft/IR/Dist/DistOps.cpp.inc"
