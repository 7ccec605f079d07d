"""What a caller may ask for: the parameters of `POST /generate` and of `skelmap generate`.

Only what a request says about itself is checked here; what depends on the model (sizes it cannot make, schedulers,
LoRAs) is checked by `Generator.check`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from app.generation.limits import GenerationLimits
from app.parameters import MAP_PARTS, Score, Side, conflict, one_of, split_list
from pose_core.errors import InvalidInput
from pose_core.geometry import Fit
from pose_core.pipeline import OnEmpty, Order
from pose_core.skeleton import PARTS, Part
from pose_core.styles import STYLES

MAX_SEED = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly."""

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
_TEXT = r"^[^\x00]*$"

Prompt = Annotated[str, Field(max_length=100_000, pattern=_TEXT)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Lora(BaseModel):
    """One LoRA of the server's folder and how strongly it works."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(max_length=200, pattern=_NAME, description="name of a file of the LoRA folder, without extension")
    weight: float = Field(1.0, ge=-4, le=4, allow_inf_nan=False, description="0: none of it, 1: as it was trained")


def _read_loras(value: object) -> object:
    """`name:0.8,other` of a query, a form or the command line as records; anything else as it is."""
    if not isinstance(value, str):
        return value
    pairs = (entry.strip().partition(":") for entry in value.split(",") if entry.strip())
    return tuple({"name": name, "weight": weight if colon else 1.0} for name, colon, weight in pairs)


class GenerationRequest(BaseModel):
    """Parameters of `POST /generate`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: Prompt = Field(description="what the picture shows")
    negative_prompt: Prompt = Field("", description="what it does not show; families without guidance read none")
    model: str | None = Field(None, max_length=200, description="name of the server's table; default: its first one")
    seed: int | None = Field(None, ge=0, le=MAX_SEED, description="of the first picture, the next take the next; drawn")
    steps: int | None = Field(None, ge=1, le=1000, description="denoising steps; default: the family's")
    guidance: float | None = Field(
        None, ge=0, le=50, allow_inf_nan=False, description="how closely to follow the prompt; default: the family's"
    )
    control_scale: float = Field(1.0, ge=0, le=4, allow_inf_nan=False, description="how strongly the map works")
    control_start: Fraction = Field(0.0, description="part of the steps after which the map starts to work")
    control_end: Fraction = Field(1.0, description="part of the steps after which the map stops to work")
    width: Side | None = Field(None, description="width of the picture in pixels; alone: aspect ratio kept")
    height: Side | None = Field(None, description="height of the picture in pixels; alone: aspect ratio kept")
    images: int = Field(1, ge=1, le=1000, description="how many pictures, one after the other")
    strength: Fraction | None = Field(None, description="how much of the init image is changed, 0.8 unless asked")
    scheduler: str | None = Field(None, max_length=50, description="default: the one the model comes with")
    loras: Annotated[tuple[Lora, ...], BeforeValidator(_read_loras)] = Field(
        (), max_length=100, description="name:weight with commas"
    )
    style: Annotated[str, one_of(STYLES)] | None = Field(
        None, description=f"of the map: {', '.join(STYLES)}; default: what the family was trained with"
    )
    fit: Fit = Field("contain", description="where width and height have another aspect ratio than the source")
    parts: Annotated[tuple[Part, ...], BeforeValidator(split_list)] = Field(
        MAP_PARTS, min_length=1, description=f"what the map shows, of {', '.join(PARTS)}"
    )
    keypoint_threshold: Score | None = Field(None, description="score from which a point shows; default: estimator's")
    estimator: str | None = Field(None, max_length=200, description="that looks at a photo; see GET /models")
    detector: str | None = Field(None, max_length=200, description="that looks at a photo; see GET /models")
    max_people: int | None = Field(None, ge=1, le=1000, description="how many people of a photo at the most")
    order: Order = Field("score", description="which people of a photo come first")
    on_empty: OnEmpty = Field(
        "error", description="nobody in a photo: a black map, the whole photo as one, or an error"
    )

    @model_validator(mode="after")
    def _some_steps_under_control(self) -> Self:
        if self.control_start >= self.control_end:
            raise conflict(
                "control_end", f"has to be after control_start, {self.control_start}, got {self.control_end}"
            )
        return self

    @model_validator(mode="after")
    def _each_lora_once(self) -> Self:
        names = [lora.name for lora in self.loras]
        repeated = next((name for name in names if names.count(name) > 1), None)
        if repeated is not None:
            raise conflict("loras", f"{repeated!r} is given more than once")
        return self


def check_limits(request: GenerationRequest, limits: GenerationLimits) -> None:
    """Refuse what is more than this server does for one request.

    Raises:
        InvalidInput: names the first field, its value and the most that is allowed.
    """
    asked = {
        "steps": (request.steps or 1, limits.max_steps),
        "images": (request.images, limits.max_images),
        "width": (request.width or 1, limits.max_side_px),
        "height": (request.height or 1, limits.max_side_px),
    }
    for field, (value, most) in asked.items():
        if value > most:
            raise InvalidInput(f"at most {most} here", field=field, value=str(value))
    if request.width and request.height and request.width * request.height > limits.max_pixels:
        size = f"{request.width}x{request.height}"
        raise InvalidInput(f"with height at most {limits.max_pixels} pixels here", field="width", value=size)
    for field in ("prompt", "negative_prompt"):
        length = len(getattr(request, field))
        if length > limits.max_prompt_chars:
            raise InvalidInput(f"{length} characters; at most {limits.max_prompt_chars} here", field=field)
    if len(request.loras) > limits.max_loras:
        raise InvalidInput(f"{len(request.loras)} of them; at most {limits.max_loras} here", field="loras")


def read_request(given: Mapping[str, Any], limits: GenerationLimits) -> GenerationRequest:
    """The request in parameters of a query, a form, JSON or the command line.

    Raises:
        ValidationError: a value that no server could use.
        InvalidInput: more than this one does.
    """
    request = GenerationRequest.model_validate(given)
    check_limits(request, limits)
    return request
