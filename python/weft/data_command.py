# SPDX-License-Identifier: Apache-2.0
"""The command `weft-data` (`weft data`): token files from text, and a look at them."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from weft.data import Shards, read_tokens, write_tokens
from weft.errors import INPUT_FILE, WeftError, run_command

_CHUNK = 1 << 20  # characters encoded at once


def parser() -> argparse.ArgumentParser:
    """The command line of weft-data."""
    found = argparse.ArgumentParser(prog="weft-data", description="Makes and inspects token files in llm.c's format.")
    commands = found.add_subparsers(dest="command", required=True)
    prepare = commands.add_parser("prepare", help="make token files from text files, joined in the order given")
    prepare.add_argument("text", nargs="+", metavar="TEXT", help="UTF-8 text files")
    prepare.add_argument("--tokenizer", required=True, metavar="byte|FILE", help="byte: one token per byte; else a tokenizer.json")
    prepare.add_argument("--shard-tokens", type=int, default=100_000_000, metavar="N", help="most tokens of a file")
    prepare.add_argument("-o", "--output", required=True, metavar="DIR", help="the folder to write")
    inspect = commands.add_parser("inspect", help="print count and range of the tokens of files or folders")
    inspect.add_argument("data", nargs="+", metavar="DATA", help="token files, or folders of them")
    return found


def main() -> int:
    """Runs weft-data; the return value is the exit code."""
    arguments = parser().parse_args()
    if arguments.command == "prepare":
        return run_command(lambda: _prepare(arguments), output=arguments.output)
    return run_command(lambda: _inspect(arguments))


def _prepare(arguments: argparse.Namespace) -> None:
    texts = [Path(text) for text in arguments.text]
    for text in texts:
        if not text.is_file():
            raise WeftError(f'there is no text file "{text}"', exit_code=INPUT_FILE)
    directory = Path(arguments.output)
    if arguments.tokenizer == "byte":
        pieces, vocab = (np.fromfile(text, dtype=np.uint8) for text in texts), 256
    else:
        pieces, vocab = _encoded(texts, arguments.tokenizer)
    files = write_tokens(pieces, shards=Shards(directory, vocab, arguments.shard_tokens))
    count = sum(read_tokens(file).size for file in files)
    print(f"{count} tokens of a vocabulary of {vocab} in {len(files)} file{'s' if len(files) > 1 else ''} under {directory}")


def _encoded(texts: list[Path], file: str) -> tuple[Iterator[np.ndarray], int]:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(file)
    except Exception as error:
        raise WeftError(f'"{file}" is not a tokenizer: {error}', exit_code=INPUT_FILE) from error

    def pieces() -> Iterator[np.ndarray]:
        for text in texts:
            for chunk in _lines(text):
                yield np.asarray(tokenizer.encode(chunk, add_special_tokens=False).ids, dtype=np.int64)

    return pieces(), tokenizer.get_vocab_size()


def _lines(text: Path) -> Iterator[str]:
    """The text in pieces of whole lines."""
    try:
        with text.open(encoding="utf-8", newline="") as file:
            while lines := file.readlines(_CHUNK):
                yield "".join(lines)
    except UnicodeDecodeError as error:
        raise WeftError(f'"{text}" is not UTF-8: {error}', exit_code=INPUT_FILE) from error


def _inspect(arguments: argparse.Namespace) -> None:
    for path in arguments.data:
        tokens = read_tokens(path)
        print(f"{path}: {tokens.size} tokens, {tokens.min(initial=0)} to {tokens.max(initial=0)}")


if __name__ == "__main__":
    sys.exit(main())
