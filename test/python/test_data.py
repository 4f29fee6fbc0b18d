# SPDX-License-Identifier: Apache-2.0
"""Token files: round trips, sharding, samples, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from conftest import run_main
from weft.data import Shards, open_samples, read_tokens, write_tokens
from weft.data_command import main
from weft.errors import WeftError


def test_bytes_round_trip_in_several_files(tmp_path: Path) -> None:
    texts = [tmp_path / "a.txt", tmp_path / "b.txt"]
    texts[0].write_bytes("In principio\n".encode())
    texts[1].write_bytes("créa \x00\xff".encode("utf-8"))
    run = run_main(main, "prepare", *texts, "--tokenizer", "byte", "--shard-tokens", 10, "-o", tmp_path / "data")
    joined = texts[0].read_bytes() + texts[1].read_bytes()
    assert run.code == 0, run.err
    assert run.out == f"{len(joined)} tokens of a vocabulary of 256 in 3 files under {tmp_path / 'data'}\n"
    assert bytes(read_tokens(tmp_path / "data").astype(np.uint8)) == joined
    assert read_tokens(tmp_path / "data" / "tokens_000000.bin").size == 10


def test_header_is_llmc(tmp_path: Path) -> None:
    for vocab, expected, width in ((256, [20240520, 1, 5], 2), (70_000, [20240801, 7, 5], 4)):
        (path,) = write_tokens([np.arange(5)], shards=Shards(tmp_path / str(vocab), vocab))
        content = path.read_bytes()
        assert list(np.frombuffer(content, "<i4", 256)) == expected + [0] * 253
        assert len(content) == 1024 + 5 * width
        assert list(read_tokens(path)) == [0, 1, 2, 3, 4]


def test_tokenizer_file(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"in": 0, "the": 1, "beginning": 2, "?": 3}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "text").write_text("in the beginning\nthe end")
    run = run_main(main, "prepare", tmp_path / "text", "--tokenizer", tmp_path / "tokenizer.json", "-o", tmp_path / "data")
    assert run.code == 0, run.err
    assert list(read_tokens(tmp_path / "data")) == [0, 1, 2, 1, 3]
    assert run_main(main, "inspect", tmp_path / "data").out == f"{tmp_path / 'data'}: 5 tokens, 0 to 3\n"


def test_samples_overlap_by_one_token_and_start_over(stream: Path) -> None:
    samples, tokens = open_samples(stream, seq=64), read_tokens(stream)
    assert samples.count == 15
    taken = samples.take(14, 2)
    assert np.array_equal(taken["tokens"][0], tokens[14 * 64 : 15 * 64])
    assert np.array_equal(taken["labels"][0], tokens[14 * 64 + 1 : 15 * 64 + 1])
    assert np.array_equal(taken["tokens"][1], tokens[:64])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"abc", "is truncated: got 3 bytes, the header alone has 1024"),
        (b"\x00" * 2000, "is not a token file: got magic 0 version 0"),
        (np.array([20240520, 1, 9] + [0] * 253, "<i4").tobytes() + b"12", "is truncated: got 1026 bytes, 9 tokens need 1042"),
    ],
)
def test_foreign_files(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(content)
    run = run_main(main, "inspect", tmp_path)
    assert run.code == 3 and message in run.err


def test_refusals(tmp_path: Path, stream: Path) -> None:
    text = tmp_path / "text"
    text.write_text("text")
    (tmp_path / "empty").touch()
    cases = [
        (["prepare", tmp_path / "none", "--tokenizer", "byte", "-o", tmp_path / "d"], 3, "there is no text file"),
        (["prepare", tmp_path / "empty", "--tokenizer", "byte", "-o", tmp_path / "d"], 3, "the text has no tokens"),
        (["prepare", text, "--tokenizer", text, "-o", tmp_path / "d"], 3, "is not a tokenizer"),
        (["prepare", text, "--tokenizer", "byte", "-o", stream], 3, "already holds token files"),
        (["prepare", text, "--tokenizer", "byte", "--shard-tokens", 0, "-o", tmp_path / "d"], 2, "not positive: got 0"),
        (["prepare", text, "--tokenizer", "byte", "-o", "/proc/x"], 13, 'cannot write "/proc/x": No such file'),
        (["prepare", text, "--tokenizer", "byte", "-o", text], 13, "File exists"),
        (["inspect", tmp_path / "d"], 3, "holds no token files"),
        (["inspect", tmp_path / "none.bin"], 3, "cannot read the token file"),
    ]
    for arguments, code, message in cases:
        run = run_main(main, *arguments)
        assert (run.code, message in run.err) == (code, True), run
    with pytest.raises(WeftError, match="got 9, expected less than 4"):
        write_tokens([np.array([9])], shards=Shards(tmp_path / "v", 4))
    with pytest.raises(WeftError, match="one sample needs 2001 tokens"):
        open_samples(stream, seq=2000)
