# SPDX-License-Identifier: Apache-2.0
"""One operator call of an exported graph, as the functions of the importer's table see it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from weft.builder import Builder
from weft.ir import Type, Value

_DTYPES = {
    torch.float64: "f64", torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16",
    torch.int64: "i64", torch.int32: "i32", torch.bool: "i1",
}  # fmt: skip


class Unsupported(Exception):
    """This call has no translation; the message says what about it is not supported."""


class Composable(Unsupported):
    """The table translates other calls of this operator; this one is what PyTorch composes it of."""


def dtype_name(dtype: torch.dtype) -> str:
    """MLIR's spelling of a torch dtype."""
    if dtype not in _DTYPES:
        raise Unsupported(f"element type {dtype} is not supported")
    return _DTYPES[dtype]


def type_of(tensor: torch.Tensor) -> Type:
    """The static type of a (fake) tensor; a dynamic dim is refused. A complex one has a last dim for its two parts."""
    for dim, size in enumerate(tensor.shape):
        if not isinstance(size, int):
            raise Unsupported(f"dim {dim} is dynamic: got {size}, expected a number")
    if tensor.is_complex():
        return Type((*tensor.shape, 2), dtype_name(tensor.dtype.to_real()))
    return Type(tuple(tensor.shape), dtype_name(tensor.dtype))


@dataclass(frozen=True)
class Call:
    """A builder at the call's location, the arguments by schema name (tensors as Values), and the result's type."""

    build: Builder
    arguments: dict[str, object]
    results: tuple[Type, ...]

    @property
    def type(self) -> Type:
        return self.results[0]

    def tensor(self, name: str) -> Value:
        value = self.arguments[name]
        assert isinstance(value, Value), (name, value)
        return value

    def optional(self, name: str) -> Value | None:
        value = self.arguments.get(name)
        return value if isinstance(value, Value) else None

    def tensors(self, name: str) -> list[Value]:
        values = self.arguments[name]
        assert isinstance(values, (list, tuple)), (name, values)
        return list(values)

    def get(self, name: str, default: object = None) -> object:
        """A non-tensor argument; its default where the schema has none."""
        value = self.arguments.get(name)
        return default if value is None else value

    def integer(self, name: str) -> int:
        value = self.arguments[name]
        if not isinstance(value, int):
            raise Unsupported(f'"{name}" is not a static integer')
        return value

    def dim(self, name: str, rank: int) -> int:
        """A dim argument, counted from the front."""
        return self.integer(name) % max(rank, 1)

    def operand(self, name: str, dtype: str) -> Value:
        """A tensor or scalar argument as a tensor of this dtype and of the result's shape."""
        value = self.arguments[name]
        if isinstance(value, Value):
            return self.build.stretch(self.build.cast(value, dtype), self.type.shape)
        if not isinstance(value, (bool, int, float)):
            raise Unsupported(f'"{name}" is not a static number')
        number = float(value) if dtype.endswith(("f16", "f32", "f64")) else value
        return self.build.constant(Type(self.type.shape, dtype), number)


Handler = Callable[[Call], Value | list[Value]]
