"""What the parts of `training` promise each other, and the letters their tensors are named with.

A trailing block of capitals in a variable's name gives its axes in order: `logits_x_BKX`. The letters are

- B batch, C channels, H and W height and width of a picture or a feature map;
- K keypoints, X and Y bins of the horizontal and the vertical SimCC axis, L cells of a feature map, row by row;
- N rows of a detector, one per cell of all its strides;
- 2, 3, ... an axis of exactly that length.

Every other letter is explained where it is used.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from pose_core.types import Size


class Exportable(Protocol):
    """What a network must say about itself to become an ONNX file; it also is a `torch.nn.Module`."""

    @property
    def input_size(self) -> Size:
        """Width and height of the picture the exported file takes, in pixels."""

    @property
    def onnx_input(self) -> str:
        """Name of the only input, float32 (B, 3, H, W)."""

    @property
    def onnx_outputs(self) -> tuple[str, ...]:
        """Names of the outputs, in the order in which the network returns them; every first axis is the batch."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Crops of people and what a network should say about them.

    Attributes:
        image_B3HW: RGB crops; uint8 as loaded, float32 once `normalised`.
        targets: what `pose_core.codecs` encodes, one tensor per network output, float32 (B, K, ...).
        weight_BK: how much each point teaches; 0 for unknown points and those out of reach of the crop.
        keypoint_BK2: x and y in crop pixels; meaningless where `weight_BK` is 0.
        id_B: annotation ids, int64, to name a sample in a message.
    """

    image_B3HW: Tensor
    targets: tuple[Tensor, ...]
    weight_BK: Tensor
    keypoint_BK2: Tensor
    id_B: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device; copies overlap with computation where the batch is pinned."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "Batch":
        """The same batch in memory that a GPU can read directly; `torch.utils.data.DataLoader` calls this."""
        return self._map(lambda tensor: tensor.pin_memory())

    def normalised(self, mean: tuple[float, ...], std: tuple[float, ...]) -> "Batch":
        """Pixels in 0..255 to (pixel - mean) / std per channel."""
        image = self.image_B3HW.float()
        shape = (1, 3, 1, 1)
        mean_1311, std_1311 = (image.new_tensor(values).view(shape) for values in (mean, std))
        return replace(self, image_B3HW=(image - mean_1311) / std_1311)

    def _map(self, move: Callable[[Tensor], Tensor]) -> "Batch":
        return Batch(
            image_B3HW=move(self.image_B3HW),
            targets=tuple(move(target) for target in self.targets),
            weight_BK=move(self.weight_BK),
            keypoint_BK2=move(self.keypoint_BK2),
            id_B=move(self.id_B),
        )


class BatchSource(Protocol):
    """This process's share of the training data.

    The samples of a step follow from seed, epoch and step alone, so that a run can begin anywhere.
    """

    @property
    def steps_per_epoch(self) -> int:
        """How many batches an epoch has, the same in every process."""

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of a zero-based epoch from its zero-based step `start` on, images as uint8."""


Evaluate = Callable[[nn.Module], Mapping[str, float]]
"""Numbers of a deployable network in evaluation mode, by name; the larger the first one, the better the network."""


class Progress(NamedTuple):
    """Where in a run a step is: zero-based epoch, number of epochs, zero-based step over all epochs."""

    epoch: int
    epochs: int
    step: int


class StepResult(NamedTuple):
    """What one forward pass says.

    Attributes:
        losses: scalars by name, already weighted; their sum is minimised, each is logged.
        metrics: scalars by name that are only logged.
    """

    losses: Mapping[str, Tensor]
    metrics: Mapping[str, Tensor]


class Method(nn.Module):
    """A way to train a student: a module that owns every network it needs and turns a batch into named losses.

    What requires a gradient is trained. A method keeps frozen parts in eval mode by overriding `train`.
    """

    def forward(self, batch: Batch, progress: Progress) -> StepResult:
        """Losses of a normalised batch."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it trains")

    def deployable(self) -> nn.Module:
        """The network that is evaluated and exported; it shares its parameters with the method."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it trains")
