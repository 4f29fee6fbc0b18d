# SPDX-License-Identifier: Apache-2.0
"""The collectives of a step: how many, of which kind, for which module, with buckets inside of units only."""

import json

import pytest
import records
from cases import Case
from lab import Lab, run
from records import Model, record

TINY, SIX = Model(layers=2, hidden=64, vocab=256), Model(layers=6, hidden=256, vocab=2048)
UNITS = "fsdp.bucket=0"
PARALLEL = ("plan.sequence_parallel=true", "plan.loss_parallel=true", UNITS)

SEQUENCE = Case("count tp 2", (("tp", 2),), PARALLEL)
SHARDED = Case("count dp_shard 2", (("dp_shard", 2),), (UNITS,))
POLICIES = [(reshard, root) for root in ("gather", "keep") for reshard in ("always", "default", "never")]


def _policy(reshard: str, root: str) -> Case:
    keys = (UNITS, f'fsdp.reshard_after_forward="{reshard}"', f'fsdp.root="{root}"')
    return Case(f"count dp_shard 4 {reshard} {root}", (("dp_shard", 4),), keys)


def test_sequence_and_loss_parallel(lab: Lab) -> None:
    calls = record(lab.artefact("tiny", SEQUENCE))
    records.require_sequence_parallel(calls, TINY)
    records.require_loss_parallel(calls)
    records.require_two_scalars(calls)


def test_full_sharding(lab: Lab) -> None:
    calls = record(lab.artefact("tiny", SHARDED))
    records.require_sharding(calls, TINY, reshard="default", root="gather")
    records.require_two_scalars(calls)


def test_lists_of_other_plans_are_refused(lab: Lab) -> None:
    sequence, sharded = (record(lab.artefact("tiny", case)) for case in (SEQUENCE, SHARDED))
    for require in (
        lambda: records.require_sequence_parallel(sharded, TINY),
        lambda: records.require_loss_parallel(sharded),
        lambda: records.require_sharding(sequence, TINY, reshard="default", root="gather"),
        lambda: records.require_sharding(sharded, TINY, reshard="always", root="gather"),
        lambda: records.require_sharding(sharded, TINY, reshard="default", root="keep"),
        lambda: records.require_sharding(sharded[1:-2], TINY, reshard="default", root="gather"),
        lambda: records.require_replication(sharded, TINY),
        lambda: records.require_two_scalars([*sharded, sharded[0]]),
    ):
        with pytest.raises(AssertionError):
            require()


@pytest.mark.slow
def test_tensor_parallel_alone_reduces_activations(lab: Lab) -> None:
    calls = record(lab.artefact("tiny", Case("count tp 2 alone", (("tp", 2),), (UNITS,))))
    with pytest.raises(AssertionError):
        records.require_sequence_parallel(calls, TINY)
    with pytest.raises(AssertionError):
        records.require_loss_parallel(calls)


@pytest.mark.slow
@pytest.mark.parametrize("tp", [2, 4])
def test_six_layers(lab: Lab, tp: int) -> None:
    calls = record(lab.artefact("six-layers", Case(f"count tp {tp}", (("tp", tp),), PARALLEL)))
    records.require_sequence_parallel(calls, SIX)
    records.require_loss_parallel(calls)
    records.require_two_scalars(calls)


@pytest.mark.slow
@pytest.mark.parametrize(("reshard", "root"), POLICIES)
def test_policies(lab: Lab, reshard: str, root: str) -> None:
    calls = record(lab.artefact("six-layers", _policy(reshard, root)))
    records.require_sharding(calls, SIX, reshard=reshard, root=root)


@pytest.mark.slow
def test_policies_change_no_loss(lab: Lab) -> None:
    losses = {}
    for policy in POLICIES:
        dump = lab.folder / f"losses-{'-'.join(policy)}"
        artefact = lab.artefact("tiny", _policy(*policy))
        run(artefact / "train", "--in-process", 4, "--data", lab.data("stream"), "--steps", 10, "--dump", dump)
        losses[policy] = json.loads((dump / "loss.json").read_text())["losses"]
    assert all(one == losses[POLICIES[0]] for one in losses.values()), losses


@pytest.mark.slow
@pytest.mark.parametrize(("reduce", "microbatches"), [("each", 1), ("last", 3)])
@pytest.mark.parametrize("sharded", [1, 2])
def test_replication(lab: Lab, sharded: int, reduce: str, microbatches: int) -> None:
    mesh = (("dp_replicate", 2), ("dp_shard", sharded))
    keys = (UNITS, f'step.reduce="{reduce}"')
    calls = record(lab.artefact("tiny", Case(f"count hybrid {sharded} {reduce}", mesh, keys, microbatches=microbatches)))
    records.require_replication(calls, TINY, is_sharded=sharded > 1)
    records.require_two_scalars(calls)


@pytest.mark.slow
def test_every_rank_issues_the_same_list(lab: Lab) -> None:
    mesh = (("dp_replicate", 2), ("dp_shard", 2), ("tp", 2))
    artefact = lab.artefact("tiny", Case("count three axes", mesh, PARALLEL))
    lists = [record(artefact, rank=rank) for rank in range(8)]
    assert all(one == lists[0] for one in lists)
