"""One answer, every way to write it down."""

from base64 import b64decode
from dataclasses import replace

import numpy as np
import orjson
import pytest

from app.answer import Answer
from app.formats import FORMATS
from app.models import ModelStore
from app.parameters import PoseParameters
from app.service import PoseService
from app.settings import Settings
from pose_core.renderers import render_map
from pose_core.steps import run_steps
from pose_core.styles import STYLES
from pose_core.timing import Timer
from pose_core.types import Image, Size
from tests.app.scenery import read_png


@pytest.fixture
def answer(settings: Settings, photo: Image) -> Answer:
    """The answer to the drawn photo."""
    service = PoseService(ModelStore(settings), settings)
    return run_steps(service.photo_steps(photo, PoseParameters(), Timer()), Timer())


@pytest.fixture
def nobody(answer: Answer) -> Answer:
    """The answer to a photo of nobody."""
    return replace(answer, poses=(), scene=replace(answer.scene, people=()))


def test_the_map_is_its_shapes(answer: Answer) -> None:
    expected = render_map(STYLES["controlnet"](answer.scene, 0.3), answer.scene.size).rgb
    np.testing.assert_array_equal(read_png(answer.map_png()), expected)
    assert b64decode(answer.map_data_url().partition(",")[2]) == answer.map_png()


def test_the_map_can_do_without_a_palette(answer: Answer) -> None:
    for same in (answer, replace(answer, finish=lambda drawn: drawn[::-1])):
        png = same.map_rgb_png()
        assert png[25] == 2  # the colour type of the header: RGB
        np.testing.assert_array_equal(read_png(png), read_png(same.map_png()))
    assert answer.map_png()[25] == 3


def test_style_and_threshold_decide_what_is_drawn(answer: Answer) -> None:
    assert list(replace(answer, threshold=1.0).shapes()) == []
    assert list(replace(answer, style="dwpose").shapes()) != list(answer.shapes())


def test_a_finish_is_put_on_the_map_and_nothing_else(answer: Answer) -> None:
    finished = replace(answer, finish=lambda drawn: drawn[::-1])
    np.testing.assert_array_equal(read_png(finished.map_png()), read_png(answer.map_png())[::-1])
    assert finished.overlay_png() == answer.overlay_png()
    assert finished.svg() == answer.svg()


def test_drawing_and_writing_are_timed(answer: Answer) -> None:
    before = set(answer.timer.seconds)
    answer.map_png()
    assert set(answer.timer.seconds) - before == {"draw", "encode"}


def test_the_photo_is_left_alone(answer: Answer, photo: Image) -> None:
    answer.overlay_png()
    np.testing.assert_array_equal(answer.photo, photo)
    assert answer.photo_size == Size.of(photo)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_can_say_nobody(nobody: Answer, name: str) -> None:
    assert FORMATS[name].write(nobody)
    assert not read_png(nobody.map_png()).any()
    np.testing.assert_array_equal(read_png(nobody.overlay_png()), nobody.photo)


def test_json_of_nobody(nobody: Answer) -> None:
    assert orjson.loads(FORMATS["json"].write(nobody))["people"] == []


def test_formats_have_extensions_of_their_own() -> None:
    assert len({form.extension for form in FORMATS.values()}) == len(FORMATS)
