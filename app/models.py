"""The networks of one server: loaded once, shared by all requests, the least used one dropped when there are many."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Container, Iterable
from pathlib import Path
from threading import Lock
from typing import TypeVar

from app.engine import Readiness
from app.settings import Settings
from pose_core.detectors import WHOLE_IMAGE, Detector, detector_names, load_detector
from pose_core.errors import InvalidInput, ModelError, PoseError, UnknownChoice, WeightsMissing
from pose_core.estimators import ESTIMATORS, Estimator, load_estimator
from pose_core.pipeline import Pipeline
from pose_core.session import CUDA, Session, check_device, is_built_for_cuda
from pose_core.types import Size
from pose_core.weights import WEIGHTS, cache_folder, find, installed, resolve

logger = logging.getLogger("skelmap")

Network = TypeVar("Network", Estimator, Detector)


def ignore(*_: object) -> None:
    """Nobody cares."""


class ModelStore:
    """Loads networks by name on first use; a request may name what is installed, never a path.

    `opened` is called with each network that was loaded and when that began, in monotonic seconds, before anybody gets
    it; `dropped` with each that is kept no longer.
    """

    def __init__(
        self,
        settings: Settings,
        opened: Callable[[Session, float], None] = ignore,
        dropped: Callable[[Session], None] = ignore,
    ) -> None:
        self._settings = settings
        self._opened = opened
        self._dropped = dropped
        self._loaded: OrderedDict[str, Estimator | Detector] = OrderedDict()
        self._lock = Lock()
        self._loading = Lock()

    def pipeline(self, estimator: str | None = None, detector: str | None = None) -> Pipeline:
        """Detector and estimator by name; None for the default.

        Raises:
            UnknownChoice: a name that does not exist.
            InvalidInput: a name that exists but is not installed here.
            WeightsMissing: the default is not installed.
            ModelError: a file that cannot be used.
        """
        settings = self._settings
        finder = self._choose("detector", detector, settings.detector, self.detector_names, detector_names())
        poser = self._choose("estimator", estimator, settings.estimator, self.estimator_names, ESTIMATORS)
        keys = {f"detector {finder}": finder, f"estimator {poser}": poser}
        missing = [name for key, name in keys.items() if not self._find(key) and _needs_pull(name)]
        if missing:
            raise WeightsMissing(
                f"no weights of {' and '.join(missing)} in {cache_folder()}: get them with "
                f"`skelmap models pull {' '.join(missing)}`, or give paths of ONNX files as estimator and detector"
            )
        return Pipeline(
            self._get(
                f"detector {finder}",
                lambda: load_detector(
                    finder,
                    settings.device,
                    settings.threads,
                    settings.detector_channels,
                    Size(settings.detector_size_px, settings.detector_size_px),
                ),
            ),
            self._get(f"estimator {poser}", lambda: load_estimator(poser, settings.device, settings.threads)),
        )

    def has(self, estimator: str | None = None, detector: str | None = None) -> bool:
        """Whether both are in memory, so that nobody has to wait for them; a wrong name is in no memory."""
        wanted = (("detector", detector, self._settings.detector), ("estimator", estimator, self._settings.estimator))
        return all(
            self._find(f"{role} {default if name in {None, Path(default).stem} else name}")
            for role, name, default in wanted
        )

    def estimator_names(self) -> list[str]:
        """What a request may ask for."""
        return [Path(self._settings.estimator).stem, *_installed(ESTIMATORS)]

    def detector_names(self) -> list[str]:
        """What a request may ask for."""
        return [Path(self._settings.detector).stem, WHOLE_IMAGE, *_installed(detector_names())]

    def loaded(self) -> dict[str, str]:
        """Name and sha256 of each network in memory."""
        with self._lock:
            return {network.name: network.sha256 for network in self._loaded.values()}

    def _choose(
        self, field: str, name: str | None, default: str, list_usable: Callable[[], list[str]], known: Container[str]
    ) -> str:
        if name is None or name in {default, Path(default).stem}:
            return default
        usable = list_usable()  # looks at the disk
        if name in usable:
            return name
        if name in known:
            raise InvalidInput(
                f"{name!r} is not installed here; its owner can run: skelmap models pull {name}",
                field=field,
                choices=dict.fromkeys(usable),
            )
        raise UnknownChoice(field, name, dict.fromkeys(usable))

    def _get(self, key: str, load: Callable[[], Network]) -> Network:
        if (network := self._find(key)) is not None:
            return network  # type: ignore[return-value]  # the key names the kind
        with self._loading:  # one at a time, and nobody who has his network waits for it
            if (network := self._find(key)) is not None:
                return network  # type: ignore[return-value]
            began = time.monotonic()
            loaded = load()
            if loaded.session:
                self._opened(loaded.session, began)
            with self._lock:
                self._loaded[key] = loaded
                surplus = max(0, len(self._loaded) - self._settings.max_loaded_models)
                dropped = [self._loaded.popitem(last=False)[1] for _ in range(surplus)]
            for network in dropped:
                if network.session:
                    self._dropped(network.session)
        return loaded

    def _find(self, key: str) -> Estimator | Detector | None:
        with self._lock:
            if key in self._loaded:
                self._loaded.move_to_end(key)
            return self._loaded.get(key)


def _needs_pull(name: str) -> bool:
    return name in WEIGHTS and not WEIGHTS[name].is_embedded and not find(name)


def _installed(names: Iterable[str]) -> list[str]:
    files = installed()
    return [name for name in names if files.get(name)]


def check_defaults(settings: Settings) -> None:
    """Find out without loading anything whether the default models and their device may exist.

    Raises:
        UnknownChoice: a default that is neither a name nor a path.
        DeviceUnavailable: the settings' device is not there.
    """
    check_device(settings.device)
    for field, name, names in (
        ("estimator", settings.estimator, list(ESTIMATORS)),
        ("detector", settings.detector, detector_names()),
    ):
        if name not in names:
            try:
                resolve(name)
            except WeightsMissing:
                continue  # it may be there later
            except UnknownChoice:
                raise UnknownChoice(field, name, names) from None


class Defaults:
    """The default models: loaded while the server is already listening, looked for again while they are missing.

    Attributes:
        description: their names and what they run on, once they are loaded.
        missing: whether their files were not there at the last look.
    """

    SOURCE = "models"

    def __init__(self, models: ModelStore, settings: Settings, readiness: Readiness) -> None:
        self.description: dict[str, str] = {}
        self.missing = False
        self._models = models
        self._settings = settings
        self._readiness = readiness
        readiness.report(self.SOURCE, "the networks are being loaded")

    def load(self) -> None:
        """Load them, and tell readiness what came of it."""
        try:
            check_device(self._settings.device)
            pipeline = self._models.pipeline()
        except WeightsMissing as error:
            self.missing = True
            self._readiness.report(self.SOURCE, str(error))
        except PoseError as error:
            self._readiness.give_up(self.SOURCE, error)
        except Exception as error:  # noqa: BLE001 - nobody else would hear of it
            self._readiness.give_up(self.SOURCE, ModelError(f"the networks cannot be loaded: {error!r}"))
        else:
            self.missing = False
            if self._settings.device == "auto" and is_built_for_cuda() and pipeline.estimator.provider != CUDA:
                logger.warning("device=auto: CUDA was tried, networks run on %s", pipeline.estimator.provider)
            self.description = {
                "estimator": pipeline.estimator.name,
                "detector": pipeline.detector.name,
                "provider": pipeline.estimator.provider,
            }
            self._readiness.report(self.SOURCE, None)
