"""What a run is made of, beside the networks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from training.conditions import Conditions
from training.contracts import BatchSource, Evaluate
from training.distributed import World
from training.recipe import Recipe


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How a run is carried out; what it computes is the recipe's matter.

    Attributes:
        precision: of convolutions and products; weights, losses and batch statistics are float32 in any case. `auto`
            is bfloat16 on accelerators and float32 on CPUs.
        data: folder of the data, which checkpoints remember; empty for data from elsewhere.
        fastest: whether a GPU may try out which algorithms are fastest, and take some whose sums come out a little
            different each time; without it a repeated run gives the same weights.
        channels_last: memory format of pictures and convolutions; faster, same values up to rounding.
        stop_after: stop after this step, to be continued; None for all epochs.
        save_every: steps between checkpoints; there also is one after each evaluation and at the end.
        keep: how many checkpoints stay.
        log_every: steps between lines of the log.
        progress: whether to show a progress bar.
        draw: whether to draw the log at evaluations and at the end, which takes about a second.
    """

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    data: str = ""
    fastest: bool = False
    channels_last: bool = True
    stop_after: int | None = None
    save_every: int = 1000
    keep: int = 2
    log_every: int = 10
    progress: bool = True
    draw: bool = True

    def half_on(self, device: torch.device) -> bool:
        """Whether to compute in bfloat16."""
        return self.precision == "bfloat16" or (self.precision == "auto" and device.type != "cpu")


class Run(NamedTuple):
    """What stays the same over a run.

    Attributes:
        recipe: what is computed.
        folder: where log and checkpoints go, see `training.checkpoints`.
        batches: the training data of this process.
        evaluate: called with the averaged deployable network in evaluation mode; None for no evaluation.
        world: this process among all.
        settings: how it is carried out.
    """

    recipe: Recipe
    folder: Path
    batches: BatchSource
    evaluate: Evaluate | None
    world: World
    settings: Settings

    @property
    def steps_per_epoch(self) -> int:
        """Steps of the data or of the recipe, whichever are fewer."""
        return min(self.batches.steps_per_epoch, self.recipe.steps_per_epoch or self.batches.steps_per_epoch)

    @property
    def conditions(self) -> Conditions:
        """What checkpoints remember of how it is carried out."""
        precision: Literal["float32", "bfloat16"] = (
            "bfloat16" if self.settings.half_on(self.world.device) else "float32"
        )
        return Conditions(precision=precision, processes=self.world.size, data=self.settings.data or None)

    @property
    def last_step(self) -> int:
        """The step after which the run ends or stops."""
        everything = self.recipe.epochs * self.steps_per_epoch
        return min(everything, self.settings.stop_after or everything)
