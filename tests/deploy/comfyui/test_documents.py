"""Render, Convert, Save and Load: poses from anywhere, in every dialect the server knows."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import torch

from pose_core.dialects import DIALECTS, recognise
from pose_core.types import Image
from tests.app.scenery import LEFT, RIGHT, read_png, write_png
from tests.deploy.comfyui.host import Host, running
from tests.deploy.comfyui.live import Front
from tests.deploy.comfyui.test_remote_pose import box, levels

CONVERT, LOAD, RENDER = "SkelmapConvertPose", "SkelmapLoadPoseJSON", "SkelmapRenderPose"
REMOTE, SAVE = "SkelmapRemotePose", "SkelmapSavePoseJSON"

pytestmark = pytest.mark.usefixtures("front")


@pytest.fixture
def seen(host: Host, image: torch.Tensor) -> tuple[Any, ...]:
    """Maps, poses, boxes and json of two photos with one person each."""
    people = [[box(LEFT)], [box(RIGHT)]]
    return host.run(REMOTE, image=image.expand(2, -1, -1, -1), boxes=people).values


def test_poses_are_drawn_as_they_were(host: Host, seen: tuple[Any, ...]) -> None:
    maps, poses, _, text = seen
    np.testing.assert_array_equal(levels(host.run(RENDER, pose=poses).values[0]), levels(maps))
    np.testing.assert_array_equal(levels(host.run(RENDER, json=text).values[0]), levels(maps))
    assert host.progress == (1, 1), "all but the first, whose size counts for all"


def test_poses_are_drawn_in_another_size_and_style(host: Host, front: Front, seen: tuple[Any, ...]) -> None:
    poses = seen[1]
    query: dict[str, str | int] = {"width": 320, "height": 320, "fit": "cover", "style": "dwpose", "parts": "body"}
    widgets = {"width": 320, "height": 320, "fit": "cover", "style": "dwpose", "hands": False, "face": False}
    expected = [read_png(httpx2.post(f"{front.url}/render", params=query, json=frame).content) for frame in poses]
    np.testing.assert_array_equal(levels(host.run(RENDER, pose=poses, **widgets).values[0]), np.stack(expected))


def test_frames_of_several_sizes_become_one_tensor(host: Host, seen: tuple[Any, ...]) -> None:
    frames = [frame | {"canvas_width": width} for frame, width in zip(seen[1], (160, 200), strict=True)]
    assert host.run(RENDER, pose=frames).values[0].shape == (2, 120, 160, 3)
    assert host.run(RENDER, pose=frames, height=60).values[0].shape == (2, 60, 80, 3)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_is_written_and_read_back(host: Host, seen: tuple[Any, ...], dialect: str) -> None:
    poses, text = host.run(CONVERT, pose=seen[1], dialect=dialect).values
    document = json.loads(text)
    assert [recognise(document, frame) for frame in (0, 1)] == [dialect] * 2
    assert poses == host.run(CONVERT, pose=seen[1]).values[0], "the pose output is for every node, whatever the dialect"
    bodies = [frame["people"][0]["pose_keypoints_2d"] for frame in host.run(CONVERT, json=text).values[0]]
    expected = [frame["people"][0]["pose_keypoints_2d"] for frame in poses]
    np.testing.assert_allclose(bodies, expected, atol=1e-3)


def test_one_frame_is_written_as_an_object(host: Host, seen: tuple[Any, ...]) -> None:
    document = json.loads(host.run(CONVERT, pose=seen[1][:1], dialect="a1111").values[1])
    assert isinstance(document, dict)
    assert host.run(CONVERT, pose=document, width=320).values[0][0]["canvas_height"] == 240


def test_points_are_hidden_by_score_from_the_raw_json(host: Host, seen: tuple[Any, ...]) -> None:
    poses = host.run(CONVERT, json=seen[3], keypoint_threshold=0.65).values[0]
    assert any(poses[0]["people"][0]["face_keypoints_2d"])
    assert not any(poses[0]["people"][0]["hand_left_keypoints_2d"])


def test_saved_and_loaded(host: Host, seen: tuple[Any, ...]) -> None:
    poses = seen[1]
    ran = host.run(SAVE, pose=poses, filename_prefix="dance/take")
    assert ran.values == (str(host.folder / "output/dance/take_00001_.json"),)
    assert host.run(SAVE, pose=poses, filename_prefix="dance/take").values[0].endswith("take_00002_.json")
    assert json.loads(Path(ran.values[0]).read_text()) == poses
    host.run(SAVE, pose=poses)
    names = ["dance/take_00001_.json", "dance/take_00002_.json", "pose_00001_.json"]
    assert host.sockets(LOAD)["file"].type == [f"{name} [output]" for name in names]
    loaded, text = host.run(LOAD, file="dance/take_00001_.json [output]").values
    assert json.loads(text) == poses
    np.testing.assert_allclose(
        [frame["people"][0]["face_keypoints_2d"] for frame in loaded],
        [frame["people"][0]["face_keypoints_2d"] for frame in poses],
    )


def test_a_file_of_another_program(host: Host, front: Front, photo: Image) -> None:
    query: dict[str, str | int] = {"format": "openpose", "dialect": "openpose", "max_people": 1}
    document = httpx2.post(f"{front.url}/pose", params=query, content=write_png(photo)).json()
    for silent in ("canvas_width", "canvas_height"):
        document.pop(silent, None)
    (host.folder / "input/other.json").write_text(json.dumps(document))
    with pytest.raises(RuntimeError, match=f"POST {front.url}/convert: 422 .* canvas_width"):
        host.run(LOAD, file="other.json")
    poses, text = host.run(LOAD, file="other.json", canvas_width=160, canvas_height=120).values
    assert (poses[0]["canvas_width"], poses[0]["canvas_height"]) == (160, 120)
    assert len(poses[0]["people"][0]["foot_keypoints_2d"]) == 18
    assert json.loads(text) == document


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_of_every_editor(host: Host, seen: tuple[Any, ...], encoding: str) -> None:
    (host.folder / "input/日本.json").write_text(json.dumps(seen[1]), encoding)
    assert json.loads(host.run(LOAD, file="日本.json").values[1]) == seen[1]


def test_a_file_that_is_not_json(host: Host) -> None:
    (host.folder / "input/a.json").write_bytes(b"\xff{")
    with pytest.raises(ValueError, match=r"a\.json: not JSON: "):
        host.run(LOAD, file="a.json")


def test_a_changed_file_is_read_again(host: Host) -> None:
    path = host.folder / "input/a.json"
    path.write_text("{}")
    first = host.fingerprint(LOAD, file="a.json", canvas_width=0, canvas_height=0)
    path.write_text("[]")
    assert host.fingerprint(LOAD, file="a.json", canvas_width=0, canvas_height=0) != first


@pytest.mark.parametrize("file", ["../secret.json", "gone.json", "../../secret.json [output]"])
def test_only_files_that_are_offered_are_read(host: Host, schema: str, file: str) -> None:
    (host.folder / "secret.json").write_text("{}")
    (host.folder / "input/a.json").write_text("{}")
    assert host.sockets(LOAD)["file"].type == ["a.json"]
    node: Any = host.classes[LOAD]
    inputs = {"file": file, "canvas_width": 0, "canvas_height": 0}
    with pytest.raises(ValueError, match="file: no "):
        node.execute(**inputs) if schema == "V3" else node().run(**inputs)


@pytest.mark.parametrize("node", [RENDER, CONVERT, SAVE])
@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "connect pose or json, one of the two"),
        ({"pose": [], "json": "[]"}, "connect pose or json, one of the two"),
        ({"pose": []}, "pose: a list without frames"),
        ({"json": "[]"}, "json: a list without frames"),
        ({"json": "{"}, "json: not JSON: "),
        ({"json": "[" * 100_000}, "json: not JSON: "),
    ],
)
def test_documents_that_are_none(host: Host, node: str, inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        host.run(node, **inputs)


@pytest.mark.parametrize("node", [RENDER, CONVERT])
def test_documents_that_the_server_cannot_read(host: Host, front: Front, node: str) -> None:
    with pytest.raises(RuntimeError, match=rf"POST {front.url}/\w+: 422 .*"):
        host.run(node, json='{"people": 3, "canvas_width": 1, "canvas_height": 1}')


# As Krita AI Diffusion sends it


@pytest.fixture
def krita(schema: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """ComfyUI in which the pack stands in for comfyui_controlnet_aux."""
    monkeypatch.setenv("POSE_DWPREPROCESSOR", "1")
    with running(schema, tmp_path) as host:
        yield host


def test_krita_gets_what_it_expects(krita: Host, front: Front, image: torch.Tensor, photo: Image) -> None:
    names = {"bbox_detector": "yolox_l.onnx", "pose_estimator": "dw-ll_ucoco_384.onnx"}
    switches = {"detect_hand": "enable", "detect_body": "enable", "detect_face": "disable"}
    ran = krita.run("DWPreprocessor", image=image, resolution=256, **switches, **names)
    query: dict[str, str | int] = {
        "resolution": 256,
        "legacy_resize": "comfyui",
        "parts": "body,hands",
        "format": "png",
    }
    expected = read_png(httpx2.post(f"{front.url}/pose", params=query, content=write_png(photo)).content)
    np.testing.assert_array_equal(levels(ran.values[0]), expected[None])
    assert krita.outputs("DWPreprocessor") == [("IMAGE", "IMAGE"), ("POSE_KEYPOINT", "POSE_KEYPOINT")]
    (frame,) = json.loads(ran.ui["openpose_json"][0])
    assert (frame["canvas_width"], frame["canvas_height"]) == (160, 120), "of the photo, not of the map"
    assert [len(person["pose_keypoints_2d"]) for person in frame["people"]] == [3 * 18] * 3
    assert not any(frame["people"][0]["face_keypoints_2d"])


def test_krita_with_thick_limbs(krita: Host, image: torch.Tensor, photo: Image, front: Front) -> None:
    large = image.repeat_interleave(5, 1).repeat_interleave(5, 2)  # limbs grow from 500 pixels on
    photo = np.repeat(np.repeat(photo, 5, 0), 5, 1)
    maps, _ = krita.run("DWPreprocessor", image=large, scale_stick_for_xinsr_cn="enable").values
    query: dict[str, str | int] = {"resolution": 512, "legacy_resize": "comfyui", "style": "xinsir", "format": "png"}
    expected = read_png(httpx2.post(f"{front.url}/pose", params=query, content=write_png(photo)).content)
    np.testing.assert_array_equal(levels(maps), expected[None])
    assert not torch.equal(krita.run("DWPreprocessor", image=large).values[0], maps)


def test_krita_without_parts(krita: Host, image: torch.Tensor) -> None:
    switches = dict.fromkeys(("detect_hand", "detect_body", "detect_face"), "disable")
    with pytest.raises(ValueError, match="at least one of detect_hand, detect_body, detect_face"):
        krita.run("DWPreprocessor", image=image, **switches)


def test_the_cache_of_the_stand_in_knows_the_networks(krita: Host, front: Front) -> None:
    digest = httpx2.get(f"{front.url}/version").json()["models"]["figure"]
    assert digest in krita.fingerprint("DWPreprocessor", resolution=512)
