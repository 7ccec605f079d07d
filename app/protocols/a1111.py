"""The ControlNet routes of A1111's sd-webui-controlnet and of Forge, so that their clients need no change.

Both programs' answers at once: every route and every key that either has. What differs on purpose is listed in
docs/clients.md. Sources: Mikubill/sd-webui-controlnet@56cec5b `scripts/api.py`, `scripts/supported_preprocessor.py`;
lllyasviel/stable-diffusion-webui-forge@dfdcbab `lib_controlnet/api.py`; mix1009/sdwebuiapi@ce232f0.
"""

import base64
import math
from pathlib import Path
from typing import Annotated, Any, Final, Self

import orjson
from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from app.dependencies import ServiceDep, SettingsDep, TimerDep, WorkDep
from app.images import decode_base64, decode_image
from app.parameters import MAP_PARTS, MAX_SIDE_PX, PoseParameters, RenderParameters, Side, conflict
from app.png import encode_png
from app.problems import Problem, fastapi_detail, json_response
from app.protocols.protocol import Protocol
from app.service import PoseService
from pose_core.dialects import DIALECTS
from pose_core.errors import InvalidInput
from pose_core.geometry import Fit, pixel_perfect_resolution
from pose_core.skeleton import Part
from pose_core.steps import Steps
from pose_core.timing import Timer
from pose_core.types import Size

MODULES: Final[dict[str, tuple[Part, ...]]] = {
    "none": (),
    "openpose_full": MAP_PARTS,
    "openpose_hand": ("body", "hands"),
    "openpose_faceonly": ("face",),
    "openpose_face": ("body", "face"),
    "openpose": ("body",),
    "dw_openpose_hand": ("body", "hands"),
    "dw_openpose_full": MAP_PARTS,
    "dw_openpose_faceonly": ("face",),
    "dw_openpose_face": ("body", "face"),
    "dw_openpose": ("body",),
}
"""What each module shows, in A1111's order; `none` hands the picture back. Each name is its own label."""

DEFAULT_MODULE: Final = "openpose_full"
DEFAULT_RESOLUTION, LEAST_RESOLUTION = 512, 64
SLIDER: Final = {"name": "Resolution", "value": DEFAULT_RESOLUTION, "min": LEAST_RESOLUTION, "max": 2048, "step": 8}

MAX_IMAGES: Final = 64
"""More pictures, or pose documents, in one request are an accident or an attack."""

RESIZE_MODES: Final[dict[str | int, Fit]] = {
    **dict.fromkeys(("Just Resize", 0, 3), "stretch"),
    **dict.fromkeys(("Crop and Resize", "Inner Fit (Scale to Fit)", "Scale to Fit (Inner Fit)", 1), "cover"),
    **dict.fromkeys(("Resize and Fill", "Outer Fit (Shrink to Fit)", "Envelope (Outer Fit)", 2), "contain"),
}
"""A1111's resize modes by label, by older labels and by number."""

router = APIRouter(tags=["A1111 and Forge"], strict_content_type=False)


def _read_resize_mode(value: object) -> Fit:
    if isinstance(value, bool) or not isinstance(value, str | int) or value not in RESIZE_MODES:
        raise PydanticCustomError("unknown_choice", "unknown value", {"choices": [*map(str, RESIZE_MODES)]})
    return RESIZE_MODES[value]


def _cut_fraction(value: object) -> object:
    """Whole pixels, as A1111 cuts them out of what a slider computed; anything but a number as it is."""
    return int(value) if isinstance(value, float) and math.isfinite(value) else value


ResizeMode = Annotated[Fit, BeforeValidator(_read_resize_mode), WithJsonSchema({"enum": list(RESIZE_MODES)})]


class DetectRequest(BaseModel):
    """Body of /controlnet/detect; unknown keys are ignored, as both programs do.

    The last four are A1111's pixel-perfect rule, which its own route lacks.
    """

    controlnet_module: str = "none"
    controlnet_input_images: list[str] = Field([], max_length=MAX_IMAGES, description="base64 or data URLs")
    controlnet_images: list[str] = Field([], max_length=MAX_IMAGES, description="what webuiapi calls them")
    controlnet_processor_res: Annotated[int, BeforeValidator(_cut_fraction)] = Field(
        -1, le=MAX_SIDE_PX, description="shorter side of the map; below 64: 512"
    )
    controlnet_threshold_a: float = Field(-1, description="ignored, as by every OpenPose module")
    controlnet_threshold_b: float = Field(-1, description="ignored likewise")
    controlnet_masks: list[str] = Field([], description="ignored likewise")
    low_vram: bool = Field(False, description="ignored")  # noqa: FBT003 - the default
    pixel_perfect: bool = Field(False, description="take the resolution from the three below")  # noqa: FBT003
    resize_mode: ResizeMode = Field("cover", description="by label or number; default: Crop and Resize")
    target_width: Side | None = Field(None, alias="target_W", description="width of the picture to be made")
    target_height: Side | None = Field(None, alias="target_H", description="its height")

    @model_validator(mode="after")
    def _pixel_perfect_needs_a_target(self) -> Self:
        if self.pixel_perfect and not self.target_width:
            raise conflict("target_W", "is needed beside pixel_perfect")
        if self.pixel_perfect and not self.target_height:
            raise conflict("target_H", "is needed beside pixel_perfect")
        return self

    @property
    def pictures(self) -> list[str]:
        """Under whichever key they came; some clients send both, for old and new programs."""
        return self.controlnet_input_images or self.controlnet_images

    def resolution(self, photo: Size) -> int:
        """The shorter side of a photo's map."""
        if self.pixel_perfect and self.target_width and self.target_height:
            return pixel_perfect_resolution(photo, Size(self.target_width, self.target_height), self.resize_mode)
        asked = self.controlnet_processor_res
        return DEFAULT_RESOLUTION if asked < LEAST_RESOLUTION else asked


