# SPDX-License-Identifier: Apache-2.0
"""The meshes and plans whose training must equal one device's; the table that the parity tests run through."""

from dataclasses import dataclass

# Plain SGD with momentum: Adam's step does not depend on the scale of a gradient, so it would hide a wrong one.
OPTIMIZER = {"name": '"sgd"', "lr": "0.1", "momentum": "0.9", "weight_decay": "0.0", "clip": "0.0"}


@dataclass(frozen=True)
class Case:
    """A plan: sizes of axes, and the keys it sets besides; the data it reads."""

    name: str
    mesh: tuple[tuple[str, int], ...] = ()
    sets: tuple[str, ...] = ()
    data: str = "stream"
    microbatches: int = 1

    @property
    def ranks(self) -> int:
        product = 1
        for _, size in self.mesh:
            product *= size
        return product

    @property
    def settings(self) -> list[str]:
        """What `--set` gets."""
        keys = [f"optimizer.{key}={value}" for key, value in OPTIMIZER.items()]
        keys += [f"mesh.{axis}={size}" for axis, size in self.mesh]
        keys += [f"step.microbatches={self.microbatches}", *self.sets]
        return keys


def _mesh(*axes: tuple[str, int], sets: tuple[str, ...] = (), suffix: str = "") -> Case:
    return Case(" x ".join(f"{axis} {size}" for axis, size in axes) + suffix, axes, sets)


_SEQUENCE, _LOSS = "plan.sequence_parallel=true", "plan.loss_parallel=true"
_BOTH = _mesh(("dp_shard", 2), ("tp", 2), sets=(_SEQUENCE, _LOSS), suffix=", sequence and loss parallel")

MESHES = [
    Case("one device"),
    _mesh(("dp_replicate", 2)),
    _mesh(("dp_shard", 2)),
    _mesh(("dp_shard", 4)),
    _mesh(("dp_shard", 3)),  # 4 samples are 2, 2, 0
    _mesh(("tp", 2)),
    _mesh(("tp", 4)),  # 2 kv heads: sub-axes
    _mesh(("dp_shard", 2), ("tp", 2)),
    _mesh(("dp_replicate", 2), ("dp_shard", 2)),
    _mesh(("tp", 2), sets=(_SEQUENCE,), suffix=", sequence parallel"),
    _mesh(("tp", 2), sets=(_LOSS,), suffix=", loss parallel"),
    _BOTH,
]
QUICK = _BOTH

# Where shards are smaller than what they are cut from: one query head of a group, positions that don't divide.
EDGES = [
    _mesh(("tp", 8), sets=(_SEQUENCE,), suffix=", one query head a rank"),
    _mesh(
        ("dp_shard", 3),
        sets=('plan.layouts."lm_head:output"="dp_shard = shard(1)"',),
        suffix=", positions cut in 22, 22, 20",
    ),
]

# GPT-2 keeps the weights of linear layers as [in, out]; styles are about features.
INPUTS_FIRST = [
    _mesh(
        *axes,
        sets=tuple(
            f'plan.styles."transformer.h.*.{module}"="{style}"'
            for module, style in (("mlp.c_fc", "colwise"), ("mlp.c_proj", "rowwise"), ("attn.c_proj", "rowwise"))
        ),
        suffix=", inputs first",
    )
    for axes in ([("tp", 2)], [("dp_shard", 2), ("tp", 4)])
]

# Microbatches with unequal numbers of labels that count, one of them with none.
MICROBATCHES = [
    Case(
        f"dp_shard 2 x tp 2, {count} microbatches, reduce {reduce}",
        (("dp_shard", 2), ("tp", 2)),
        (f'step.reduce="{reduce}"',),
        "labelled",
        count,
    )
    for count in (1, 2, 3)
    for reduce in ("each", "last")
]
