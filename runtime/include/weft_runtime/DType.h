// SPDX-License-Identifier: Apache-2.0
//
// DType: the element types of slots and collectives, their conversion, and
// the one definition of how values of several ranks combine.
#ifndef WEFT_RUNTIME_DTYPE_H
#define WEFT_RUNTIME_DTYPE_H

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

enum class DType { F64, F32, BF16, F16, I64, I32, I1 };
enum class ReduceKind { Sum, Max, Min };

/// Bytes of one element; a truth value takes one byte.
int64_t byteSize(DType dtype);

bool isFloating(DType dtype);

/// The name in a descriptor: "f32", "i1".
std::string_view toString(DType dtype);
std::optional<DType> parseDType(std::string_view name);
/// The name in a safetensors header: "F32", "BOOL".
std::string_view safetensorsName(DType dtype);
std::optional<DType> parseSafetensorsName(std::string_view name);

std::string_view toString(ReduceKind kind);
std::optional<ReduceKind> parseReduceKind(std::string_view name);

/// Converts `count` elements; equal types are copied bit by bit. Narrowing
/// floats round to nearest even.
void convert(DType from, const void *source, DType to, void *target,
             int64_t count);

/// outs[j][i] = sources[0][i] op sources[1][i] op ..., in this order: the only
/// place where values of several ranks are combined, so that every
/// communicator gives the same bits. bf16 and f16 are combined in f32 and
/// rounded once. An output may be one of the sources.
void combine(DType dtype, ReduceKind kind, std::span<const void *const> sources,
             std::span<void *const> outs, int64_t count);

} // namespace weft

#endif // WEFT_RUNTIME_DTYPE_H
