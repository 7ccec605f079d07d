"""What routes ask for, as annotated types."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request

from app.engine import Engine
from app.generation.job import SWITCHED_OFF, Generation
from app.jobs.document import describe
from app.jobs.job import Job
from app.jobs.jobs import Jobs
from app.models import ModelStore
from app.service import PoseService
from app.settings import Settings

Describe = Callable[[Job], dict[str, Any]]
"""A job as its caller reads it; asks the store."""


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _models(request: Request) -> ModelStore:
    models: ModelStore = request.app.state.models
    return models


def _engine(request: Request) -> Engine:
    engine: Engine = request.app.state.engine
    return engine


def _service(request: Request) -> PoseService:
    return PoseService(_models(request), _settings(request))


def _generation(request: Request) -> Generation:
    generation: Generation | None = request.app.state.generation
    if generation is None:
        raise HTTPException(501, SWITCHED_OFF)
    return generation


def _jobs(request: Request, _switched_on: Annotated[Generation, Depends(_generation)]) -> Jobs:
    jobs: Jobs = request.app.state.jobs
    return jobs


def _describe(request: Request, jobs: Annotated[Jobs, Depends(_jobs)]) -> Describe:
    root = request.scope.get("root_path", "")
    return lambda job: describe(job, ahead=jobs.ahead(job), keep_s=jobs.settings.keep_s, root=root)


def _key_name(request: Request) -> str:
    return str(getattr(request.state, "key_name", ""))


SettingsDep = Annotated[Settings, Depends(_settings)]
ModelsDep = Annotated[ModelStore, Depends(_models)]
EngineDep = Annotated[Engine, Depends(_engine)]
ServiceDep = Annotated[PoseService, Depends(_service)]
GenerationDep = Annotated[Generation, Depends(_generation)]
JobsDep = Annotated[Jobs, Depends(_jobs)]
DescribeDep = Annotated[Describe, Depends(_describe)]
KeyNameDep = Annotated[str, Depends(_key_name)]
"""Name of the API key of the request; empty where none is in use."""
