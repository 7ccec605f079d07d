"""Skelmap's own routes: /pose, /render, /convert, /models, /version."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Request, Response

from app import __version__
from app.answer import Answer
from app.bodies import read_document, read_photo
from app.cache import ResultCache, StoredAnswer, entity_tag, names
from app.dependencies import CacheDep, FetcherDep, ModelsDep, ServiceDep, SettingsDep, TimerDep, WorkDep
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
async def pose(
    request: Request,
    *,
    service: ServiceDep,
    settings: SettingsDep,
    work: WorkDep,
    fetcher: FetcherDep,
    timer: TimerDep,
    cache: CacheDep,
) -> Response:
    """Find everybody in a photo: 133 keypoints each, and the skeleton map drawn from them.

    The photo comes as multipart field `image`, as the raw body, or base64 in JSON. Parameters come in the query or
    beside the photo. The answer's format follows `format`, else the Accept header, else it is JSON. With the ETag of
    an earlier answer in If-None-Match: 304 where it still holds.
    """
    data, given = await read_photo(request, settings.image_limits, fetcher)
    parameters = PoseParameters.model_validate(given)
    chosen = parameters.format or accepted_format(request.headers.get("accept", ""))
    question = Question(data, parameters, chosen, request.state.key_name, request.headers.get("if-none-match", ""))
    steps = answer_pose(service, question, cache, timer)
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


@dataclass(frozen=True, slots=True)
class Question:
    """What one request wants to know.

    Attributes:
        data: the photo.
        parameters: how it is looked at.
        format: name of the answer's format.
        owner: name of the key it came with.
        if_none_match: tags of answers that the caller has.
    """

    data: bytes
    parameters: PoseParameters
    format: str
    owner: str
    if_none_match: str


def answer_pose(service: PoseService, question: Question, cache: ResultCache, timer: Timer) -> Steps[Response]:
    """The whole work of one request, told as steps; no networks run where the answer is known."""
    tag = entity_tag(service, question.data, question.parameters, question.format)
    if names(question.if_none_match, tag):
        return Response(status_code=304, headers=tag_headers(tag))
    written = FORMATS[question.format]
    if (known := cache.find(question.owner, tag)) is None:
        answer = yield from service.steps(question.data, question.parameters, timer)
        known = StoredAnswer(written.write(answer), answer_headers(answer))
        cache.store(question.owner, tag, known)
    headers = {**known.headers, **tag_headers(tag), "Server-Timing": server_timing(timer)}
    return Response(known.body, headers=headers, media_type=written.media_type)


def answer_headers(answer: Answer) -> Mapping[str, str]:
    """What a caller who asked for a picture still wants to know."""
    return {
        "X-Pose-People": str(len(answer.poses)),
        "X-Pose-Provider": answer.provider,
        "X-Pose-Estimator": quote(answer.estimator),
        "X-Pose-Detector": quote(answer.detector),
    }


def tag_headers(tag: str) -> Mapping[str, str]:
    """How an answer may be kept: by the caller alone, and not without asking whether it still holds."""
    return {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept"}


def server_timing(timer: Timer) -> str:
    """The Server-Timing header; empty where the answer was there already."""
    return ", ".join(f"{stage};dur={seconds * 1e3:.2f}" for stage, seconds in timer.seconds.items())


PROTOCOL = Protocol(router)
