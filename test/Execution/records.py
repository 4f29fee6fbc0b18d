# SPDX-License-Identifier: Apache-2.0
"""The collectives of a step as `train --record` lists them, and what a plan promises about them.

Each `require_...` fails unless a list is what its plan promises; a list of another plan must fail it (test_counts.py tries both).
"""

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from lab import BATCH, SEQ, run

F32 = 4  # bytes


@dataclass(frozen=True)
class Model:
    """What the numbers of bytes follow from."""

    layers: int
    hidden: int
    vocab: int

    @property
    def blocks(self) -> list[str]:
        return [f"model.layers.{layer}" for layer in range(self.layers)]


@dataclass(frozen=True)
class Call:
    """One collective of a rank."""

    function: str
    kind: str
    axes: tuple[str, ...]
    bytes: int
    loc: str
    microbatch: int | None = None

    @property
    def is_backward(self) -> bool:
        return self.loc.endswith("/grad")

    @property
    def unit(self) -> str:
        """The block that the module or parameter belongs to; `root` outside of all."""
        found = re.match(r"model\.layers\.\d+", self.loc)
        return found[0] if found else "root"


def record(artefact: Path, *, rank: int = 0) -> list[Call]:
    """The collectives that a rank issues in a step, in order."""
    file = artefact / f"record-{rank}.jsonl"
    run(artefact / "train", "--record", file, "--rank", rank)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [Call(**{**line, "axes": tuple(line["axes"])}) for line in lines]


def of_model(calls: list[Call], *, axis: str = "") -> list[Call]:
    """What forward and backward issue, over one axis (and its parts) if given."""
    stage = [call for call in calls if call.function.startswith("stage0") and call.function != "stage0_update"]
    return [call for call in stage if not axis or all(name.split(".")[0] == axis for name in call.axes)]


def require_two_scalars(calls: list[Call]) -> None:
    """Outside of the model a step has at most two collectives, of a few numbers each."""
    others = [call for call in calls if call not in of_model(calls)]
    assert len(others) <= 2, others
    assert all(call.kind == "all_reduce" and call.bytes <= 128 for call in others), others


def require_sequence_parallel(calls: list[Call], model: Model) -> None:
    """Two gathers and two scatters a layer and direction; all-reduces only for gradients of what every rank of tp holds."""
    calls = of_model(calls, axis="tp")
    for block in model.blocks:
        kinds = [call.kind for call in calls if call.unit == block and not call.is_backward]
        assert kinds == ["all_gather", "reduce_scatter"] * 2, (block, kinds)
    backward = Counter(call.kind for call in calls if call.is_backward and call.kind != "all_reduce")
    # Two of each in a layer, and the scatter of what the head returns to the last norm.
    assert backward == {"all_gather": 2 * model.layers, "reduce_scatter": 2 * model.layers + 1}, backward
    outside = [(call.kind, call.loc) for call in calls if call.unit == "root" and not call.is_backward and call.loc != "loss"]
    assert outside == [("all_gather", "model.norm")], outside
    reduced = [call for call in calls if call.kind == "all_reduce" and call.loc != "loss"]
    norms, table = (2 * model.layers + 1) * model.hidden, model.vocab * model.hidden
    assert all(call.is_backward for call in reduced), reduced
    assert sum(call.bytes for call in reduced) == (norms + table) * F32, reduced


def require_loss_parallel(calls: list[Call]) -> None:
    """Three all-reduces of a [batch, seq] field forward, nothing backward."""
    loss = [call for call in of_model(calls, axis="tp") if call.loc.startswith("loss")]
    assert [(call.kind, call.loc, call.bytes) for call in loss] == [("all_reduce", "loss", BATCH * SEQ * F32)] * 3, loss


def require_sharding(calls: list[Call], model: Model, *, reshard: str, root: str) -> None:
    """Full sharding: a gather a unit forward; backward those that are not kept, the last first; a scatter a unit."""
    calls = of_model(calls, axis="dp_shard")
    forward = ["root", *model.blocks]
    again = {"always": model.blocks, "default": model.blocks[:-1], "never": []}[reshard]
    backward = ([] if root == "keep" else ["root"]) + again[::-1]
    gathered = [call.unit for call in calls if call.kind == "all_gather"]
    assert gathered == forward + backward, gathered
    assert sorted(call.unit for call in calls if call.kind == "reduce_scatter") == sorted(forward)
    assert len(calls) == len(gathered) + len(forward)


def require_replication(calls: list[Call], model: Model, *, is_sharded: bool = False) -> None:
    """One all-reduce a unit; under hybrid sharding as many as scatters."""
    reduced = of_model(calls, axis="dp_replicate")
    assert [call.kind for call in reduced] == ["all_reduce"] * (model.layers + 1), reduced
    if all(call.function == "stage0" for call in reduced):
        assert sorted(call.unit for call in reduced) == sorted(["root", *model.blocks])
    scattered = [call for call in of_model(calls, axis="dp_shard") if call.kind == "reduce_scatter"]
    assert len(scattered) == (len(reduced) if is_sharded else 0), scattered
