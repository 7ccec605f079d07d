"""Telemetry: off, nothing of the SDK is loaded; on, a span for each request that tells nothing of a stranger."""

import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from pose_core.errors import InvalidInput

PROGRAM = """
import sys
from app.main import create_app
from app.settings import Settings
create_app(Settings())
print([name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))])
"""


def test_off_nothing_of_it_is_loaded() -> None:
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    loaded = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=environment
    )
    assert loaded.stdout == "[]\n"


def test_without_the_extra_it_says_what_to_install(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "app.tracing", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(InvalidInput, match=r"SKELMAP_TELEMETRY: needs the extra: pip install 'skelmap\[telemetry\]'"):
        create_app(settings.model_copy(update={"telemetry": True}))


def test_on_each_request_is_a_span_without_what_the_caller_chose(
    settings: Settings, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = pytest.importorskip(
        "opentelemetry.sdk.trace.export.in_memory_span_exporter", reason="needs the extra telemetry"
    )
    from app import tracing  # noqa: PLC0415 - needs the extra

    exporter = memory.InMemorySpanExporter()
    monkeypatch.setattr(tracing, "OTLPSpanExporter", lambda: exporter)
    with TestClient(create_app(settings.model_copy(update={"telemetry": True}))) as client:
        client.post("/pose?parts=body", content=png, headers={"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"})
        client.get("/secret/path?secret=query")
    spans = exporter.get_finished_spans()
    served = next(span for span in spans if span.attributes.get("http.route") == "/pose")
    assert served.attributes["http.response.status_code"] == 200
    assert served.attributes["skelmap.phase.pose"] > 0
    assert served.resource.attributes["service.name"] == "skelmap"
    assert f"{served.context.trace_id:x}" == "1" * 32
    assert "secret" not in " ".join(span.to_json() for span in spans)
    assert "parts" not in served.to_json()
