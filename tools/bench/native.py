# SPDX-License-Identifier: Apache-2.0
"""Functions of a compiled program, called from Python as one rank: a kernel by itself, without runtime, data or peers.

    program = NativeProgram(text, folder=folder, build=build)     # text: slots and one function @kernel, of the local phase
    program.slot("x")[...] = values                               # a view of the slot's memory
    program.call()
"""

import ctypes
import json
from pathlib import Path

import numpy as np
from commands import BenchmarkFailed, execute, find_program

ABI_VERSION = 3  # of runtime/include/weft_runtime/Program.h
REGIONS = ("run", "step", "microbatch", "input")
_DTYPES = {"f32": np.float32, "f64": np.float64, "i64": np.int64, "i1": np.int8, "bf16": np.uint16}
_ALIGNMENT = 64

_Address = ctypes.c_void_p
_Call = ctypes.CFUNCTYPE(None, _Address, ctypes.c_int64, _Address, _Address)
_Notice = ctypes.CFUNCTYPE(None, _Address, ctypes.c_int64)


class _Context(ctypes.Structure):
    """weft_context."""

    _fields_ = [
        ("abi_version", ctypes.c_int64), ("coordinates", _Address), ("start", _Call), ("wait", _Notice), ("provider", _Call), ("mark", _Address), ("gathered", _Address),
    ]  # fmt: skip


class NativeProgram:
    """A program in this process, with regions of its own."""

    def __init__(self, text: str, *, folder: Path, build: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "kernel.mlir").write_text(text)
        execute(find_program(build, "weft-opt"), folder / "kernel.mlir", f"--weft-to-program=output={folder}", "-o", "/dev/null")
        self._library = ctypes.CDLL(str(folder / "program.so"))
        self._descriptor = json.loads(ctypes.c_char_p(ctypes.addressof(ctypes.c_char.in_dll(self._library, "weft_program"))).value)
        if self._descriptor["abi"] != ABI_VERSION:
            raise BenchmarkFailed(f"the program has another ABI version: got {self._descriptor['abi']}, expected {ABI_VERSION}")
        self._regions = [_aligned(self._descriptor["regions"][name]) for name in REGIONS]
        self._bases = (_Address * len(REGIONS))(*(region.ctypes.data for region in self._regions))
        ignore = ctypes.cast(ctypes.CDLL(None).abs, _Address)  # a C function that does nothing with its arguments
        coordinates = (ctypes.c_int64 * 8)()
        self._kept = coordinates
        self._context = _Context(ABI_VERSION, ctypes.cast(coordinates, _Address), _Call(), _Notice(), _Call(), ignore)
        self._kernel = self._library.kernel
        self._kernel.argtypes, self._kernel.restype = [ctypes.POINTER(_Context), ctypes.POINTER(_Address)], None

    def slot(self, name: str) -> np.ndarray:
        """The memory of a slot."""
        slot = next(slot for slot in self._descriptor["slots"] if slot["name"] == name)
        dtype = np.dtype(_DTYPES[slot["dtype"]])
        count = int(np.prod(slot["local_shape"], dtype=np.int64))
        region = self._regions[REGIONS.index(slot["region"])]
        return region[slot["offset"] : slot["offset"] + count * dtype.itemsize].view(dtype).reshape(slot["local_shape"])

    def call(self) -> None:
        self._kernel(self._context, self._bases)


def _aligned(size: int) -> np.ndarray:
    """Zeroed bytes that begin as the runtime's regions do."""
    memory = np.zeros(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size]
