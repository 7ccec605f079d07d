"""The JSON of ten people through a route of ours and through FastAPI's own way, both without sockets."""

import asyncio
import time
from collections.abc import MutableMapping
from typing import Any, Final

import numpy as np
import orjson
from fastapi import FastAPI, Response

from app.answer import Answer
from app.formats import FORMATS
from pose_core.geometry import place
from pose_core.openpose import OpenPoseScene, openpose_people
from pose_core.timing import Timer
from pose_core.types import PersonBox, Pose, Size

PEOPLE: Final = 10


def crowd() -> Answer:
    """An answer about ten people."""
    keypoints = np.random.default_rng(0).uniform(0, 500, (PEOPLE, 133, 3)).astype(np.float32)
    size = Size(512, 512)
    return Answer(
        photo=np.zeros((512, 512, 3), np.uint8),
        poses=tuple(Pose(PersonBox(0.0, 0.0, 500.0, 500.0), one) for one in keypoints),
        scene=OpenPoseScene(size, openpose_people(keypoints)),
        placement=place(size, size, "contain"),
        threshold=0.3,
        style="controlnet",
        dialect="a1111",
        include_map=False,
        finish=None,
        estimator="stub",
        detector="stub",
        provider="none",
        warnings=(),
        timer=Timer(),
    )


def both_ways() -> FastAPI:
    """`/ours` writes the answer, `/default` returns the same as dicts and lists."""
    app, answer = FastAPI(), crowd()
    as_dict = orjson.loads(FORMATS["json"].write(answer))

    @app.get("/ours")
    async def ours() -> Response:
        return Response(FORMATS["json"].write(answer), media_type="application/json")

    @app.get("/default", response_model=None)
    async def default() -> Any:  # noqa: ANN401 - whatever the JSON holds
        return as_dict

    return app


async def per_second(app: FastAPI, path: str, seconds: float) -> float:
    """Answers of a route."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
        "server": ("localhost", 80),
    }

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        assert message.get("status", 200) == 200

    answers, began = 0, time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        await app({**scope}, receive, send)
        answers += 1
    return answers / passed


def json_ratio(seconds: float, rounds: int = 3) -> float:
    """How many times as many answers our way gives as FastAPI's, the median of some rounds."""
    app = both_ways()
    ratios = []
    for _ in range(rounds):
        default = asyncio.run(per_second(app, "/default", seconds / rounds))
        ratios.append(asyncio.run(per_second(app, "/ours", seconds / rounds)) / default)
    return sorted(ratios)[rounds // 2]
