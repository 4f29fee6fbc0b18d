// SPDX-License-Identifier: Apache-2.0
//
// Contractions of two strided operands.
//
// 1. Letters of size 1 are dropped; the rest fall into groups: batch (in A, B,
//    C), m (A, C), n (B, C), k (A, B). A and B are swapped if C's last letter
//    belongs to A, so that n is contiguous in C.
// 2. Neighbours of a group merge where all strides allow.
// 3. f32: register tiles (ContractTiles.cpp).
// 4. bf16: tiles of pairs where the CPU multiplies them (ContractBf16.cpp),
// else
//    those of f32, widened where it is loaded.
// 5. Other types: plain loops, the same chain.

#include "weft/Target/Kernels.h"

#include "ContractBf16.h"
#include "ContractTail.h"
#include "ContractTiles.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace weft {

static SmallVector<int64_t> stridesOf(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size(), 1);
  for (int i = static_cast<int>(shape.size()) - 2; i >= 0; --i)
    strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

/// The letters of A, B and C.
static std::array<StringRef, 3> splitEquation(StringRef equation) {
  auto [operands, c] = equation.split("->");
  auto [a, b] = operands.split(",");
  return {a, b, c};
}

static int64_t sizeOf(const ContractSpec &spec, char letter) {
  auto letters = splitEquation(spec.equation);
  size_t inA = letters[0].find(letter);
  return inA != StringRef::npos ? spec.a[inA] : spec.b[letters[1].find(letter)];
}

Shape contractShape(const ContractSpec &spec) {
  Shape shape;
  StringRef letters = splitEquation(spec.equation)[2];
  for (char letter : letters)
    shape.push_back(sizeOf(spec, letter));
  return shape;
}

/// Merges neighbours that every operand steps through as one.
static void merge(SmallVector<Letter> &group) {
  SmallVector<Letter> merged;
  for (const Letter &inner : group) {
    auto joins = [&](const Letter &outer) {
      return outer.a == inner.a * inner.size &&
             outer.b == inner.b * inner.size && outer.c == inner.c * inner.size;
    };
    if (!merged.empty() && joins(merged.back())) {
      int64_t outerSize = merged.back().size;
      merged.back() = inner;
      merged.back().size *= outerSize;
      continue;
    }
    merged.push_back(inner);
  }
  group = merged;
}

void exchange(Groups &groups) {
  std::swap(groups.m, groups.n);
  for (auto *group : {&groups.batch, &groups.m, &groups.n, &groups.k})
    for (Letter &letter : *group)
      std::swap(letter.a, letter.b);
  groups.swapped = !groups.swapped;
}

Groups analyseContract(const ContractSpec &spec) {
  auto [a, b, c] = splitEquation(spec.equation);
  Shape cShape = contractShape(spec);
  auto aStrides = stridesOf(spec.a), bStrides = stridesOf(spec.b),
       cStrides = stridesOf(cShape);
  auto stride = [](StringRef letters, ArrayRef<int64_t> strides, char letter) {
    size_t at = letters.find(letter);
    return at == StringRef::npos ? 0 : strides[at];
  };
  auto letterOf = [&](char name) -> Letter {
    return {sizeOf(spec, name), stride(a, aStrides, name),
            stride(b, bStrides, name), stride(c, cStrides, name)};
  };
  Groups groups;
  bool lastIsM = false;
  for (char name : c) {
    Letter letter = letterOf(name);
    if (letter.size == 1)
      continue;
    bool inA = a.contains(name), inB = b.contains(name);
    (inA && inB ? groups.batch : inA ? groups.m : groups.n).push_back(letter);
    lastIsM = inA && !inB;
  }
  for (char name : a)
    if (!c.contains(name) && letterOf(name).size > 1)
      groups.k.push_back(letterOf(name));
  if (lastIsM || groups.n.empty())
    exchange(groups);
  for (auto *group : {&groups.batch, &groups.m, &groups.n, &groups.k}) {
    merge(*group);
    if (group->empty() && group != &groups.batch)
      group->push_back({1, 0, 0, 0});
  }
  return groups;
}

int64_t extent(ArrayRef<Letter> group) {
  int64_t product = 1;
  for (const Letter &letter : group)
    product *= letter.size;
  return product;
}

/// bf16 is widened where it is loaded and rounded where it is stored.
static bool isTiled(const ContractSpec &spec) {
  return llvm::all_of(ArrayRef{spec.aType, spec.bType, spec.cType},
                      [](Type type) { return type.isF32() || type.isBF16(); });
}

