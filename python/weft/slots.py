# SPDX-License-Identifier: Apache-2.0
"""The slots of a model: parameters, buffers, large constants, batch inputs and loss terms."""

from dataclasses import dataclass, field

from weft.ir import Location, Type


@dataclass(frozen=True)
class Slot:
    """A named tensor that outlives a function; `init` says how to make it where no file holds it."""

    name: str
    type: Type
    kind: str
    lifetime: str
    location: Location
    stored: bool = False
    names: tuple[str, ...] = ()
    trainable: bool = False
    init: dict[str, object] = field(default_factory=dict)
    coefficient: float | None = None

    def attributes(self) -> dict[str, object]:
        """The attributes of its `pipe.slot`; None marks a unit attribute."""
        found: dict[str, object] = {"kind": self.kind, "lifetime": self.lifetime}
        if self.stored:
            found["stored"] = self.name
        if self.names:
            found["names"] = list(self.names)
        if self.trainable:
            found["trainable"] = None
        if self.init:
            found["init"] = self.init
        if self.coefficient is not None:
            found["coefficient"] = self.coefficient
        return found
