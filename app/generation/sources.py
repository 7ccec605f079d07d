"""What a picture is steered by: the bytes of exactly one photo, pose document or map, and an optional init image."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from pose_core.errors import InvalidInput

SourceKind = Literal["photo", "pose", "map"]
SOURCE_KINDS: tuple[SourceKind, ...] = get_args(SourceKind)


@dataclass(frozen=True, slots=True)
class Source:
    """What the caller sent beside the parameters; plain bytes, as they came and as a store can keep them.

    Attributes:
        kind: what `data` is.
        data: a JPEG, PNG or WebP for a photo and a map, JSON in any dialect for a pose.
        init_image: a JPEG, PNG or WebP that the picture starts from, None to start from noise.
    """

    kind: SourceKind
    data: bytes
    init_image: bytes | None = None


def choose_source(sent: Mapping[str, bytes | None], init_image: bytes | None = None) -> Source:
    """The one source among those that were sent, by kind; None stands for not sent.

    Raises:
        InvalidInput: none of them, more than one, or an empty one.
    """
    there: dict[SourceKind, bytes] = {kind: data for kind in SOURCE_KINDS if (data := sent.get(kind)) is not None}
    if len(there) != 1:
        seen = " and ".join(there) or "none"
        raise InvalidInput("exactly one is needed", field="source", value=seen, choices=SOURCE_KINDS)
    ((kind, data),) = there.items()
    if not data:
        raise InvalidInput("is empty", field=kind)
    if init_image is not None and not init_image:
        raise InvalidInput("is empty", field="init_image")
    return Source(kind, data, init_image)