int64_t contractScratchBytes(const ContractSpec &spec,
                             const TargetInfo &target) {
  if (!isTiled(spec) || spec.order == ContractOrder::Partials)
    return 0;
  Groups groups = analyseContract(spec);
  if (takesPairs(spec, groups, target))
    return pairScratchBytes(spec, groups);
  return tiledScratchBytes(spec, groups, target);
}

llvm::json::Object describeContract(const ContractSpec &spec,
                                    const TargetInfo &target) {
  bool isDot = spec.order == ContractOrder::Partials;
  llvm::json::Object description;
  if (isTiled(spec) && !isDot)
    description = describeTiles(spec, analyseContract(spec), target);
  description["order"] = isDot ? "partials" : "chain";
  return description;
}

void nestLetters(KernelBuilder &b, ArrayRef<Letter> letters, Bases bases,
                 llvm::function_ref<void(Bases)> body) {
  if (letters.empty())
    return body(bases);
  const Letter &letter = letters.front();
  b.loop(letter.size, 1, [&](Value iv) {
    nestLetters(b, letters.drop_front(), bases.advance(b, iv, letter), body);
  });
}

namespace {

class ContractEmitter {
public:
  ContractEmitter(KernelBuilder &b, const ContractSpec &spec)
      : b(b), spec(spec), groups(analyseContract(spec)) {
    memoryA = b.arg(groups.swapped ? 1 : 0);
    memoryB = b.arg(groups.swapped ? 0 : 1);
    memoryC = b.arg(2);
  }

  void emit() {
    Value zero = b.index(0);
    nest(groups.batch, {zero, zero, zero}, [&](Bases bases) {
      if (!isTiled(spec))
        return plain(bases);
      if (spec.order == ContractOrder::Partials)
        return dots(bases);
      emitTiledContract(b, spec, groups, bases);
    });
  }

private:
  void nest(ArrayRef<Letter> letters, Bases bases,
            llvm::function_ref<void(Bases)> body) {
    nestLetters(b, letters, bases, body);
  }

  /// 64-partial dot products, k contiguous in both operands.
  void dots(Bases bases) {
    int64_t lanes = b.target.lanes;
    nest(groups.m, bases, [&](Bases row) {
      nest(groups.n, row, [&](Bases at) {
        auto pair = [&](Value k, Value mask) {
          return std::pair(b.load(memoryA, b.add(at.a, k), lanes, mask),
                           b.load(memoryB, b.add(at.b, k), lanes, mask));
        };
        Value sum = b.dot(groups.k.back().size, lanes, b.f32(), pair);
        b.store(sum, memoryC, at.c);
      });
    });
  }

  void plain(Bases bases) {
    nest(groups.m, bases, [&](Bases row) {
      nest(groups.n, row, [&](Bases at) {
        Values sum = plainChain(groups.k, at, {b.constant(spec.cType, 0.0)});
        b.store(sum[0], memoryC, at.c);
      });
    });
  }

  Values plainChain(ArrayRef<Letter> k, Bases bases, ValueRange sum) {
    if (k.empty())
      return {b.fma(widen(b.load(memoryA, bases.a), sum[0].getType()),
                    widen(b.load(memoryB, bases.b), sum[0].getType()), sum[0])};
    return b.loop(b.index(0), b.index(k.front().size), 1, sum,
                  [&](Value iv, ValueRange current) {
                    return plainChain(k.drop_front(),
                                      bases.advance(b, iv, k.front()), current);
                  });
  }

  Value widen(Value value, Type type) {
    if (value.getType() == type || !isa<FloatType>(type))
      return value;
    return arith::ExtFOp::create(b, type, value);
  }

  KernelBuilder &b;
  const ContractSpec &spec;
  Groups groups;
  Value memoryA, memoryB, memoryC;
};
} // namespace

func::FuncOp emitContract(const KernelSite &site, const ContractSpec &spec) {
  KernelBuilder b(site);
  SmallVector<Type> types = contractArguments(spec);
  if (int64_t bytes = contractScratchBytes(spec, site.target))
    types.push_back(MemRefType::get({bytes}, b.getI8Type()));
  b.begin(types);
  Groups groups = analyseContract(spec);
  if (isTiled(spec) && spec.order == ContractOrder::Chain &&
      takesPairs(spec, groups, site.target)) {
    emitPairContract(b, spec, groups);
    return b.finish();
  }
  if (isTiled(spec))
    b.computeInF32();
  ContractEmitter(b, spec).emit();
  return b.finish();
}

} // namespace weft
