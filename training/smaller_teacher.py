"""A teacher that sees reduced crops: it costs a fraction, to train and to ask, and most of a pose is coarse.

Not from the paper, whose teachers and students see the same crops. With factor 1 nothing here changes a number.

Letter beside those of `training.contracts`: I bins of either axis.
"""

from torch import Tensor
from torch.nn import functional

from pose_core.errors import InvalidInput
from pose_core.types import Size
from training.models.rtmpose import RtmPose


def reduction_factor(student: Size, teacher: Size) -> int:
    """How many pixels of the student's crop are one of the teacher's, along each axis.

    Raises:
        InvalidInput: it is not the same whole number on both.
    """
    factor = student.width // teacher.width
    if (teacher.width * factor, teacher.height * factor) != (student.width, student.height):
        raise InvalidInput(f"sees {teacher}, the student {student}, which is no whole multiple", field="teacher")
    return factor


def ask_teacher(teacher: RtmPose, image_B3HW: Tensor, factor: int) -> tuple[Tensor, Tensor, Tensor]:
    """What a teacher says about crops of the student's size.

    Args:
        teacher: whose crops are smaller by `factor`.
        image_B3HW: as the student sees them.
        factor: see `reduction_factor`.

    Returns:
        Its feature map, with its own number of cells, and its logits, interpolated to the student's bins.
    """
    if factor == 1:
        return teacher.forward_with_feature(image_B3HW)
    feature_BCHW, *logits = teacher.forward_with_feature(functional.avg_pool2d(image_B3HW, factor))
    x_BKX, y_BKY = (spread_bins(one_BKI.float(), factor) for one_BKI in logits)
    return feature_BCHW, x_BKX, y_BKY


def spread_bins(logits_BKI: Tensor, factor: int) -> Tensor:
    """Logits over bins of reduced crops as logits over those of whole ones, interpolated.

    A pixel of the reduced crop is the mean of several, whose middle lies (factor - 1) / 2 to the right of the first.
    Two bins are a pixel, so that bin k of the teacher is the student's bin factor * k + factor - 1.
    """
    padded_BKI = functional.pad(logits_BKI, (1, 0), mode="replicate")  # what lies before the first bin is as sure
    bins = factor * logits_BKI.shape[-1] + 1
    return functional.interpolate(padded_BKI, bins, mode="linear", align_corners=True)[..., 1:]


def reduce_map(feature_BCHW: Tensor, factor: int) -> Tensor:
    """The mean of the student's cells that lie in each of the teacher's."""
    return feature_BCHW if factor == 1 else functional.avg_pool2d(feature_BCHW, factor)
