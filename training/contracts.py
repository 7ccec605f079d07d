"""What the parts of `training` promise each other, and the letters their tensors are named with.

A trailing block of capitals in a variable's name gives its axes in order: `logits_x_BKX`. The letters are

- B batch, C channels, H and W height and width of a picture or a feature map;
- K keypoints, X and Y bins of the horizontal and the vertical SimCC axis, L cells of a feature map, row by row;
- N rows of a detector, one per cell of all its strides; M boxes, R regions to ignore;
- 2, 3, ... an axis of exactly that length.

Every other letter is explained where it is used.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, Protocol, Self, TypeVar

import torch
from torch import Tensor, nn

from pose_core.codecs import Codec
from pose_core.estimators.estimator import IMAGENET_MEAN, IMAGENET_STD
from pose_core.types import Size
from training.targets import draw_targets


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


class Batch(Protocol):
    """What the loop must know of the samples of a step; a record of each task says the rest."""

    @property
    def id_B(self) -> Tensor:  # noqa: N802 - a field of the records
        """Ids of annotations or pictures, int64, to name a sample in a message."""

    def to(self, device: torch.device) -> Self:
        """The same batch on a device; copies overlap with computation where the batch is pinned."""

    def pin_memory(self) -> Self:
        """The same batch in memory that a GPU can read directly; `torch.utils.data.DataLoader` calls this."""

    def prepared(self, memory_format: torch.memory_format) -> Self:
        """The same batch with its pixels as networks take them, in the memory format of their weights."""


Tensors = TypeVar("Tensors", "PoseBatch", "DetectionBatch")


@dataclass(frozen=True, slots=True)
class PoseBatch:
    """Crops of people and what a network should say about them.

    Attributes:
        image_B3HW: RGB crops; uint8 as loaded, float32 once `normalised`.
        weight_BK: how much each point teaches; 0 for unknown points and those out of reach of the crop.
        absent_BK: how sure it is that the crop does not show a point at all; 0 for all that have a weight, and for
            points of which nothing is known.
        keypoint_BK2: x and y in crop pixels; meaningless where `weight_BK` is 0.
        id_B: annotation ids, int64, to name a sample in a message.
        codec: says what the targets are.
        targets: what a network should answer, one tensor per output, float32 (B, K, ...); none as loaded.
    """

    image_B3HW: Tensor
    weight_BK: Tensor
    absent_BK: Tensor
    keypoint_BK2: Tensor
    id_B: Tensor
    codec: Codec
    targets: tuple[Tensor, ...] = ()

    def to(self, device: torch.device) -> "PoseBatch":
        """See `Batch`."""
        return moved(self, lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "PoseBatch":
        """See `Batch`."""
        return moved(self, lambda tensor: tensor.pin_memory())

    def prepared(self, memory_format: torch.memory_format) -> "PoseBatch":
        """Normalised with the numbers of ImageNet, with targets."""
        ready = self.labelled().normalised(IMAGENET_MEAN, IMAGENET_STD)
        return replace(ready, image_B3HW=ready.image_B3HW.contiguous(memory_format=memory_format))

    def labelled(self) -> "PoseBatch":
        """With targets."""
        height, width = self.image_B3HW.shape[2:]
        targets = draw_targets(self.codec, self.keypoint_BK2, self.weight_BK > 0, Size(width, height))
        return replace(self, targets=targets)

    def normalised(self, mean: tuple[float, ...], std: tuple[float, ...]) -> "PoseBatch":
        """Pixels in 0..255 to (pixel - mean) / std per channel."""
        image = self.image_B3HW.float()
        shape = (1, 3, 1, 1)
        mean_1311, std_1311 = (image.new_tensor(values).view(shape) for values in (mean, std))
        return replace(self, image_B3HW=(image - mean_1311) / std_1311)


@dataclass(frozen=True, slots=True)
class DetectionBatch:
    """Pictures and the people in them. All boxes are left, top, right, bottom in pixels of the picture.

    Attributes:
        image_B3HW: BGR pictures, 0..255; uint8 as loaded, float32 once `prepared`.
        box_BM4: float32; rows beyond a picture's people are zeros.
        weight_BM: how much each box teaches; 0 for the rows beyond.
        ignore_BR4: regions of which nobody knows who is there, float32; rows beyond a picture's regions are zeros.
        id_B: picture ids, int64, to name a sample in a message.
    """

    image_B3HW: Tensor
    box_BM4: Tensor
    weight_BM: Tensor
    ignore_BR4: Tensor
    id_B: Tensor

    def to(self, device: torch.device) -> "DetectionBatch":
        """See `Batch`."""
        return moved(self, lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "DetectionBatch":
        """See `Batch`."""
        return moved(self, lambda tensor: tensor.pin_memory())

    def prepared(self, memory_format: torch.memory_format) -> "DetectionBatch":
        """Pixels as floating-point numbers; nothing is subtracted or divided."""
        return replace(self, image_B3HW=self.image_B3HW.float().contiguous(memory_format=memory_format))


def moved(batch: Tensors, move: Callable[[Tensor], Tensor]) -> Tensors:
    """A copy of a batch, as loaded, with every tensor moved."""
    values = {field.name: getattr(batch, field.name) for field in fields(batch)}
    changes: dict[str, Any] = {name: move(value) for name, value in values.items() if isinstance(value, Tensor)}
    return replace(batch, **changes)


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

    def forward(self, batch: Any, progress: Progress) -> StepResult:  # noqa: ANN401 - each method has its own kind
        """Losses of a prepared batch of the method's task."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it trains")

    def deployable(self) -> nn.Module:
        """The network that is evaluated and exported; it shares its parameters with the method."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it trains")
