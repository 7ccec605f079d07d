"""What a caller may ask for: the parameters of `POST /pose`, `/render` and `/convert`.

The same names in the query, in form fields, in JSON and on the command line.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.formats import FORMATS
from pose_core.dialects import DIALECTS
from pose_core.geometry import Fit, shorter_side_size
from pose_core.legacy import LEGACY_RESIZES
from pose_core.openpose import DEFAULT_THRESHOLD
from pose_core.pipeline import OnEmpty, Order, PeopleRequest
from pose_core.skeleton import PARTS, Part
from pose_core.styles import STYLES
from pose_core.types import PersonBox, Size

MAX_SIDE_PX = 16384
MAP_PARTS: tuple[Part, ...] = ("body", "hands", "face")
"""What a map shows unless asked otherwise: ControlNets have never seen feet."""


def one_of(choices: Mapping[str, object]) -> BeforeValidator:
    """Accept the keys of a table; the error lists them."""

    def check(value: object) -> object:
        if not isinstance(value, str) or value not in choices:
            raise PydanticCustomError("unknown_choice", "unknown value", {"choices": list(choices)})
        return value

    return BeforeValidator(check)


def split_list(value: object) -> object:
    """A comma-separated list as a tuple; anything else as it is."""
    return tuple(name for name in value.replace(" ", "").split(",") if name) if isinstance(value, str) else value


def _parse_boxes(value: object) -> object:
    """Boxes written as JSON in a query or form field."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ValueError("expected JSON such as [[left, top, right, bottom]]") from error


def conflict(field: str, reason: str) -> PydanticCustomError:
    """An error about several fields at once, named after the one to change."""
    return PydanticCustomError("conflict", "{reason}", {"field": field, "reason": reason})


def _has_area(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    left, top, right, bottom = box
    if right <= left or bottom <= top:
        raise ValueError("expected [left, top, right, bottom] with right > left and bottom > top")
    return box


Coordinate = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
Box = Annotated[tuple[Coordinate, Coordinate, Coordinate, Coordinate], AfterValidator(_has_area)]
Side = Annotated[int, Field(ge=1, le=MAX_SIDE_PX)]
Score = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
DialectName = Annotated[str, one_of(DIALECTS)]


class CanvasParameters(BaseModel):
    """How the map is drawn and handed out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keypoint_threshold: Score | None = Field(
        None, description=f"score from which a point shows; default: the estimator's own, mostly {DEFAULT_THRESHOLD}"
    )
    parts: Annotated[tuple[Part, ...], BeforeValidator(split_list)] = Field(
        MAP_PARTS,
        min_length=1,
        description=f"what to draw and write, of {', '.join(PARTS)}; JSON `keypoints` always hold all",
    )
    style: Annotated[str, one_of(STYLES)] = Field("controlnet", description=f"one of {', '.join(STYLES)}")
    resolution: Side | None = Field(None, description="shorter side of the map in pixels, aspect ratio kept")
    width: Side | None = Field(None, description="width of the map in pixels; alone: aspect ratio kept")
    height: Side | None = Field(None, description="height of the map in pixels; alone: aspect ratio kept")
    fit: Fit = Field("contain", description="where width and height have another aspect ratio than the photo")
    dialect: DialectName = Field("a1111", description=f"of the pose JSON: {', '.join(DIALECTS)}")

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if self.resolution and (self.width or self.height):
            raise conflict("resolution", "cannot be combined with width or height")
        return self

    def canvas_size(self, photo: Size) -> Size:
        """The size of the map of a photo."""
        if self.resolution:
            return shorter_side_size(photo, self.resolution)
        if self.width and self.height:
            return Size(self.width, self.height)
        if self.width:
            return Size(self.width, max(1, round(photo.height * self.width / photo.width)))
        if self.height:
            return Size(max(1, round(photo.width * self.height / photo.height)), self.height)
        return photo


class PoseParameters(CanvasParameters):
    """Parameters of `POST /pose`."""

    estimator: str | None = Field(None, max_length=200, description="name of an installed estimator; see GET /models")
    detector: str | None = Field(
        None, max_length=200, description="name of an installed detector, or whole-image; see GET /models"
    )
    boxes: Annotated[tuple[Box, ...], BeforeValidator(_parse_boxes)] = Field(
        (),
        max_length=1000,
        description="people as [[left, top, right, bottom], ...] in pixels; no detector is run then",
    )
    max_people: int | None = Field(
        None, ge=1, le=1000, description="how many people at the most: the most certain, or for order area the largest"
    )
    order: Order = Field("score", description="which people come first")
    person_threshold: Score | None = Field(None, description="score a detected box has to exceed")
    on_empty: OnEmpty = Field("blank", description="nobody found: a black map, the whole photo as one box, or an error")
    format: Annotated[str, one_of(FORMATS)] | None = Field(
        None, description=f"of the answer: {', '.join(FORMATS)}; default: by the Accept header, else json"
    )
    include: Annotated[tuple[Literal["map"], ...], BeforeValidator(split_list)] = Field(
        (), description="map: embed the map in the JSON as a data URL"
    )
    legacy_resize: Annotated[str, one_of(LEGACY_RESIZES)] | None = Field(
        None, description=f"resize as a peer does, with `resolution`: {', '.join(LEGACY_RESIZES)}"
    )

    @model_validator(mode="after")
    def _legacy_needs_resolution(self) -> Self:
        if self.legacy_resize and not self.resolution:
            raise conflict("legacy_resize", "needs resolution")
        if self.legacy_resize and self.boxes:
            raise conflict("boxes", "cannot be combined with legacy_resize, which looks at a resized photo")
        return self

    def people_request(self, most: int) -> PeopleRequest:
        """Who is asked for; never more than `most` people."""
        return PeopleRequest(
            boxes=tuple(PersonBox(*box) for box in self.boxes),
            threshold=self.person_threshold,
            order=self.order,
            max_people=min(self.max_people or most, most),
            on_empty=self.on_empty,
        )


class RenderParameters(CanvasParameters):
    """Parameters of `POST /render`: a pose document in, a map out."""

    source_dialect: DialectName | None = Field(None, description="of the document; default: recognised")
    frame: int = Field(0, ge=0, description="which picture of a document with several")
    canvas_width: Side | None = Field(None, description="width the coordinates refer to, where the document is silent")
    canvas_height: Side | None = Field(None, description="height the coordinates refer to, likewise")
    format: Annotated[str, one_of({"png": None, "svg": None})] = Field("png", description="png or svg")

    @model_validator(mode="after")
    def _whole_canvas(self) -> Self:
        if self.canvas_width and not self.canvas_height:
            raise conflict("canvas_height", "is needed beside canvas_width")
        if self.canvas_height and not self.canvas_width:
            raise conflict("canvas_width", "is needed beside canvas_height")
        return self

    @property
    def canvas(self) -> Size | None:
        """The canvas size given by the caller."""
        return Size(self.canvas_width, self.canvas_height) if self.canvas_width and self.canvas_height else None


class ConvertParameters(RenderParameters):
    """Parameters of `POST /convert`: a pose document in, one in another dialect out."""

    parts: Annotated[tuple[Part, ...], BeforeValidator(split_list)] = Field(
        PARTS, min_length=1, description=f"what to write, of {', '.join(PARTS)}"
    )
    format: Annotated[str, one_of({"json": None})] = Field("json", description="json")
