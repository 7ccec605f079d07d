"""What the server counts, as Prometheus reads it: base units, one prefix, and no label that a stranger can choose."""

from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder

from app.engine.observe import BatchRun, ModelLoaded, Observe

PHASES: Final[Mapping[str, str]] = {
    "read": "read",
    "decode": "decode",
    "queue": "queue",
    "letterbox": "detect",
    "detector": "detect",
    "nms": "detect",
    "crop": "pose",
    "pose": "pose",
    "decode_pose": "pose",
    "draw": "render",
    "encode": "encode",
}
"""The phase of a request that each stage of its timer belongs to."""

REFUSALS: Final[Mapping[int, str]] = {401: "key", 413: "too_large", 429: "rate"}
"""Why a request with such an answer was turned away."""

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_ITEMS = (1, 2, 4, 8, 16, 32, 64)
_PIXELS = (1e4, 1e5, 2.5e5, 5e5, 1e6, 2e6, 4e6, 8e6, 16e6, 32e6, 64e6)


def phases_of(stages: Mapping[str, float]) -> dict[str, float]:
    """Seconds per phase from seconds per stage."""
    phases: dict[str, float] = {}
    for stage, seconds in stages.items():
        phase = PHASES.get(stage, stage)
        phases[phase] = phases.get(phase, 0.0) + seconds
    return phases


class Metrics:
    """All counters of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "pose_http_requests", "requests answered", ["route", "method", "code"], registry=registry
        )
        self.duration = Histogram(
            "pose_http_request_duration_seconds",
            "from the head of a request to the end of its answer",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.in_progress = Gauge("pose_http_requests_in_progress", "requests being answered", registry=registry)
        self.phase = Histogram(
            "pose_phase_duration_seconds", "phases of requests", ["phase"], buckets=_SECONDS, registry=registry
        )
        self.batch_size = Histogram(
            "pose_batch_size", "rows of requests in one run", ["network"], buckets=_ITEMS, registry=registry
        )
        self.queue_items = Gauge("pose_queue_items", "rows that wait for a network", ["network"], registry=registry)
        self.rejected = Counter("pose_rejected", "requests turned away on arrival", ["reason"], registry=registry)
        self.failures = Counter("pose_failures", "accepted requests without an answer", ["reason"], registry=registry)
        self.persons = Histogram("pose_persons", "people in a photo", buckets=(0, *_ITEMS), registry=registry)
        self.pixels = Histogram("pose_image_pixels", "pixels of a photo", buckets=_PIXELS, registry=registry)
        self.load = Gauge(
            "pose_model_load_seconds", "from opening the file to the end of warm-up", ["name"], registry=registry
        )
        self.info = Gauge("pose_model_info", "networks loaded", ["name", "sha256", "provider"], registry=registry)
        self.ready = Gauge("pose_ready", "1 where /readyz answers 200", registry=registry)

    def answered(self, *, route: str, method: str, code: int, seconds: float, phases: Mapping[str, float]) -> None:
        """Count a request that is over."""
        self.requests.labels(route, method, str(code)).inc()
        self.duration.labels(route).observe(seconds)
        for phase, taken in phases.items():
            self.phase.labels(phase).observe(taken)
        if code in REFUSALS:
            self.rejected.labels(REFUSALS[code]).inc()

    def seen(self, pixels: int, people: int) -> None:
        """Count a photo in which everybody was looked for."""
        self.pixels.observe(pixels)
        self.persons.observe(people)

    def observe(self) -> Observe:
        """What the engine tells, told to the counters."""
        return Observe(
            queued=lambda network, items: self.queue_items.labels(network).set(items),
            batch=self._ran,
            rejected=lambda reason: self.rejected.labels(reason).inc(),
            failed=lambda reason: self.failures.labels(reason).inc(),
            loaded=self._loaded,
            ready=lambda ready: self.ready.set(float(ready)),
        )

    def _ran(self, run: BatchRun) -> None:
        self.batch_size.labels(run.lane).observe(run.items)

    def _loaded(self, model: ModelLoaded) -> None:
        self.load.labels(model.name).set(model.seconds)
        self.info.labels(model.name, model.sha256, model.provider).set(1)

    def expose(self, accept: str) -> tuple[bytes, str]:
        """All counters as text, and its media type: what the Accept header asks for, of the formats there are."""
        encode, media_type = choose_encoder(accept)
        return encode(self.registry), media_type
