"""Hourglasses of 16, 14, 12 and 17 points from weights to the answer and the map of a server that knows only a path."""

from pathlib import Path

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from torch import nn

from app.main import create_app
from app.settings import Settings
from pose_core.codecs import Heatmap
from pose_core.estimators import EstimatorSpec, open_estimator
from pose_core.schemes import SCHEMES, WHOLE_BODY, shared_points
from pose_core.types import Image, PersonBox, Size
from tests.app.scenery import PHOTO, drawn, read_png, write_png
from training.deployable import Description, save_deployable
from training.evals.networks import torch_network
from training.evals.predict import predict
from training.evals.views import PhotoBoxes, Views
from training.models import build_model
from training.models.hourglass import StackedHourglass
from training.publish import publish, weights_row

MODEL, SIZE = "hourglass-2x16", Size(width=64, height=64)
CODEC = Heatmap(map_size=Size(16, 16), sigma=1.0)
OPENPOSE_HEAD = (0, 14, 15, 16, 17)
PNG = {"Content-Type": "image/png"}


def build(scheme: str) -> StackedHourglass:
    """A network that is sure of every point, wherever it puts it."""
    torch.manual_seed(0)
    network = build_model(MODEL, SIZE, len(SCHEMES[scheme]))
    assert isinstance(network, StackedHourglass)
    nn.init.normal_(network.get_parameter("score.1.weight"))
    nn.init.constant_(network.get_parameter("score.1.bias"), 50.0)
    return network.eval()


def export(scheme: str, folder: Path) -> Path:
    """The ONNX file of that network."""
    about = Description(model=MODEL, input_size=SIZE, codec=CODEC, scheme=scheme, recipe="fpd", step=1)
    save_deployable(build(scheme).state_dict(), about, folder / "student.safetensors")
    published = publish(folder / "student.safetensors", folder / "student.onnx", None, precision="float32")
    assert (published.near, published.sure) == (1.0, 2 * len(SCHEMES[scheme]))
    assert 'architecture="hourglass"' in weights_row(published, about)
    return folder / "student.onnx"


def said_by_torch(scheme: str, photo: Path) -> np.ndarray:
    """(133, 3): what the network says of the whole photo."""
    network = torch_network(build(scheme), "student", EstimatorSpec(input_size=SIZE, codec=CODEC, scheme=scheme))
    whole = PersonBox(0.0, 0.0, float(PHOTO.width), float(PHOTO.height))
    views = Views("annotated", (PhotoBoxes(1, photo, (1,), (whole,)),))
    (person,) = predict(network, views, flip=False, workers=1, progress=False).people
    return person.keypoints


@pytest.mark.parametrize("scheme", ["mpii", "lsp", "limbs", "coco"])
def test_a_file_is_served_by_its_path(scheme: str, photo: Image, tmp_path: Path) -> None:
    path = export(scheme, tmp_path)
    session, spec = open_estimator(str(path), "cpu")
    assert spec == EstimatorSpec(input_size=SIZE, codec=CODEC, scheme=scheme)
    assert session.output_names == ("heatmaps",)
    (tmp_path / "photo.png").write_bytes(write_png(photo))
    wanted = said_by_torch(scheme, tmp_path / "photo.png")
    with TestClient(create_app(Settings(estimator=str(path), detector="whole-image"))) as client:
        answer, document, picture = (
            client.post("/pose", content=write_png(photo), headers=PNG, params={"format": name})
            for name in ("json", "openpose", "png")
        )
    (person,) = answer.json()["people"]
    found = np.array(person["keypoints"])
    np.testing.assert_allclose(found, wanted, atol=0.01)
    known = shared_points(scheme, WHOLE_BODY)[1]
    assert (found[known, 2] > spec.threshold).all()
    assert not np.delete(found, known, axis=0).any(), "points that it does not know are absent"
    body = np.array(document.json()["people"][0]["pose_keypoints_2d"]).reshape(18, 3)
    assert body[1, 2] > 0, "the neck is the middle of the shoulders"
    assert body[OPENPOSE_HEAD, 2].any() == (scheme == "coco"), "the head is absent where nobody learnt it"
    skeleton = read_png(picture.content)
    assert skeleton.any()
    np.testing.assert_array_equal(skeleton, drawn(answer.json()))
