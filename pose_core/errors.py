"""What can go wrong, in words of poses and images; `app.problems` translates to HTTP.

PoseError
├── InvalidInput          the caller gave a value that cannot be used; carries field, value and valid choices
│   ├── UnknownChoice     a name that is in none of our tables
│   ├── InvalidPoseData   a pose document that no dialect can read
│   ├── InvalidImage      bytes that do not become pixels
│   │   ├── UnsupportedImage   a format outside the allow-list
│   │   └── ImageTooLarge      more bytes or pixels than allowed
│   └── NoPersonFound     nobody in the picture although the caller asked for an error then
├── ModelError            a model file that cannot be used as asked
│   ├── WeightsMissing    a known name without its file; says how to get it
│   ├── WeightsCorrupt    size or sha256 differ from what the table says
│   ├── DeviceUnavailable the device that was demanded would not be used
│   ├── DeviceLost        the device can compute nothing more until the process starts again
│   ├── OutOfMemory       the device has no memory for so many rows at once
│   └── RunStopped        a run was ended because nobody waits for it any more
└── DownloadFailed        the network or the disk did not deliver
"""

from collections.abc import Iterable


class PoseError(Exception):
    """Base of everything this package raises on purpose."""


class InvalidInput(PoseError, ValueError):
    """A value that cannot be used.

    Attributes:
        field: the parameter's name as the user wrote it.
        reason: what is wrong with it, without the name.
        value: what was given, None where the reason says it.
        choices: the valid values, empty where there is no list of them.
    """

    def __init__(self, message: str, *, field: str = "", value: str | None = None, choices: Iterable[str] = ()) -> None:
        self.field = field
        self.reason = message
        self.value = value
        self.choices = tuple(choices)
        given = "" if value is None else f", got {value!r}"
        listed = f"; valid: {', '.join(self.choices)}" if self.choices else ""
        super().__init__(f"{field}: {message}{given}{listed}" if field else f"{message}{given}{listed}")

    def about(self, field: str) -> "InvalidInput":
        """The same error about a parameter that its caller knows under another name."""
        again = type(self).__new__(type(self))
        InvalidInput.__init__(again, self.reason, field=field, value=self.value, choices=self.choices)
        return again


class UnknownChoice(InvalidInput):
    """A name that none of our tables lists."""

    def __init__(self, field: str, value: object, choices: Iterable[str]) -> None:
        super().__init__(f"unknown value {value!r}", field=field, choices=choices)


class InvalidPoseData(InvalidInput):
    """A pose document that cannot be read."""


class InvalidImage(InvalidInput):
    """Bytes that do not become pixels."""


class UnsupportedImage(InvalidImage):
    """An image format outside the allow-list."""


class ImageTooLarge(InvalidImage):
    """More bytes or pixels than allowed."""


class NoPersonFound(InvalidInput):
    """Nobody in the picture, and the caller asked for an error in that case."""


class ModelError(PoseError):
    """A model file that cannot be used as asked."""


class WeightsMissing(ModelError):
    """A known model whose file is not on this machine."""


class WeightsCorrupt(ModelError):
    """A model file whose size or sha256 is not the expected one."""


class DeviceUnavailable(ModelError):
    """The demanded device would silently have been replaced by another."""


class DeviceLost(ModelError):
    """The device can compute nothing more until the process starts again."""


class OutOfMemory(ModelError):
    """The device has no memory for so many rows at once."""


class RunStopped(ModelError):
    """A run was ended because nobody waits for it any more."""


class DownloadFailed(PoseError):
    """The network or the disk did not deliver."""
