"""A spec survives its way through a file's metadata, and a file that carries one is served by it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pose_core.codecs import Codec, Heatmap, Regression, SimCC
from pose_core.errors import ModelError
from pose_core.estimators import EstimatorSpec, open_estimator
from pose_core.estimators.metadata import SPEC_KEY, read_spec, write_spec
from pose_core.types import Size
from tests.tiny_onnx import answering

SPEC = EstimatorSpec(Size(288, 384), SimCC(split=2.0, sigma=(6.0, 6.93)), mean=(1.0, 2.0, 3.0), threshold=0.4)


@pytest.mark.parametrize(
    "codec", [SimCC(), Heatmap(map_size=Size(64, 64), refine="dark", sigma=1.5, cell_offset=0.5), Regression()]
)
def test_every_codec_survives(codec: Codec) -> None:
    spec = replace(SPEC, codec=codec, scheme="coco")
    assert read_spec(write_spec(spec)) == spec


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"simcc"', '"morse"', "codec 'morse'; known: heatmap, regression, simcc"),
        ('"coco-wholebody"', '"hydra"', "scheme 'hydra'; known: coco-wholebody, coco"),
        ('"mean": [1.0, 2.0, 3.0]', '"mean": [1.0]', "cannot be used"),
        ('"threshold"', '"treshold"', "threshold"),
        ("{", "", "cannot be used"),
    ],
)
def test_a_spec_of_another_kind_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_spec(write_spec(SPEC).replace(old, new, 1))


def test_a_file_with_a_spec_is_served_by_it(tmp_path: Path) -> None:
    """Without its spec the same file would be taken for SimCC of 133 points with the default threshold."""
    spec = replace(SPEC, input_size=Size(32, 64), codec=SimCC(split=2.0, sigma=(1.0, 1.0)))
    outputs = {"simcc_x": np.zeros((133, 64), np.float32), "simcc_y": np.zeros((133, 128), np.float32)}
    path = answering(tmp_path / "own.onnx", outputs, (1, 3, 64, 32), metadata={SPEC_KEY: write_spec(spec)})
    _, found = open_estimator(str(path))
    assert found == spec
