"""SD.Next's preprocessing routes.

Source: vladmandic/sdnext@058a7f0 `modules/api/process.py`, `modules/api/middleware.py`,
`modules/control/processors.py`.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, Field

from app.dependencies import ServiceDep, TimerDep, WorkDep
from app.images import decode_base64
from app.parameters import MAP_PARTS, PoseParameters
from app.problems import Problem, fastapi_detail, json_response
from app.protocols.protocol import Protocol
from app.service import PoseService
from pose_core.skeleton import Part
from pose_core.steps import Steps
from pose_core.timing import Timer

Params = Mapping[str, bool | float]
"""Settings of a preprocessor."""


@dataclass(frozen=True, slots=True)
class Preprocessor:
    """One entry of SD.Next's list.

    Attributes:
        params: its settings and their defaults.
        parts: what it shows, unless its settings say so themselves.
    """

    params: Params
    parts: tuple[Part, ...] = MAP_PARTS


_CONFIDENCE: Final[Params] = {"min_confidence": 0.3}

PREPROCESSORS: Final[dict[str, Preprocessor]] = {
    "OpenPose": Preprocessor({"include_body": True, "include_hand": False, "include_face": False}),
    "DWPose": Preprocessor(_CONFIDENCE),
    "DWPose (ONNX)": Preprocessor(_CONFIDENCE),
    "DWPose (Legacy)": Preprocessor(_CONFIDENCE),
    "RTMW": Preprocessor(
        {**_CONFIDENCE, "draw_body_pose": True, "draw_hand_pose": True, "draw_face_pose": True},
    ),
    "RTMO": Preprocessor(_CONFIDENCE, parts=("body",)),
    "ViTPose": Preprocessor(_CONFIDENCE, parts=("body",)),
}
"""SD.Next's pose preprocessors of whole people, all served by this server's own networks."""

SWITCHES: Final[dict[str, Part]] = {
    "include_body": "body",
    "include_hand": "hands",
    "include_face": "face",
    "draw_body_pose": "body",
    "draw_hand_pose": "hands",
    "draw_face_pose": "face",
}
"""Settings that show or hide a part."""

router = APIRouter(tags=["SD.Next"], strict_content_type=False)


class PreprocessRequest(BaseModel):
    """Body of /sdapi/v1/preprocess; unknown keys are ignored, as SD.Next does."""

    image: str = Field(description="base64 or a data URL")
    model: str = Field(description="a name of GET /sdapi/v1/preprocessors")
    params: dict[str, Any] | None = Field(None, description="settings that differ from the listed ones")


@router.get("/sdapi/v1/preprocessors")
async def preprocessors() -> list[dict[str, Any]]:
    """Every preprocessor with its settings."""
    return [{"name": name, "group": "Pose", "params": entry.params} for name, entry in PREPROCESSORS.items()]


@router.post("/sdapi/v1/preprocess")
async def preprocess(body: PreprocessRequest, service: ServiceDep, work: WorkDep, timer: TimerDep) -> Response:
    """The map of a photo, at the photo's size."""
    if body.model not in PREPROCESSORS:
        raise HTTPException(400, f"Processor model not found: id={body.model[:100]}; valid: {', '.join(PREPROCESSORS)}")
    parameters = _parameters(body.model, body.params or {})
    png = await work.run(_preprocess(service, body.image, parameters, timer), timer, prepare=work.loading())
    return Response(
        orjson.dumps({"model": body.model, "image": base64.b64encode(png).decode()}), media_type="application/json"
    )


def _preprocess(service: PoseService, image: str, parameters: PoseParameters, timer: Timer) -> Steps[bytes]:
    """The map, told as steps."""
    data = decode_base64(image, service.settings.image_limits)
    answer = yield from service.steps(data, parameters, timer)
    return answer.map_rgb_png()


def _parameters(model: str, given: Mapping[str, object]) -> PoseParameters:
    """What the settings of a preprocessor mean.

    Raises:
        HTTPException: 400 for a setting it does not have or a value that cannot be used.
    """
    entry = PREPROCESSORS[model]
    for name, value in given.items():
        _check(model, name, value, entry.params)
    params = {**entry.params, **given}
    switches = {part: params[name] for name, part in SWITCHES.items() if name in params}
    parts = tuple(part for part, shown in switches.items() if shown) if switches else entry.parts
    if not parts:
        raise HTTPException(400, f"Processor invalid parameter: id={model}: nothing is left to draw")
    return PoseParameters(parts=parts, keypoint_threshold=params.get("min_confidence"))


def _check(model: str, name: str, value: object, known: Params) -> None:
    expected = "true or false" if name in SWITCHES else "a number from 0 to 1"
    if name not in known:
        expected = f"one of {', '.join(known)}"
    elif isinstance(value, bool) if name in SWITCHES else _is_confidence(value):
        return
    said = str(value)[:100]
    raise HTTPException(400, f"Processor invalid parameter: id={model} {name[:100]}={said}; expected {expected}")


def _is_confidence(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def write_problem(_request: Request, problem: Problem) -> Response:
    """The `error` of SD.Next's routes and the keys of its middleware."""
    detail = fastapi_detail(problem)
    body = {"error": problem.detail, "code": problem.status, "detail": detail, "body": "", "errors": problem.detail}
    return json_response(body, problem.status)


PROTOCOL = Protocol(router, ("/sdapi/v1/preprocess",), write_problem)
