# SPDX-License-Identifier: Apache-2.0
"""Token files in llm.c's format, and how samples are cut from them.

A file is 256 int32 of header (magic, version, token count, zeros), then the tokens. Vocabularies up to 65,536 are stored as uint16
(magic 20240520, version 1), larger ones as uint32 (magic 20240801, version 7). Several files of a folder are one stream, in the
order of their names. Sample i of sequence length S is the S + 1 tokens from i * S on.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from weft.errors import INPUT_FILE, WeftError

HEADER = 256
_FORMATS = {(20240520, 1): np.dtype("<u2"), (20240801, 7): np.dtype("<u4")}


@dataclass(frozen=True)
class Shards:
    """Where and how tokens are written: folder, vocabulary size, and the most tokens a file may hold."""

    directory: Path
    vocab: int
    max_tokens: int = 100_000_000

    def __post_init__(self) -> None:
        if self.max_tokens < 1 or self.vocab < 1:
            raise WeftError(f"shard size and vocabulary are not positive: got {self.max_tokens} and {self.vocab}")


def write_tokens(pieces: Iterable[np.ndarray], *, shards: Shards) -> list[Path]:
    """Writes a stream of tokens, given in pieces, as one or more files `tokens_000000.bin`; refuses a folder that has some."""
    if list(shards.directory.glob("*.bin")):
        raise WeftError(f'"{shards.directory}" already holds token files: give another folder, or remove them', exit_code=INPUT_FILE)
    shards.directory.mkdir(parents=True, exist_ok=True)
    written = []
    for tokens in _regroup(pieces, shards.max_tokens):
        if tokens.size and not 0 <= int(tokens.min()) <= int(tokens.max()) < shards.vocab:
            raise WeftError(f"a token is outside the vocabulary: got {int(tokens.max())}, expected less than {shards.vocab}")
        path = shards.directory / f"tokens_{len(written):06d}.bin"
        _write(path, tokens, large=shards.vocab > 1 << 16)
        written.append(path)
    if not written:
        raise WeftError("the text has no tokens", exit_code=INPUT_FILE)
    return written


def _write(path: Path, tokens: np.ndarray, *, large: bool) -> None:
    (magic, version), dtype = list(_FORMATS.items())[large]
    header = np.zeros(HEADER, dtype="<i4")
    header[:3] = magic, version, tokens.size
    with path.open("wb") as file:
        file.write(header.tobytes())
        file.write(tokens.astype(dtype).tobytes())


def _regroup(pieces: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """The same stream in arrays of `size`, the last one shorter."""
    held: list[np.ndarray] = []
    count = 0
    for piece in pieces:
        while piece.size:
            part, piece = piece[: size - count], piece[size - count :]
            held.append(part)
            count += part.size
            if count == size:
                yield np.concatenate(held)
                held, count = [], 0
    if count:
        yield np.concatenate(held)


def read_tokens(path: str | Path) -> np.ndarray:
    """The tokens of one file, or of all `*.bin` files of a folder in the order of their names."""
    path = Path(path)
    if not path.is_dir():
        return _read(path)
    files = sorted(path.glob("*.bin"))
    if not files:
        raise WeftError(f'"{path}" holds no token files (*.bin)', exit_code=INPUT_FILE)
    return np.concatenate([_read(file) for file in files])


def _read(path: Path) -> np.ndarray:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeftError(f'cannot read the token file "{path}": {error.strerror}', exit_code=INPUT_FILE) from error
    if len(content) < 4 * HEADER:
        raise WeftError(f'"{path}" is truncated: got {len(content)} bytes, the header alone has {4 * HEADER}', exit_code=INPUT_FILE)
    magic, version, count = (int(n) for n in np.frombuffer(content, "<i4", 3))
    dtype = _FORMATS.get((magic, version))
    if dtype is None:
        known = " or ".join(f"{m} version {v}" for m, v in _FORMATS)
        raise WeftError(f'"{path}" is not a token file: got magic {magic} version {version}, expected {known}', exit_code=INPUT_FILE)
    expected = 4 * HEADER + count * dtype.itemsize
    if len(content) != expected:
        raise WeftError(f'"{path}" is truncated: got {len(content)} bytes, {count} tokens need {expected}', exit_code=INPUT_FILE)
    return np.frombuffer(content, dtype, offset=4 * HEADER).astype(np.int64)


@dataclass(frozen=True)
class Samples:
    """Samples in sequential order: tensors of one array per input name, or cuts of a token stream."""

    arrays: dict[str, np.ndarray]
    seq: int

    @property
    def count(self) -> int:
        if "stream" in self.arrays:
            return (self.arrays["stream"].size - 1) // self.seq
        return len(next(iter(self.arrays.values())))

    def take(self, first: int, batch: int) -> dict[str, np.ndarray]:
        """`batch` samples from `first` on, starting over at the end."""
        rows = [(first + i) % self.count for i in range(batch)]
        if "stream" not in self.arrays:
            return {name: array[rows] for name, array in self.arrays.items()}
        cuts = np.stack([self.arrays["stream"][row * self.seq : (row + 1) * self.seq + 1] for row in rows])
        return {"tokens": cuts[:, :-1], "labels": cuts[:, 1:]}


def open_samples(path: str | Path, *, seq: int) -> Samples:
    """The samples of a safetensors file (one [N, ...] tensor per input), a token file, or a folder of either."""
    from safetensors.numpy import load_file

    path = Path(path)
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    if files and files[0].suffix == ".safetensors":
        if len(files) > 1 or not files[0].exists():
            raise WeftError(f'"{path}" is not one safetensors file', exit_code=INPUT_FILE)
        return Samples(load_file(files[0]), seq)
    samples = Samples({"stream": read_tokens(path)}, seq)
    if samples.count < 1:
        raise WeftError(f'"{path}" is too short: one sample needs {seq + 1} tokens', exit_code=INPUT_FILE)
    return samples