@router.get("/controlnet/version")
async def version() -> dict[str, int]:
    """A1111's number for these routes."""
    return {"version": 3}


@router.get("/controlnet/model_list")
async def model_list(*, update: bool = True) -> dict[str, list[str]]:
    """No ControlNet model is here: only pictures are pre-processed."""
    del update
    return {"model_list": ["None"]}


@router.get("/controlnet/module_list")
async def module_list(settings: SettingsDep, *, alias_names: bool = False) -> dict[str, Any]:
    """Every module by name, or by label, which is the same here; with the network behind it."""
    del alias_names
    backend = Path(settings.estimator).stem
    detail = {
        name: {"model_free": False, "sliders": [SLIDER] if parts else [], "backend": backend if parts else None}
        for name, parts in MODULES.items()
    }
    return {"module_list": list(MODULES), "module_detail": detail}


@router.get("/controlnet/control_types")
async def control_types() -> dict[str, Any]:
    """What A1111's radio buttons offer."""
    lists = {"module_list": list(MODULES), "model_list": ["None"], "default_model": "None"}
    return {
        "control_types": {
            "All": {**lists, "default_option": "none"},
            "OpenPose": {**lists, "default_option": DEFAULT_MODULE},
        }
    }


@router.get("/controlnet/settings")
async def controlnet_settings() -> dict[str, int]:
    """Units of the user interface, under today's name and the older one."""
    return {"control_net_unit_count": 3, "control_net_max_models_num": 3}


@router.get("/sdapi/v1/scripts")
async def scripts() -> dict[str, list[str]]:
    """What clients look at to see whether ControlNet is installed."""
    names = ["controlnet", "controlnet m2m"]
    return {"txt2img": names, "img2img": names}


@router.post("/controlnet/detect")
async def detect(body: DetectRequest, service: ServiceDep, work: WorkDep, timer: TimerDep) -> Response:
    """Maps as base64 PNG and, except for `none`, pose documents in their pixels, in the order of the pictures."""
    if body.controlnet_module not in {*MODULES, "None"}:  # Forge's name of none
        given = body.controlnet_module[:100]
        raise InvalidInput("Module not available", field="controlnet_module", value=given, choices=MODULES)
    if not body.pictures:
        raise InvalidInput("No image selected", field="controlnet_input_images")
    load = work.loading() if MODULES[body.controlnet_module.lower()] else None
    return _json(await work.run(_detect_all(service, body, timer), timer, prepare=load))


@router.post("/controlnet/render_openpose_json")
async def render_openpose_json(
    documents: Annotated[list[Any], Body(max_length=MAX_IMAGES)], service: ServiceDep, work: WorkDep
) -> Response:
    """Maps of pose documents in any dialect, each at the size of its canvas."""
    if not documents:
        return _json({"info": "No pose data detected."})
    return _json(await work.call(lambda: _render_all(service, documents)))


def _detect_all(service: PoseService, body: DetectRequest, timer: Timer) -> Steps[dict[str, Any]]:
    """The answer to all pictures, told as steps."""
    parts = MODULES[body.controlnet_module.lower()]
    images, poses = [], []
    for index, text in enumerate(body.pictures):
        try:
            png, pose = yield from _detect_one(service, text, parts, body, timer)
        except InvalidInput as error:
            names = {"image": f"controlnet_input_images[{index}]", "resolution": "controlnet_processor_res"}
            raise error.about(names.get(error.field, error.field)) from error
        images.append(_base64(png))
        poses.extend(pose)
    return {"images": images, "info": "Success", **({"poses": poses} if poses else {})}


def _detect_one(
    service: PoseService, text: str, parts: tuple[Part, ...], body: DetectRequest, timer: Timer
) -> Steps[tuple[bytes, list[object]]]:
    """PNG and pose documents of one picture: one, or none where no parts are asked for."""
    limits = service.settings.image_limits
    with timer("decode"):
        photo = decode_image(decode_base64(text, limits), limits)
    if not parts:
        return encode_png(photo), []
    parameters = PoseParameters(parts=parts, resolution=body.resolution(Size.of(photo)))
    answer = yield from service.photo_steps(photo, parameters, timer)
    return answer.map_rgb_png(), [DIALECTS["a1111"].write(answer.scene, answer.threshold)]


def _render_all(service: PoseService, documents: list[Any]) -> dict[str, Any]:
    """The maps of all documents, to be called in a thread."""
    images = []
    for index, document in enumerate(documents):
        try:
            images.append(_base64(encode_png(service.draw(document, RenderParameters()).rgb)))
        except InvalidInput as error:
            raise error.about(f"[{index}].{error.field}") from error
    return {"images": images, "info": "Success"}


def _base64(data: bytes) -> str:
    """Without a data URL's head: clients hand the text to their decoder as it is."""
    return base64.b64encode(data).decode()


def _json(body: dict[str, Any]) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")


def write_problem(_request: Request, problem: Problem) -> Response:
    """A1111's keys, of which Forge has `detail` alone; `errors` says it with the field, the value and the choices."""
    body = {"error": "HTTPException", "detail": fastapi_detail(problem), "body": "", "errors": problem.detail}
    return json_response(body, problem.status)


PROTOCOL = Protocol(router, ("/controlnet/", "/sdapi/v1/scripts"), write_problem)
