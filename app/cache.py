"""Not computing twice what has not changed: names for answers, and a bounded memory of some.

An answer is named after everything that it follows from, so a client who has it can ask whether it still holds
(`If-None-Match`) and no network runs.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock

from app import __version__
from app.parameters import PoseParameters
from app.service import PoseService


def entity_tag(service: PoseService, data: bytes, parameters: PoseParameters, chosen: str) -> str:
    """The ETag of the answer to a photo in a format.

    It is a weak one: answers that say how long they took are equal in everything else.

    Raises:
        PoseError: see `ModelStore.pipeline`.
    """
    settings = service.settings
    pipeline = service.models.pipeline(parameters.estimator, parameters.detector)
    networks = ((network.name, network.sha256, network.provider) for network in (pipeline.detector, pipeline.estimator))
    of_server = (settings.detector_channels, settings.detector_size_px, settings.max_people)
    sources = (__version__, chosen, parameters.model_dump_json(), *networks, *of_server, sha256(data).hexdigest())
    return f'W/"{sha256(repr(sources).encode()).hexdigest()[:32]}"'


def names(if_none_match: str, tag: str) -> bool:
    """Whether an If-None-Match header lists the tag, by weak comparison; `*` lists nothing, as no answer is stored."""
    return tag.removeprefix("W/") in {listed.strip().removeprefix("W/") for listed in if_none_match.split(",")}


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer as it can be given again.

    Attributes:
        body: of the answer.
        headers: those that are still true.
    """

    body: bytes
    headers: Mapping[str, str]


class ResultCache:
    """The answers used last, up to a number of bytes; safe to call from any thread.

    Nobody is given what another key asked for, lest he learn from the haste of an answer what others have sent.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._answers: OrderedDict[tuple[str, str], StoredAnswer] = OrderedDict()
        self._lock = Lock()

    def find(self, key_name: str, tag: str) -> StoredAnswer | None:
        """What was answered to this key before."""
        with self._lock:
            if (key_name, tag) in self._answers:
                self._answers.move_to_end((key_name, tag))
            return self._answers.get((key_name, tag))

    def store(self, key_name: str, tag: str, answer: StoredAnswer) -> None:
        """Keep an answer that fits, and drop those not used for longest where there is no room."""
        if len(answer.body) > self._max_bytes:
            return
        with self._lock:
            self._drop((key_name, tag))
            self._answers[key_name, tag] = answer
            self._bytes += len(answer.body)
            while self._bytes > self._max_bytes:
                self._drop(next(iter(self._answers)))

    def _drop(self, key: tuple[str, str]) -> None:
        if dropped := self._answers.pop(key, None):
            self._bytes -= len(dropped.body)
