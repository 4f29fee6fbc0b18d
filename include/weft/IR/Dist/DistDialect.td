// SPDX-License-Identifier: Apache-2.0
//
// The dist dialect, its attributes and its one type.
#ifndef WEFT_IR_DIST_DIALECT
#define WEFT_IR_DIST_DIALECT

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/TensorEncoding.td"

def Dist_Dialect : Dialect {
  let name = "dist";
  let cppNamespace = "::weft::dist";
  let summary = "Where tensors lie on a mesh of devices";
  let description = [{
    Meshes, layouts and the collectives that change them. A layout is the only
    way to say "distributed": `dist.constrain` wishes one, a tensor type holds
    one, `dist.redistribute` changes one, and after partition the collectives
    carry it out.
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let extraClassDeclaration = [{
    void registerAttributes();
    void registerTypes();
  }];
}

class Dist_Attr<string name, string attrMnemonic, list<Trait> traits = []>
    : AttrDef<Dist_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
  let hasCustomAssemblyFormat = 1;
}

def Dist_MeshAttr : Dist_Attr<"Mesh", "mesh"> {
  let summary = "named axes of devices";
  let description = [{
    An ordered list of named axes with sizes; ranks are numbered row-major,
    the first axis outermost. An axis may be split into sub-axes.

    ```mlir
    #dist.mesh<dp_shard = 2, tp = 4>         // 8 ranks
    #dist.mesh<dp_shard = 2, tp = (2, 2)>    // tp.0 (outer) and tp.1
    #dist.mesh<>                             // one rank
    ```

    Constraints: C1 names are not empty and not repeated; C2 sizes are >= 1.
  }];
  let parameters = (ins
    AttrParameter<"::weft::Mesh", "axes", "const ::weft::Mesh &">:$mesh);
  let genVerifyDecl = 1;
}

def Dist_LayoutAttr
    : Dist_Attr<"Layout", "layout",
                [DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let summary = "the decided layout of a tensor";
  let description = [{
    The encoding of a tensor type in the typed phase. Unlisted axes are
    replicated. Entries are in canonical form: by dim, within one dim by
    nesting (outermost first), then partials in mesh order.

    ```mlir
    tensor<8x128xf32, #dist.layout<#mesh, dp = shard(0), tp = partial(sum)>>
    ```

    Constraints: C1 every axis is in the mesh and is used once; C2 every dim
    is a dim of the tensor; C3 entries are in canonical order.
  }];
  let parameters = (ins "MeshAttr":$mesh,
    AttrParameter<"::weft::Layout", "entries", "const ::weft::Layout &">
      :$layout);
  let genVerifyDecl = 1;
}

def Dist_ConstraintAttr : Dist_Attr<"Constraint", "constraint"> {
  let summary = "a wish for a tensor's layout";
  let description = [{
    What a user or a pass asks for; an unlisted axis is open. Axes are named
    by text and may be absent from the mesh (size 1).

    ```mlir
    #dist.constraint<tp = shard(1), dp_shard = replicate>
    ```

    Constraints: C1 an axis occurs once.
  }];
  let parameters = (ins
    AttrParameter<"::weft::Constraint", "wishes", "const ::weft::Constraint &">
      :$constraint);
  let genVerifyDecl = 1;
}

def Dist_FutureType : TypeDef<Dist_Dialect, "Future"> {
  let mnemonic = "future";
  let summary = "the result of a collective under way";
  let description = "Made by `dist.start`, used exactly once by `dist.wait`.";
  let parameters = (ins "::mlir::Type":$valueType);
  let assemblyFormat = "`<` $valueType `>`";
}

#endif // WEFT_IR_DIST_DIALECT
