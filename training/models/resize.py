"""A trained RTMPose for another size of crop: what has learnt to see small people cheaply goes on at full resolution.

Not from the paper; the idea is that of progressive resizing and of FixRes, arXiv 1906.06423: convolutions do not depend
on the size of the picture, and what does is interpolated. The result needs some more training.
"""

from collections.abc import Mapping
from typing import Final

from torch import Tensor
from torch.nn import functional

from pose_core.types import Size
from training.models.cspnext import STRIDE
from training.models.rtmcc_head import BINS_PER_PIXEL

CELLS: Final = "head.mlp.1.weight"
BINS_X: Final = "head.cls_x.weight"
BINS_Y: Final = "head.cls_y.weight"
SIZED: Final = frozenset({CELLS, BINS_X, BINS_Y})
"""The only tensors whose shape follows from the size of the crop."""


def resize_weights(state: Mapping[str, Tensor], size: Size) -> dict[str, Tensor]:
    """A state dict of `training.models.rtmpose.RtmPose` for crops of another size.

    Args:
        state: of a network whose crops have any multiple of 32 pixels.
        size: the other size.

    Returns:
        The same tensors, but one weight per cell is interpolated over the map and scaled so that the sum over cells
        stays, and one row per bin is interpolated along the axis.
    """
    width, height = (len(state[name]) // BINS_PER_PIXEL for name in (BINS_X, BINS_Y))
    cells_D1HW = state[CELLS].reshape(-1, 1, height // STRIDE, width // STRIDE)
    wanted = (size.height // STRIDE, size.width // STRIDE)
    resized_D1HW = functional.interpolate(cells_D1HW, wanted, mode="bilinear", align_corners=False)
    share = cells_D1HW[0].numel() / resized_D1HW[0].numel()
    return {
        **state,
        CELLS: (resized_D1HW * share).flatten(start_dim=1),
        BINS_X: resize_rows(state[BINS_X], size.width * BINS_PER_PIXEL),
        BINS_Y: resize_rows(state[BINS_Y], size.height * BINS_PER_PIXEL),
    }


def resize_rows(weight_XD: Tensor, rows: int) -> Tensor:
    """Interpolate between the rows of a matrix."""
    resized_1DX = functional.interpolate(weight_XD.T[None], rows, mode="linear", align_corners=False)
    return resized_1DX[0].T.contiguous()
