"""A student of DistilPose from weights to the answer and the map of a server that knows nothing but a path."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from pose_core.codecs import Regression
from pose_core.estimators import EstimatorSpec, open_estimator
from pose_core.skeleton import BODY
from pose_core.types import Image, Size
from tests.app.scenery import CONFIDENCE, FIGURE, PHOTO, drawn, keypoints_in, read_png, write_png
from training.deployable import Description, save_deployable
from training.models import MODELS
from training.models.distilpose import SCORE, DistilPose
from training.publish import publish

MODEL, SIZE = "distilpose-xs", Size(width=192, height=256)


def knowing(fractions: np.ndarray, scores: np.ndarray) -> DistilPose:
    """A network that finds the same points in every crop: its keypoint tokens stay as they are until the last layer."""
    torch.manual_seed(0)
    network = MODELS[MODEL](input_size=SIZE, keypoints=len(scores))
    assert isinstance(network, DistilPose)
    norm, layer = network.head.mlp
    assert isinstance(layer, torch.nn.Linear)
    with torch.no_grad():
        for name, parameter in network.head.encoder.named_parameters():
            if ".attention.out." in name or ".mlp.2." in name:
                parameter.zero_()
        tokens = norm(network.head.encoder.keypoint_token[0])
        wanted = torch.zeros(len(scores), 5)
        wanted[:, :2] = torch.from_numpy(fractions).logit()
        wanted[:, SCORE] = torch.from_numpy(scores)
        layer.weight.copy_(torch.linalg.lstsq(tokens, wanted).solution.T)
        layer.bias.zero_()
    return network


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ONNX file of a student that knows a standing figure."""
    folder = tmp_path_factory.mktemp("student")
    network = knowing(FIGURE[BODY] / [SIZE.width, SIZE.height], CONFIDENCE[BODY])
    about = Description(model=MODEL, input_size=SIZE, codec=Regression(), scheme="coco", recipe="distilpose-s", step=1)
    save_deployable(network.state_dict(), about, folder / "student.safetensors")
    published = publish(folder / "student.safetensors", folder / "student.onnx", None, precision="float32")
    assert (published.near, published.sure) == (1.0, 2 * (CONFIDENCE[BODY] > 0.3).sum())
    return folder / "student.onnx"


@pytest.fixture(scope="module")
def client(exported: Path) -> Iterator[TestClient]:
    """A server whose estimator is that file."""
    with TestClient(create_app(Settings(estimator=str(exported), detector="whole-image"))) as running:
        yield running


def test_the_file_says_what_it_is(exported: Path) -> None:
    session, spec = open_estimator(str(exported), "cpu")
    assert spec == EstimatorSpec(input_size=SIZE, codec=Regression(), scheme="coco")
    assert session.output_names == ("keypoints", "scores")


def test_the_server_answers_with_its_points(client: TestClient, photo: Image) -> None:
    answer = client.post("/pose", content=write_png(photo), headers={"Content-Type": "image/png"}).json()
    (person,) = answer["people"]
    found, whole = np.array(person["keypoints"]), (0, 0, PHOTO.width, PHOTO.height)
    np.testing.assert_allclose(found[BODY], keypoints_in(whole)[BODY], atol=0.01)
    assert not found[BODY.stop :].any(), "points that it does not know are absent"


def test_the_server_draws_its_points(client: TestClient, photo: Image) -> None:
    headers = {"Content-Type": "image/png"}
    answer = client.post("/pose", content=write_png(photo), headers=headers).json()
    picture = client.post("/pose", content=write_png(photo), headers=headers, params={"format": "png"})
    skeleton = read_png(picture.content)
    assert skeleton.any()
    np.testing.assert_array_equal(skeleton, drawn(answer))
