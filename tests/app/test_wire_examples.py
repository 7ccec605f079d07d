"""Requests of A1111's, Forge's and SD.Next's clients beside what those programs answer, as a table.

Recorded from the programs' source: Mikubill/sd-webui-controlnet@56cec5b `scripts/api.py` and `tests/web_api`,
lllyasviel/stable-diffusion-webui-forge@dfdcbab `lib_controlnet/api.py`, vladmandic/sdnext@058a7f0
`modules/api/process.py`, mix1009/sdwebuiapi@ce232f0. An answer has to hold what is written here, and may hold more.
"""

import io
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.Image
import pytest
from fastapi.testclient import TestClient

from tests.app.scenery import write_png

LANDSCAPE = b64encode(write_png(np.full((96, 128, 3), 200, np.uint8))).decode()
PORTRAIT = b64encode(write_png(np.full((128, 96, 3), 200, np.uint8))).decode()


@dataclass(frozen=True)
class Png:
    """Stands for the raw base64 of an RGB PNG of this size."""

    width: int
    height: int


@dataclass(frozen=True)
class Holding:
    """Stands for a list that holds these items, whatever else."""

    items: tuple[object, ...]


@dataclass(frozen=True)
class Numbers:
    """Stands for a list of that many numbers."""

    count: int


def assert_holds(expected: Any, actual: Any, where: str = "answer") -> None:
    """The actual JSON holds all that is expected; a type stands for any of its values."""
    if isinstance(expected, dict):
        assert isinstance(actual, dict), where
        for key, value in expected.items():
            assert key in actual, f"{where} has no {key}"
            assert_holds(value, actual[key], f"{where}.{key}")
    elif isinstance(expected, list):
        assert isinstance(actual, list), where
        assert len(actual) == len(expected), where
        for number, value in enumerate(expected):
            assert_holds(value, actual[number], f"{where}[{number}]")
    elif isinstance(expected, Holding):
        assert all(item in actual for item in expected.items), f"{where}: {actual}"
    elif isinstance(expected, Numbers):
        assert len(actual) == expected.count, where
        assert all(isinstance(number, int | float) for number in actual), where
    elif isinstance(expected, Png):
        opened = PIL.Image.open(io.BytesIO(b64decode(actual, validate=True)))
        seen = (opened.format, opened.mode, *opened.size)
        assert seen == ("PNG", "RGB", expected.width, expected.height), where
    elif isinstance(expected, type):
        assert isinstance(actual, expected), f"{where}: {actual!r}"
    else:
        assert actual == expected, f"{where}: {actual!r}"


@dataclass(frozen=True)
class Example:
    """One request and what its answer holds.

    Attributes:
        name: program and what is asked.
        request: method and path.
        body: JSON, None for none.
        answer: what the JSON of the answer holds.
        status: of the answer.
        absent: keys that the client takes for success, or that must not be there.
    """

    name: str
    request: str
    body: Any
    answer: Any
    status: int = 200
    absent: tuple[str, ...] = ()


PERSON = {
    "pose_keypoints_2d": Numbers(54),
    "face_keypoints_2d": Numbers(210),
    "hand_left_keypoints_2d": Numbers(63),
    "hand_right_keypoints_2d": Numbers(63),
}
SLIDER = {"name": "Resolution", "value": 512, "min": 64, "max": 2048, "step": 8}
POSE = {
    "people": [{"pose_keypoints_2d": [30.0, 40.0, 1.0] * 18}],
    "canvas_width": 96,
    "canvas_height": 64,
}


def pose(width: int, height: int, **person: object) -> dict[str, object]:
    """A pose document of the three people in every photo."""
    return {"people": [{**PERSON, **person}] * 3, "animals": [], "canvas_width": width, "canvas_height": height}


def webui_error(detail: str) -> dict[str, object]:
    """A1111's keys, of which Forge has `detail` alone."""
    return {"error": "HTTPException", "detail": detail, "body": "", "errors": str}


