"""What can keep a picture from being made although everything asked for was right."""

from pose_core.errors import PoseError


class GenerationFailed(PoseError):
    """No picture; the text is the reason to show."""


class OutOfMemory(GenerationFailed):
    """The device has too little memory for this model at this size."""


class BrokenPicture(GenerationFailed):
    """What came out is no picture: not finite, or black all over."""
