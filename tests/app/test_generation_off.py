"""Generation is off unless models are named: a clear answer then, and nothing heavy imported. What keeps it off."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.commands.serve import serve
from app.generation.job import generation_of_environment
from app.jobs.settings import JobSettings
from app.main import create_app
from app.models import ModelStore
from app.service import PoseService
from app.settings import Settings, read_settings
from pose_core.errors import InvalidInput
from tests.app.test_bad_requests import refusal

HEAVY = ("torch", "diffusers", "transformers", "sqlalchemy", "psycopg", "redis")

ROUTES = [
    ("POST", "/generate"),
    ("GET", "/jobs"),
    ("GET", "/jobs/x"),
    ("DELETE", "/jobs/x"),
    ("GET", "/jobs/x/results/image-1.png"),
    ("GET", "/jobs/x/preview"),
    ("GET", "/jobs/x/events"),
]

SERVES = """
import sys
from fastapi.testclient import TestClient
from app.main import create_app
from app.settings import Settings
from tests.app.waiting import loaded
with TestClient(create_app(Settings(detector="whole-image"))) as client:
    assert loaded(client).status_code == 200
    assert client.post("/generate", json={"prompt": "x", "pose": []}).status_code == 501
    assert client.get("/openapi.json").status_code == 200
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_says_how_to_switch_it_on(settings: Settings, method: str, path: str) -> None:
    with TestClient(create_app(settings)) as client:
        body = refusal(client.request(method, path), 501)
    assert "skelmap[controlnet]" in body["detail"]
    assert "SKELMAP_GENERATION_MODELS" in body["detail"]


def test_a_server_without_it_imports_nothing_heavy() -> None:
    code = [sys.executable, "-c", SERVES]
    ended = subprocess.run(code, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert ended.returncode == 0, ended.stderr
    modules = ended.stdout.split()
    assert "fastapi" in modules  # the probe sees what was imported
    assert set(modules) & set(HEAVY) == set()


def test_no_models_no_generation(settings: Settings) -> None:
    assert generation_of_environment(PoseService(ModelStore(settings), settings)) is None


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://me:secret@here/jobs", "unknown kind of job store 'mysql'; valid: sqlite, postgresql, redis, rediss"),
        ("sqlite:////proc/none/jobs.db", "the job store cannot be used: "),
    ],
)
def test_a_store_that_cannot_be_ends_the_command(
    url: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("diffusers", reason="needs the extra controlnet")
    (tmp_path / "models.toml").write_text('[tiny]\nfamily = "sd15"\nbase = "./tiny"\n')
    monkeypatch.setenv("SKELMAP_GENERATION_MODELS", str(tmp_path / "models.toml"))
    monkeypatch.setenv("SKELMAP_JOBS_URL", url)
    with pytest.raises(InvalidInput, match=f"^SKELMAP_JOBS_URL: {re.escape(reason)}") as caught:
        serve(detector="whole-image")
    assert "secret" not in str(caught.value)


def test_a_variable_that_cannot_be_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKELMAP_JOBS_LEASE_S", "0")
    with pytest.raises(InvalidInput, match=r"^SKELMAP_JOBS_LEASE_S: .*greater than 0.*, got '0'$"):
        read_settings(JobSettings)
    monkeypatch.setenv("SKELMAP_GENERATION_MAX_STEPS", "many")
    with pytest.raises(InvalidInput, match="SKELMAP_GENERATION_MAX_STEPS"):
        create_app(Settings())
