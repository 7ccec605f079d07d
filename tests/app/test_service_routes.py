"""What a server says of itself, with and without its networks."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app import __version__
from app.formats import FORMATS
from app.main import create_app
from app.parameters import ConvertParameters, PoseParameters, RenderParameters
from app.settings import Settings
from pose_core.errors import DeviceUnavailable, ModelError, UnknownChoice
from pose_core.session import CUDA, runtime_description
from pose_core.weights import WEIGHTS
from tests.app.scenery import OTHER_DETECTOR, OTHER_ESTIMATOR, Networks, read_png
from tests.app.test_bad_requests import refusal
from tests.app.waiting import loaded

# A server with everything


def test_alive_and_ready(client: TestClient) -> None:
    for path in ("/livez", "/healthz", "/v2/health/live"):
        assert client.get(path).json() == {"status": "ok"}
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == client.get("/v2/health/ready").json()
    assert answer.json() == {
        "ready": True,
        "estimator": "figure",
        "detector": "three people",
        "provider": "CPUExecutionProvider",
    }


def test_models_lists_what_there_is(client: TestClient) -> None:
    body = client.get("/models").json()
    assert body["estimators"] == ["figure", "skelmap-t", OTHER_ESTIMATOR]
    assert body["detectors"] == ["three people", "whole-image", "skelmap-det", OTHER_DETECTOR]
    assert {"figure", "three people"} <= set(body["loaded"])
    assert [known["name"] for known in body["known"]] == list(WEIGHTS)
    assert [known["name"] for known in body["known"] if known["installed"]] == [
        "skelmap-t",
        "skelmap-det",
        OTHER_ESTIMATOR,
        OTHER_DETECTOR,
    ]


def test_models_lists_sources_and_terms(client: TestClient) -> None:
    known = next(known for known in client.get("/models").json()["known"] if known["name"] == "yolox-l")
    row = WEIGHTS["yolox-l"]
    assert known == {
        "name": "yolox-l",
        "role": "detector",
        "architecture": "yolox",
        "input_size": [640, 640],
        "default_threshold": 0.3,
        "installed": False,
        "source": row.url,
        "sha256": row.sha256,
        "code_licence": "Apache-2.0",
        "data_terms": row.data_terms,
    }


def test_models_says_which_networks_are_inside_the_package(client: TestClient) -> None:
    inside = [known for known in client.get("/models").json()["known"] if known["source"] is None]
    assert [known["name"] for known in inside] == ["skelmap-t", "skelmap-det"]
    assert all(known["installed"] and "non-commercial" in known["data_terms"] for known in inside)


def test_every_name_listed_by_models_can_be_asked_for(client: TestClient, png: bytes) -> None:
    body = client.get("/models").json()
    for role in ("estimator", "detector"):
        for name in body[f"{role}s"]:
            assert client.post("/pose", content=png, params={role: name}).json()[role] == name


def test_version_names_the_files_it_computes_with(client: TestClient, networks: Networks) -> None:
    body = client.get("/version").json()
    assert body["skelmap"] == __version__
    assert body["onnxruntime"] == runtime_description()["onnxruntime"]
    assert len(body["models"]["figure"]) == 64
    assert str(networks.home) not in json.dumps(body)


def test_docs(client: TestClient) -> None:
    assert "Skelmap" in client.get("/docs").text


@pytest.mark.parametrize(
    ("path", "model"), [("/pose", PoseParameters), ("/render", RenderParameters), ("/convert", ConvertParameters)]
)
def test_the_schema_lists_every_parameter(
    client: TestClient, path: str, model: type[PoseParameters | RenderParameters]
) -> None:
    route = client.get("/openapi.json").json()["paths"][path]["post"]
    assert [parameter["name"] for parameter in route["parameters"]] == list(model.model_fields)
    assert all(parameter["in"] == "query" for parameter in route["parameters"])
    assert all(parameter["schema"]["description"] for parameter in route["parameters"])
    assert {"200", "400", "413", "415", "422", "503"} <= set(route["responses"])


def test_the_schema_lists_bodies_and_formats(client: TestClient) -> None:
    route = client.get("/openapi.json").json()["paths"]["/pose"]["post"]
    content = route["requestBody"]["content"]
    assert list(content) == [
        *("multipart/form-data", "application/json", "image/jpeg", "image/png", "image/webp"),
    ]
    form = content["multipart/form-data"]["schema"]["properties"]
    assert list(form) == ["image", *PoseParameters.model_fields]
    assert form["order"]["enum"] == ["score", "area", "left_to_right"]
    assert form["order"]["default"] == "score"
    media_types = {form.media_type for form in FORMATS.values()}
    assert set(route["responses"]["200"]["content"]) == media_types


# A server without weights


@pytest.fixture
def bare(empty_home: Path) -> Iterator[TestClient]:
    """A server whose models were never pulled."""
    assert not empty_home.exists()
    settings = Settings(estimator="dwpose-l-384", detector="yolox-l")
    with TestClient(create_app(settings)) as running:
        loaded(running)
        yield running


def test_without_weights_the_server_runs_and_says_what_to_pull(bare: TestClient) -> None:
    assert bare.get("/healthz").status_code == 200
    answer = bare.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["ready"] is False
    assert "skelmap models pull yolox-l dwpose-l-384" in answer.json()["reason"]


def test_without_weights_pose_is_a_503(bare: TestClient, png: bytes) -> None:
    body = refusal(bare.post("/pose", content=png), 503)
    assert body["title"] == "Model not installed"
    assert "skelmap models pull yolox-l dwpose-l-384" in body["detail"]


def test_without_weights_documents_can_be_drawn(bare: TestClient) -> None:
    answer = bare.post("/render", json={"people": [], "canvas_width": 8, "canvas_height": 6})
    assert read_png(answer.content).shape == (6, 8, 3)


def test_without_weights_models_lists_what_the_package_holds(bare: TestClient) -> None:
    body = bare.get("/models").json()
    assert [known["name"] for known in body["known"] if known["installed"]] == ["skelmap-t", "skelmap-det"]
    assert body["loaded"] == []


def test_weights_that_arrive_later_make_it_ready(empty_home: Path, networks: Networks, png: bytes) -> None:
    settings = Settings(estimator=OTHER_ESTIMATOR, detector="whole-image")
    with TestClient(create_app(settings)) as running:
        assert loaded(running).status_code == 503
        refusal(running.post("/pose", content=png), 503)
        empty_home.mkdir()
        file = WEIGHTS[OTHER_ESTIMATOR].file_name
        (empty_home / file).write_bytes((networks.home / file).read_bytes())
        assert running.post("/pose", content=png).json()["estimator"] == OTHER_ESTIMATOR
        assert running.get("/readyz").json()["estimator"] == OTHER_ESTIMATOR


# A server that cannot be helped


@pytest.mark.skipif(CUDA in runtime_description()["built_for"], reason="this onnxruntime can use CUDA")
def test_cuda_is_never_replaced_by_the_cpu(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"device": "cuda"}))
    with TestClient(app) as running:
        answer = loaded(running)
    assert answer.status_code == 503
    assert "device=cuda was asked for but" in answer.json()["reason"]
    assert isinstance(app.state.engine.readiness.fatal, DeviceUnavailable)


@pytest.mark.parametrize("name", ["estimator", "detector"])
def test_a_broken_network_is_said_and_fatal(settings: Settings, tmp_path: Path, name: str) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    app = create_app(settings.model_copy(update={name: str(broken)}))
    with TestClient(app) as running:
        assert "broken.onnx cannot be loaded" in loaded(running).json()["reason"]
    assert isinstance(app.state.engine.readiness.fatal, ModelError)


def test_an_unknown_default_is_said_and_fatal(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"estimator": "dwposel"}))
    with TestClient(app) as running:
        assert "'dwposel'; valid: " in loaded(running).json()["reason"]
    assert isinstance(app.state.engine.readiness.fatal, UnknownChoice)


def test_settings_come_from_the_environment_unless_they_are_given(
    monkeypatch: pytest.MonkeyPatch, networks: Networks
) -> None:
    monkeypatch.setenv("SKELMAP_ESTIMATOR", str(networks.estimator))
    monkeypatch.setenv("SKELMAP_DETECTOR", "whole-image")
    with TestClient(create_app()) as running:
        assert loaded(running).json()["detector"] == "whole-image"
