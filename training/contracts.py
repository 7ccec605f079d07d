"""What the parts of `training` promise each other, and the letters their tensors are named with.

A trailing block of capitals in a variable's name gives its axes in order: `logits_x_BKX`. The letters are

- B batch, C channels, H and W height and width of a picture or a feature map;
- K keypoints, X and Y bins of the horizontal and the vertical SimCC axis, L cells of a feature map, row by row;
- N rows of a detector, one per cell of all its strides;
- 2, 3, ... an axis of exactly that length.

Every other letter is explained where it is used.
"""

from typing import Protocol

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
