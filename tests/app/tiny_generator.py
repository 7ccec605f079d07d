"""A picture maker without networks: what it makes follows from the request, and it stands still where a test wants."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event

import numpy as np
from starlette.types import ASGIApp, Receive, Scope, Send

from app.generation.generator import Generated
from app.generation.request import GenerationRequest
from app.generation.sources import Source
from app.generation.watch import Watch
from pose_core.errors import InvalidInput, NoPersonFound, UnknownChoice
from tests.app.scenery import write_png

PATIENCE_S = 60
DEFAULT_STEPS = 4


def picture(seed: int, steps: int) -> bytes:
    """The PNG of a picture of one colour."""
    return write_png(np.full((8, 8, 3), (seed % 256, steps % 256, 0), np.uint8))


@dataclass
class TinyGenerator:
    """Makes one-coloured pictures.

    Prompts that start with `hold` stand in their first step until `release` is set; `nobody`, `crash` fail.

    Attributes:
        entered: a held request has begun.
        release: lets it go on.
        made: the prompts, in the order in which they were begun.
        steps: of the request that was begun last, so far.
        pause_after: this step, until `resume` is set.
        closed: the server has let go of it.
    """

    entered: Event = field(default_factory=Event)
    release: Event = field(default_factory=Event)
    made: list[str] = field(default_factory=list)
    steps: int = 0
    pause_after: int = -1
    resume: Event = field(default_factory=Event)
    closed: bool = False

    def check(self, request: GenerationRequest, source: Source) -> None:
        """Knows one model."""
        if request.model not in {None, "tiny"}:
            raise UnknownChoice("model", request.model, ["tiny"])
        if request.width == 65:
            raise InvalidInput("not a multiple of 8", field="width", value="65")
        assert source.data

    def generate(self, request: GenerationRequest, source: Source, watch: Watch) -> Generated:
        """Make them."""
        self.made.append(request.prompt)
        total, seed = request.steps or DEFAULT_STEPS, 7 if request.seed is None else request.seed
        watch.step(0, total, None)
        if request.prompt.startswith("hold"):
            self.entered.set()
            assert self.release.wait(PATIENCE_S)
        if request.prompt == "nobody":
            raise NoPersonFound("nobody in it", field="photo")
        if request.prompt == "crash":
            raise RuntimeError("secret")
        for done in range(1, total + 1):
            self.steps = done
            watch.step(done, total, preview_of(done))
            if done == self.pause_after:
                assert self.resume.wait(PATIENCE_S)
        parameters = {**request.model_dump(mode="json"), "seed": seed, "steps": total, "source": source.kind}
        pictures = tuple(picture(seed + number, total) for number in range(request.images))
        pose: object = None if source.kind == "map" else [{"people": []}]
        return Generated(pictures, picture(0, 0), seed, pose, parameters, ("tiny",))

    def close(self) -> None:
        """Remember it."""
        self.closed = True


def preview_of(done: int) -> Callable[[], bytes]:
    """The picture as it stands after some steps."""
    return lambda: picture(0, done)


class KeyNames:
    """What a check of API keys leaves behind: the name of the key, here simply sent along."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        name = dict(scope.get("headers", [])).get(b"x-test-key", b"").decode()
        if scope["type"] == "http" and name:
            scope.setdefault("state", {})["key_name"] = name
        await self.app(scope, receive, send)