EXAMPLES = [
    Example("A1111 version", "GET /controlnet/version", None, {"version": 3}),
    Example("A1111 models", "GET /controlnet/model_list?update=true", None, {"model_list": Holding(())}),
    Example("Forge models", "GET /controlnet/model_list", None, {"model_list": Holding(("None",))}),
    Example(
        "A1111 modules",
        "GET /controlnet/module_list?alias_names=false",
        None,
        {
            "module_list": Holding(
                (
                    *("none", "openpose", "openpose_face", "openpose_faceonly", "openpose_hand", "openpose_full"),
                    *("dw_openpose", "dw_openpose_face", "dw_openpose_faceonly", "dw_openpose_hand"),
                    "dw_openpose_full",
                )
            ),
            "module_detail": {
                "openpose_full": {"model_free": False, "sliders": [SLIDER]},
                "dw_openpose_full": {"model_free": False, "sliders": [SLIDER]},
            },
        },
    ),
    Example(
        "Forge modules", "GET /controlnet/module_list", None, {"module_list": Holding(("openpose_full", "openpose"))}
    ),
    Example(
        "A1111 and Forge control types",
        "GET /controlnet/control_types",
        None,
        {
            "control_types": {
                "All": {
                    "module_list": Holding(("none", "dw_openpose_full")),
                    "model_list": Holding(("None",)),
                    "default_option": "none",
                    "default_model": "None",
                },
                "OpenPose": {
                    "module_list": Holding(("none", "openpose_full")),
                    "model_list": Holding(("None",)),
                    "default_option": "openpose_full",
                    "default_model": str,
                },
            }
        },
    ),
    Example("A1111 settings", "GET /controlnet/settings", None, {"control_net_unit_count": 3}),
    Example("A1111 settings of old", "GET /controlnet/settings", None, {"control_net_max_models_num": int}),
    Example("A1111 scripts", "GET /sdapi/v1/scripts", None, {"txt2img": Holding(("controlnet", "controlnet m2m"))}),
    Example(
        "A1111 detect",
        "POST /controlnet/detect",
        {
            "controlnet_module": "dw_openpose_full",
            "controlnet_input_images": [LANDSCAPE, PORTRAIT],
            "controlnet_processor_res": -1,
            "controlnet_threshold_a": -1,
            "controlnet_threshold_b": -1,
            "controlnet_masks": [],
            "low_vram": False,
        },
        {"info": "Success", "images": [Png(683, 512), Png(512, 683)], "poses": [pose(683, 512), pose(512, 683)]},
        absent=("tensor",),
    ),
    Example(
        "Forge detect",
        "POST /controlnet/detect",
        {
            "controlnet_module": "openpose_face",
            "controlnet_input_images": [f"data:image/png;base64,{LANDSCAPE}"],
            "controlnet_processor_res": 96,
            "controlnet_threshold_a": 64,
            "controlnet_threshold_b": 64,
        },
        {
            "info": "Success",
            "images": [Png(128, 96)],
            "poses": [pose(128, 96, hand_left_keypoints_2d=None, hand_right_keypoints_2d=None)],
        },
    ),
    Example(
        "webuiapi detect",
        "POST /controlnet/detect",
        {
            "controlnet_module": "openpose",
            "controlnet_images": [f"data:image/png;base64,{LANDSCAPE}"],
            "controlnet_processor_res": 512,
            "controlnet_threshold_a": 64,
            "controlnet_threshold_b": 64,
        },
        {"info": "Success", "images": [Png(683, 512)], "poses": [{"people": Holding(())}]},
    ),
    Example(
        "A1111 detect without a module",
        "POST /controlnet/detect",
        {"controlnet_input_images": [LANDSCAPE]},
        {"info": "Success", "images": [Png(128, 96)]},
        absent=("poses", "tensor"),
    ),
    Example(
        "A1111 detect with an unknown module",
        "POST /controlnet/detect",
        {"controlnet_module": "INVALID"},
        webui_error("Module not available"),
        422,
    ),
    Example(
        "A1111 detect without pictures",
        "POST /controlnet/detect",
        {"controlnet_input_images": []},
        webui_error("No image selected"),
        422,
    ),
    Example(
        "FastAPI's answer to wrong types",
        "POST /controlnet/detect",
        {"controlnet_processor_res": "large"},
        {"detail": [{"loc": ["body", "controlnet_processor_res"], "msg": str, "type": str}]},
        422,
        absent=("info", "images"),
    ),
    Example(
        "A1111 renders",
        "POST /controlnet/render_openpose_json",
        [POSE, {**POSE, "canvas_width": 50, "canvas_height": 70}],
        {"info": "Success", "images": [Png(96, 64), Png(50, 70)]},
    ),
    Example("A1111 renders nothing", "POST /controlnet/render_openpose_json", [], {"info": str}, absent=("images",)),
    Example(
        "A1111 renders no pose",
        "POST /controlnet/render_openpose_json",
        [{"foo": 10, "bar": 100}],
        {"detail": object},
        422,
        absent=("info", "images"),
    ),
    Example(
        "SD.Next preprocess",
        "POST /sdapi/v1/preprocess",
        {"image": LANDSCAPE, "model": "DWPose (Legacy)", "params": {"min_confidence": 0.3}},
        {"model": "DWPose (Legacy)", "image": Png(128, 96)},
    ),
    Example(
        "SD.Next preprocess with RTMW",
        "POST /sdapi/v1/preprocess",
        {"image": LANDSCAPE, "model": "RTMW"},
        {"model": "RTMW", "image": Png(128, 96)},
    ),
    Example(
        "SD.Next preprocess with an unknown model",
        "POST /sdapi/v1/preprocess",
        {"image": LANDSCAPE, "model": "Nothing"},
        {"error": str},
        400,
        absent=("model", "image"),
    ),
    Example(
        "SD.Next preprocess with an unknown setting",
        "POST /sdapi/v1/preprocess",
        {"image": LANDSCAPE, "model": "RTMW", "params": {"colour": "red"}},
        {"error": str},
        400,
        absent=("model", "image"),
    ),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_the_answer_holds_what_the_real_one_does(client: TestClient, example: Example) -> None:
    method, path = example.request.split()
    answer = client.request(method, path, json=example.body)
    assert answer.status_code == example.status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    assert_holds(example.answer, answer.json())
    assert not set(example.absent) & set(answer.json())


def test_sdnext_lists_its_preprocessors(client: TestClient) -> None:
    listed = client.get("/sdapi/v1/preprocessors").json()
    assert_holds([{"name": str, "group": str, "params": dict}] * len(listed), listed)
    assert_holds(Holding(({"name": "DWPose", "group": "Pose", "params": {"min_confidence": 0.3}},)), listed)


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"a": 1}, {"b": 1}),
        ({"a": 1}, {"a": 2}),
        ([1], [1, 2]),
        (Holding((1,)), [2]),
        (Numbers(2), [1.0]),
        (Png(1, 1), b64encode(write_png(np.zeros((1, 2, 3), np.uint8))).decode()),
        (str, 1),
    ],
)
def test_the_comparison_can_fail(expected: object, actual: object) -> None:
    with pytest.raises(AssertionError):
        assert_holds(expected, actual)
