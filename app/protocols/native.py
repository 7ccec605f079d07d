"""Skelmap's own routes: /pose, /render, /convert, /models, /version."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Request, Response

from app import __version__
from app.answer import Answer
from app.bodies import read_document, read_photo
from app.dependencies import ModelsDep, ServiceDep, SettingsDep, WorkDep
from app.formats import FORMATS
from app.openapi import document_route, photo_route
from app.parameters import ConvertParameters, PoseParameters, RenderParameters
from app.protocols.protocol import Protocol
from app.service import PoseService
from pose_core.session import runtime_description
from pose_core.steps import Steps
from pose_core.timing import Timer
from pose_core.weights import WEIGHTS, installed

router = APIRouter(tags=["pose"])


@router.post("/pose", openapi_extra=photo_route(PoseParameters))
async def pose(request: Request, service: ServiceDep, settings: SettingsDep, work: WorkDep) -> Response:
    """Find everybody in a photo: 133 keypoints each, and the skeleton map drawn from them.

    The photo comes as multipart field `image`, as the raw body, or base64 in JSON. Parameters come in the query or
    beside the photo. The answer's format follows `format`, else the Accept header, else it is JSON.
    """
    data, given = await read_photo(request, settings.image_limits)
    parameters = PoseParameters.model_validate(given)
    chosen = parameters.format or accepted_format(request.headers.get("accept", ""))
    timer = Timer()
    steps = answer_pose(service, data, parameters, chosen, timer)
    return await work.run(steps, timer, prepare=work.loading(parameters.estimator, parameters.detector))


@router.post("/render", openapi_extra=document_route(RenderParameters, "image/png", "image/svg+xml"))
async def render(request: Request, service: ServiceDep, work: WorkDep) -> Response:
    """Draw the map of a pose document in any dialect."""
    document, given = await read_document(request)
    given.setdefault("format", accepted_format(request.headers.get("accept", "image/png"), ("png", "svg")))
    parameters = RenderParameters.model_validate(given)
    body = await work.call(lambda: service.render(document, parameters))
    return Response(body, media_type=FORMATS[parameters.format].media_type)


@router.post("/convert", openapi_extra=document_route(ConvertParameters, "application/json"))
async def convert(request: Request, service: ServiceDep, work: WorkDep) -> Response:
    """Write a pose document in another dialect; coordinates follow the asked-for canvas."""
    document, given = await read_document(request)
    parameters = ConvertParameters.model_validate(given)
    converted = await work.call(lambda: service.convert(document, parameters))
    return Response(orjson.dumps(converted), media_type="application/json")


@router.get("/models")
def models(store: ModelsDep) -> dict[str, Any]:
    """Every model there is, which are installed and loaded, and under which terms they may be used."""
    files = installed()
    return {
        "estimators": list(dict.fromkeys(store.estimator_names())),
        "detectors": list(dict.fromkeys(store.detector_names())),
        "loaded": list(store.loaded()),
        "known": [
            {
                "name": row.name,
                "role": row.role,
                "architecture": row.architecture,
                "input_size": row.input_size,
                "default_threshold": row.default_threshold,
                "installed": files[row.name] is not None,
                "source": row.url or None,
                "sha256": row.sha256,
                "code_licence": row.code_licence,
                "data_terms": row.data_terms,
            }
            for row in WEIGHTS.values()
        ],
    }


@router.get("/version")
def version(store: ModelsDep) -> dict[str, Any]:
    """Version of the server, and which model files it computes with."""
    return {"skelmap": __version__, **runtime_description(), "models": store.loaded()}


def accepted_format(accept: str, names: tuple[str, ...] = tuple(FORMATS)) -> str:
    """The first format, in the caller's order of preference, that the Accept header names; else the first of all."""
    wishes = [(wish.strip(), _quality(rest)) for wish, *rest in (part.split(";") for part in accept.lower().split(","))]
    wishes = sorted((wish for wish in wishes if wish[1] > 0), key=lambda wish: -wish[1])
    matching = (name for wish, _ in wishes for name in names if wish in _accepting(FORMATS[name].media_type))
    return next(matching, names[0])


def _accepting(media_type: str) -> tuple[str, str, str]:
    """What an Accept header may say for a media type."""
    return media_type, f"{media_type.partition('/')[0]}/*", "*/*"


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def answer_pose(
    service: PoseService, data: bytes, parameters: PoseParameters, chosen: str, timer: Timer
) -> Steps[Response]:
    """The whole work of one request, told as steps."""
    answer = yield from service.steps(data, parameters, timer)
    body = FORMATS[chosen].write(answer)
    return Response(body, headers=answer_headers(answer), media_type=FORMATS[chosen].media_type)


def answer_headers(answer: Answer) -> Mapping[str, str]:
    """What a caller who asked for a picture still wants to know."""
    stages = answer.timer.seconds.items()
    return {
        "X-Pose-People": str(len(answer.poses)),
        "X-Pose-Provider": answer.provider,
        "X-Pose-Estimator": quote(answer.estimator),
        "X-Pose-Detector": quote(answer.detector),
        "Server-Timing": ", ".join(f"{stage};dur={seconds * 1e3:.2f}" for stage, seconds in stages),
    }


PROTOCOL = Protocol(router)
