"""What a run depends on beside its recipe."""

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditions:
    """How a run was carried out, beside its recipe; None where an older version did not write it down.

    Attributes:
        precision: of convolutions and products.
        processes: that trained together.
        data: absolute path of the data folder.
    """

    precision: Literal["float32", "bfloat16"] | None = None
    processes: int | None = None
    data: str | None = None

    def differences(self, now: "Conditions") -> list[str]:
        """What is known to be another than now, as `name: before, now`."""
        pairs = {name: (getattr(self, name), getattr(now, name)) for name in ("precision", "processes", "data")}
        return [
            f"{name}: {before} before, {later} now"
            for name, (before, later) in pairs.items()
            if None not in (before, later) and before != later
        ]


UNKNOWN: Final = Conditions()
"""Of checkpoints that say nothing of it."""
