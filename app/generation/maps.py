"""The map that steers a picture, drawn at the picture's own size: never a resized one unless it came ready-made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from app.generation.families import Family
from app.generation.limits import GenerationLimits
from app.generation.request import GenerationRequest
from app.generation.sources import Source, SourceKind
from app.images import decode_image
from app.parameters import ConvertParameters, PoseParameters, RenderParameters
from app.png import encode_png
from app.service import PoseService
from pose_core.dialects import DIALECTS, read_scene
from pose_core.errors import InvalidInput, InvalidPoseData, NoPersonFound
from pose_core.geometry import photo_on_canvas, place
from pose_core.skeleton import PARTS
from pose_core.steps import run_steps
from pose_core.timing import Timer
from pose_core.types import Image, Size

DIALECT = "comfy"
"""Of the pose document that goes with a picture: keeps feet, names its canvas, and reads back to the same map."""


@dataclass(frozen=True, slots=True)
class ControlMap:
    """A map and where it came from.

    Attributes:
        rgb: at the size of the picture.
        png: the same as a file.
        pose: the document that it was drawn from, None for a ready map.
        warnings: what the caller should know.
    """

    rgb: Image
    png: bytes
    pose: object | None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a map is drawn for.

    Attributes:
        request: asks for it.
        family: names style and sizes.
        limits: of the server.
        service: estimates and draws.
    """

    request: GenerationRequest
    family: Family
    limits: GenerationLimits
    service: PoseService

    def size_for(self, source: Size) -> Size:
        """The size of the picture for a source of this size, see `picture_size`."""
        return picture_size(source, self.request, self.family, self.limits)


def draw_map(source: Source, drawing: Drawing) -> ControlMap:
    """The map of a source.

    Raises:
        PoseError: the source cannot be used, or a network cannot.
    """
    return READERS[source.kind](source.data, drawing)


def picture_size(source: Size, request: GenerationRequest, family: Family, limits: GenerationLimits) -> Size:
    """What was asked for; else the source's aspect ratio with as many pixels as the family was trained with.

    Raises:
        InvalidInput: a side that was left open would be longer than allowed.
    """
    if request.width and request.height:
        return Size(request.width, request.height)
    aspect = source.width / source.height
    if request.width:
        wanted = (float(request.width), request.width / aspect)
    elif request.height:
        wanted = (request.height * aspect, float(request.height))
    else:
        pixels = min(family.pixels, limits.max_pixels)
        wanted = (pixels * aspect) ** 0.5, (pixels / aspect) ** 0.5
    size = Size(*(max(1, round(side / family.size_multiple)) * family.size_multiple for side in wanted))
    if max(size.width, size.height) > limits.max_side_px or size.width * size.height > limits.max_pixels:
        field = next((name for name in ("width", "height") if getattr(request, name)), "source")
        allowed = f"{limits.max_side_px} per side and {limits.max_pixels} pixels are allowed; give width and height"
        raise InvalidInput(f"the picture would be {size.width}x{size.height}; {allowed}", field=field)
    return size


def fit_init_image(data: bytes, size: Size, drawing: Drawing) -> Image:
    """The init image at this size."""
    picture = _decode(data, "init_image", drawing)
    return photo_on_canvas(picture, place(Size.of(picture), size, drawing.request.fit), size)


def _from_photo(data: bytes, drawing: Drawing) -> ControlMap:
    request, service = drawing.request, drawing.service
    photo = _decode(data, "photo", drawing)
    size = drawing.size_for(Size.of(photo))
    parameters = PoseParameters(
        **_canvas(request, size),
        estimator=request.estimator,
        detector=request.detector,
        max_people=request.max_people,
        order=request.order,
        on_empty=request.on_empty,
    )
    timer = Timer()
    answer = run_steps(service.photo_steps(photo, parameters, timer), timer)
    return _from_scene(DIALECTS[DIALECT].write(answer.scene, answer.threshold), drawing, size, answer.warnings)


def _from_pose(data: bytes, drawing: Drawing) -> ControlMap:
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidPoseData(f"is no JSON: {error}", field="pose") from error
    scene = read_scene(document)
    if not scene.people and drawing.request.on_empty == "error":
        raise NoPersonFound("nobody in it; on_empty=blank draws a black map", field="pose")
    return _from_scene(document, drawing, drawing.size_for(scene.size), ())


def _from_scene(document: object, drawing: Drawing, size: Size, warnings: tuple[str, ...]) -> ControlMap:
    """Write the pose once and draw what was written, so that the document makes this very map again."""
    request = drawing.request
    written = drawing.service.convert(document, ConvertParameters(**_canvas(request, size), dialect=DIALECT))
    style = request.style or drawing.family.style
    skeleton = drawing.service.draw(written, RenderParameters(style=style, parts=PARTS))
    if not skeleton.indices.any():
        warnings = (*warnings, "nobody is in the map: it is black")
    return ControlMap(skeleton.rgb, encode_png(skeleton), written, warnings)


def _from_map(data: bytes, drawing: Drawing) -> ControlMap:
    picture = _decode(data, "map", drawing)
    came, size = Size.of(picture), drawing.size_for(Size.of(picture))
    fitted = photo_on_canvas(picture, place(came, size, drawing.request.fit), size)
    resized = f"the map of {came.width}x{came.height} was resized to {size.width}x{size.height}"
    return ControlMap(fitted, encode_png(fitted), None, () if came == size else (resized,))


def _decode(data: bytes, field: str, drawing: Drawing) -> Image:
    """The pixels of a file; errors are about the field that it came in."""
    try:
        return decode_image(data, drawing.service.settings.image_limits)
    except InvalidInput as error:
        raise error.about(field) from error


def _canvas(request: GenerationRequest, size: Size) -> Mapping[str, Any]:
    """The parameters of `/pose` and `/convert` that the request has too."""
    return {
        "width": size.width,
        "height": size.height,
        "fit": request.fit,
        "parts": request.parts,
        "keypoint_threshold": request.keypoint_threshold,
    }


READERS: dict[SourceKind, Callable[[bytes, Drawing], ControlMap]] = {
    "photo": _from_photo,
    "pose": _from_pose,
    "map": _from_map,
}
"""What becomes of each kind of source."""
