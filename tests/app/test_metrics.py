"""What Prometheus reads: every request counted once, under names that are promised."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from app.engine.observe import BatchRun, ModelLoaded
from app.main import create_app
from app.metrics import PHASES, Metrics, phases_of
from app.settings import Settings
from tests.app.waiting import loaded

FAMILIES = {
    "pose_http_requests": "counter",
    "pose_http_request_duration_seconds": "histogram",
    "pose_http_requests_in_progress": "gauge",
    "pose_phase_duration_seconds": "histogram",
    "pose_batch_size": "histogram",
    "pose_queue_items": "gauge",
    "pose_rejected": "counter",
    "pose_failures": "counter",
    "pose_persons": "histogram",
    "pose_image_pixels": "histogram",
    "pose_model_load_seconds": "gauge",
    "pose_model_info": "gauge",
    "pose_ready": "gauge",
}


@pytest.fixture
def fresh(settings: Settings) -> Iterator[TestClient]:
    """A server that has counted nothing yet."""
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


def families(text: str) -> dict[str, str]:
    """Name and kind of every family, without those of the process."""
    found = {family.name: family.type for family in text_string_to_metric_families(text)}
    return {name: kind for name, kind in found.items() if not name.startswith("process_") and "_created" not in name}


def samples(text: str, name: str) -> dict[tuple[str, ...], float]:
    """The values of one series by the values of its labels, which stand in alphabetical order."""
    everything = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {tuple(sample.labels.values()): sample.value for sample in everything if sample.name == name}


def test_every_promised_name_is_there_from_the_start(fresh: TestClient) -> None:
    answer = fresh.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert families(answer.text) == FAMILIES


def test_every_promised_name_is_explained() -> None:
    text = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
    counters = {name for name, kind in FAMILIES.items() if kind == "counter"}
    names = {f"{name}_total" if name in counters else name for name in FAMILIES}
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []


def test_each_request_is_counted_once(fresh: TestClient, png: bytes) -> None:
    for path, body in (("/pose", png), ("/pose", b"no photo"), ("/pose?width=0", png), ("/nothing", b"")):
        fresh.post(path, content=body)
    fresh.request("MADEUP", "/pose")
    text = fresh.get("/metrics").text
    assert samples(text, "pose_http_requests_total") == {
        ("200", "POST", "/pose"): 1,
        ("415", "POST", "/pose"): 1,
        ("422", "POST", "/pose"): 1,
        ("405", "OTHER", "/pose"): 1,
        ("404", "POST", "unknown"): 1,
    }
    assert samples(text, "pose_http_request_duration_seconds_count") == {("/pose",): 4, ("unknown",): 1}
    assert samples(text, "pose_http_requests_in_progress") == {(): 1}


def test_phases_photos_and_people_are_measured(fresh: TestClient, png: bytes) -> None:
    fresh.post("/pose?format=png", content=png)
    fresh.post("/controlnet/detect", json={"controlnet_module": "dw_openpose", "controlnet_input_images": ["AAAA"]})
    text = fresh.get("/metrics").text
    counted = samples(text, "pose_phase_duration_seconds_count")
    assert {phase for (phase,) in counted} == {"read", "queue", "decode", "detect", "pose", "render", "encode"}
    assert counted["pose",] == 1
    assert samples(text, "pose_image_pixels_sum") == {(): 160 * 120}
    assert samples(text, "pose_persons_sum") == {(): 3}


def test_the_engine_is_counted_while_it_works(fresh: TestClient, png: bytes) -> None:
    loaded(fresh)
    fresh.post("/pose", content=png)
    text = fresh.get("/metrics").text
    assert samples(text, "pose_batch_size_sum") == {("figure",): 3, ("three people",): 1}
    assert set(samples(text, "pose_queue_items").values()) == {0}
    assert samples(text, "pose_ready") == {(): 1}
    assert {(name, provider) for name, provider, _ in samples(text, "pose_model_info")} == {
        ("figure", "CPUExecutionProvider"),
        ("three people", "CPUExecutionProvider"),
    }
    assert all(seconds > 0 for seconds in samples(text, "pose_model_load_seconds").values())


def test_who_was_turned_away_is_counted_by_reason(settings: Settings, png: bytes) -> None:
    update = {"api_keys": SecretStr("alice:a"), "max_requests_per_minute": 2, "max_bytes": 1024}
    with TestClient(create_app(settings.model_copy(update=update))) as client:
        key = {"X-API-Key": "a"}
        client.post("/pose", content=png)
        client.post("/pose", content=bytes(2**21), headers=key)
        text = client.get("/metrics", headers=key).text
        assert client.get("/metrics", headers=key).status_code == 429
    assert samples(text, "pose_rejected_total") == {("key",): 1, ("too_large",): 1}


def test_what_the_engine_tells_is_counted() -> None:
    metrics = Metrics()
    observe = metrics.observe()
    observe.queued("estimator", 5)
    observe.batch(BatchRun(lane="estimator", items=3, size=4, requests=2, seconds=0.1, failed=False))
    observe.rejected("queue_full")
    observe.failed("deadline")
    observe.loaded(ModelLoaded(name="skelmap-t", sha256="ab", provider="CPUExecutionProvider", seconds=0.5))
    observe.ready(True)  # noqa: FBT003 - the engine's own signature
    text = metrics.expose("")[0].decode()
    assert samples(text, "pose_queue_items") == {("estimator",): 5}
    assert samples(text, "pose_batch_size_sum") == {("estimator",): 3}
    assert samples(text, "pose_rejected_total") == {("queue_full",): 1}
    assert samples(text, "pose_failures_total") == {("deadline",): 1}
    assert samples(text, "pose_model_load_seconds") == {("skelmap-t",): 0.5}
    assert samples(text, "pose_model_info") == {("skelmap-t", "CPUExecutionProvider", "ab"): 1}
    assert samples(text, "pose_ready") == {(): 1}


def test_stages_add_up_to_phases() -> None:
    assert set(PHASES.values()) == {"read", "decode", "queue", "detect", "pose", "render", "encode"}
    assert phases_of({"crop": 1.0, "pose": 2.0, "nms": 4.0}) == {"pose": 3.0, "detect": 4.0}


def test_open_metrics_for_those_who_ask(fresh: TestClient) -> None:
    answer = fresh.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


@pytest.mark.parametrize(("chosen", "without", "with_key"), [("key", 401, 200), ("open", 200, 200), ("off", 401, 404)])
def test_who_may_read_them(settings: Settings, chosen: str, without: int, with_key: int) -> None:
    update = {"api_keys": SecretStr("alice:a"), "metrics": chosen}
    with TestClient(create_app(settings.model_copy(update=update))) as client:
        assert client.get("/metrics").status_code == without
        assert client.get("/metrics", headers={"X-API-Key": "a"}).status_code == with_key
