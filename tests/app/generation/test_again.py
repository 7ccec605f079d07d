"""A picture says how it was made, and is made again byte for byte."""

import io
import json

import pytest
from PIL import Image as Pillow

from app.generation.families import FAMILIES
from app.generation.generator import Generator
from app.generation.records import read_record, sha256
from app.generation.sources import Source
from pose_core.errors import InvalidInput
from tests.app.generation.conftest import Generators, Make, Recorder


def texts_of(png: bytes) -> dict[str, str]:
    """The text chunks of a PNG."""
    with Pillow.open(io.BytesIO(png)) as opened:
        return {str(key): value for key, value in opened.info.items() if isinstance(value, str)}


def test_the_text_chunks_tell_prompt_seed_model_and_pose(make: Make) -> None:
    made = make(prompt="a dancer, ink\nand 水", images=2)
    texts = texts_of(made.images[1])
    assert (texts["prompt"], texts["seed"], texts["model"]) == ("a dancer, ink\nand 水", "8", "sd15")
    assert json.loads(texts["pose"]) == made.pose
    document = json.loads(texts["skelmap"])
    assert document["request"] == {**made.parameters, "seed": 8, "images": 1}
    assert set(document["made_with"]) == {"skelmap", "diffusers", "torch"}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_picture_of_a_photo_is_made_again_from_itself(family: str, make: Make, generators: Generators) -> None:
    changes = {"scheduler": next(iter(FAMILIES[family].schedulers)), "parts": "body,feet", "control_scale": 1.5}
    made = make(model=family, images=2, seed=None, height=None, **changes)
    record = read_record(made.images[1])
    again = generators(family).generate(record.request, record.source(), Recorder())
    assert again.images == (made.images[1],)
    assert again.map == made.map


def test_a_ready_map_and_an_init_image_have_to_be_given_again(make: Make, generator: Generator, png: bytes) -> None:
    drawn = make().map
    made = make(Source("map", drawn, init_image=png), strength=0.5)
    record = read_record(made.images[0])
    assert (record.map_sha256, record.init_sha256) == (sha256(drawn), sha256(png))
    again = generator.generate(record.request, record.source(drawn, png), Recorder())
    assert again.images == made.images
    with pytest.raises(InvalidInput, match="map: was used for this picture and is needed again"):
        record.source(None, png)
    with pytest.raises(InvalidInput, match="init_image: is another file"):
        record.source(drawn, drawn)


def test_what_was_not_used_then_is_refused(make: Make, png: bytes) -> None:
    record = read_record(make().images[0])
    with pytest.raises(InvalidInput, match="map: was not used for this picture"):
        record.source(png)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n"])
def test_files_that_tell_nothing_are_refused(data: bytes, png: bytes) -> None:
    for file in (data, png):
        with pytest.raises(InvalidInput, match="again: is no picture that skelmap generate made"):
            read_record(file)
