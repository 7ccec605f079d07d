"""Labels that are drawn on a device are those of the codecs."""

import numpy as np
import pytest
import torch

from pose_core.codecs import Codec, Heatmap, Regression, SimCC
from pose_core.types import Size
from training.targets import DRAWERS, draw_targets

SIZE = Size(width=48, height=64)
CODECS: tuple[Codec, ...] = (
    SimCC(sigma=(2.0, 2.5)),
    SimCC(),
    Heatmap(map_size=Size(12, 16)),
    Heatmap(map_size=Size(12, 16), sigma=1.0, refine="dark", cell_offset=0.5),
    Regression(),
)


def test_every_codec_has_one() -> None:
    assert {type(codec) for codec in CODECS} == set(DRAWERS)


@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_they_are_what_the_codec_encodes(codec: Codec) -> None:
    random = np.random.default_rng(4)
    keypoints = random.uniform(-30, 90, size=(6, 40, 2)).astype(np.float32)
    keypoints[0] = np.rint(keypoints[0]) + 0.5  # where rounding has to choose
    known = random.random((6, 40)) < 0.8
    expected = codec.encode(keypoints, known, SIZE)
    weights = codec.weigh(keypoints, known, SIZE)
    np.testing.assert_array_equal(weights, expected.weights)
    assert 0 < weights.mean() < known.mean(), "some are out of reach"
    found = draw_targets(codec, torch.from_numpy(keypoints), torch.from_numpy(weights) > 0, SIZE)
    for ours, theirs in zip(found, expected.arrays, strict=True):
        assert ours.dtype == torch.float32
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-6, atol=1e-9)


def test_what_nobody_knows_may_be_anything() -> None:
    keypoints = torch.full((1, 2, 2), 1e9)
    for codec in CODECS[:-1]:
        assert all(not target.any() for target in draw_targets(codec, keypoints, torch.zeros(1, 2) > 0, SIZE))
