"""What routes ask for, as annotated types."""

from typing import Annotated

from fastapi import Depends, Request

from app.cache import ResultCache
from app.engine import Engine
from app.metrics import Metrics
from app.models import ModelStore
from app.security.fetch import Fetcher
from app.service import PoseService
from app.settings import Settings
from pose_core.timing import Timer


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
    return PoseService(_models(request), _settings(request), _metrics(request).seen)


def _fetcher(request: Request) -> Fetcher | None:
    fetcher: Fetcher | None = request.app.state.fetcher
    return fetcher


def _cache(request: Request) -> ResultCache:
    cache: ResultCache = request.app.state.cache
    return cache


def _metrics(request: Request) -> Metrics:
    metrics: Metrics = request.app.state.metrics
    return metrics


def _timer(request: Request) -> Timer:
    timer: Timer = request.state.timer
    return timer


SettingsDep = Annotated[Settings, Depends(_settings)]
MetricsDep = Annotated[Metrics, Depends(_metrics)]
TimerDep = Annotated[Timer, Depends(_timer)]
ModelsDep = Annotated[ModelStore, Depends(_models)]
CacheDep = Annotated[ResultCache, Depends(_cache)]
FetcherDep = Annotated[Fetcher | None, Depends(_fetcher)]
EngineDep = Annotated[Engine, Depends(_engine)]
ServiceDep = Annotated[PoseService, Depends(_service)]
