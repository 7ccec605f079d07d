"""Every family makes pictures that follow the map, loaded from disk as real models are."""

import pytest

from app.generation.families import FAMILIES
from app.generation.sources import Source
from pose_core.types import Image
from tests.app.generation.conftest import Make
from tests.app.scenery import write_png


@pytest.mark.parametrize("family", FAMILIES)
def test_the_map_changes_the_picture_and_the_same_seed_gives_the_same_bytes(
    family: str, make: Make, photo: Image
) -> None:
    steered = make(model=family)
    assert make(model=family).images == steered.images
    dark = Source("map", write_png(photo[:64, :64] * 0))
    assert make(dark, model=family).images != steered.images
