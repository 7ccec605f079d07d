"""What routes ask for, as annotated types.

All of them are coroutines: FastAPI calls plain functions in threads, and under load each would wait for one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import Depends, HTTPException, Request

from app.cache import ResultCache
from app.engine import Engine
from app.generation.job import SWITCHED_OFF, Generation
from app.jobs.document import describe
from app.jobs.job import Job
from app.jobs.jobs import Jobs
from app.metrics import Metrics
from app.models import ModelStore
from app.security.fetch import Fetcher
from app.service import PoseService
from app.settings import Settings
from pose_core.errors import InvalidInput
from pose_core.steps import Steps
from pose_core.timing import Timer

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Work:
    """The engine as one request uses it: in the time the client gives, and until the client leaves."""

    engine: Engine
    models: ModelStore
    request: Request

    def loading(self, estimator: str | None = None, detector: str | None = None) -> Callable[[], object] | None:
        """What loads these networks, None for the defaults; nothing where they are in memory already."""
        return None if self.models.has(estimator, detector) else partial(self.models.pipeline, estimator, detector)

    async def run(self, steps: Steps[Result], timer: Timer, *, prepare: Callable[[], object] | None = None) -> Result:
        """The result of steps that need networks.

        Raises:
            EngineError: see `Engine.run`.
            PoseError: see the steps.
        """
        return await self.engine.run(
            steps, timer, prepare=prepare, timeout_s=asked_timeout_s(self.request), gone=partial(left, self.request)
        )

    async def call(self, function: Callable[[], Result]) -> Result:
        """The result of a function that needs no network.

        Raises:
            EngineError: see `Engine.run`.
        """
        return await self.engine.call(
            function, timeout_s=asked_timeout_s(self.request), gone=partial(left, self.request)
        )


def asked_timeout_s(request: Request) -> float | None:
    """How long the client will wait, by its header X-Request-Timeout; None where it does not say.

    Raises:
        InvalidInput: that is no time.
    """
    given = request.headers.get("x-request-timeout")
    if given is None:
        return None
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise InvalidInput("expected seconds, more than 0", field="X-Request-Timeout", value=given)
    return seconds


async def left(request: Request) -> None:
    """Return when the client is gone; to be awaited once the body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


Describe = Callable[[Job], dict[str, Any]]
"""A job as its caller reads it; asks the store."""


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def _models(request: Request) -> ModelStore:
    models: ModelStore = request.app.state.models
    return models


async def _work(request: Request) -> Work:
    return Work(request.app.state.engine, request.app.state.models, request)


async def _service(request: Request) -> PoseService:
    state = request.app.state
    return PoseService(state.models, state.settings, state.metrics.seen)


async def _fetcher(request: Request) -> Fetcher | None:
    fetcher: Fetcher | None = request.app.state.fetcher
    return fetcher


async def _cache(request: Request) -> ResultCache:
    cache: ResultCache = request.app.state.cache
    return cache


async def _metrics(request: Request) -> Metrics:
    metrics: Metrics = request.app.state.metrics
    return metrics


async def _timer(request: Request) -> Timer:
    timer: Timer = request.state.timer
    return timer


async def _generation(request: Request) -> Generation:
    generation: Generation | None = request.app.state.generation
    if generation is None:
        raise HTTPException(501, SWITCHED_OFF)
    return generation


async def _jobs(request: Request, _switched_on: Annotated[Generation, Depends(_generation)]) -> Jobs:
    jobs: Jobs = request.app.state.jobs
    return jobs


async def _describe(request: Request, jobs: Annotated[Jobs, Depends(_jobs)]) -> Describe:
    root = request.scope.get("root_path", "")
    return lambda job: describe(job, ahead=jobs.ahead(job), keep_s=jobs.settings.keep_s, root=root)


async def _key_name(request: Request) -> str:
    return str(getattr(request.state, "key_name", ""))


SettingsDep = Annotated[Settings, Depends(_settings)]
MetricsDep = Annotated[Metrics, Depends(_metrics)]
TimerDep = Annotated[Timer, Depends(_timer)]
ModelsDep = Annotated[ModelStore, Depends(_models)]
CacheDep = Annotated[ResultCache, Depends(_cache)]
FetcherDep = Annotated[Fetcher | None, Depends(_fetcher)]
WorkDep = Annotated[Work, Depends(_work)]
ServiceDep = Annotated[PoseService, Depends(_service)]
GenerationDep = Annotated[Generation, Depends(_generation)]
JobsDep = Annotated[Jobs, Depends(_jobs)]
DescribeDep = Annotated[Describe, Depends(_describe)]
KeyNameDep = Annotated[str, Depends(_key_name)]
"""Name of the API key of the request; empty where none is in use."""
