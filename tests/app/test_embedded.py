"""The first command of a new user: no network, no downloads, a photo posted, a right skeleton back."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx2
import numpy as np
import pytest
from skimage.data import astronaut

from pose_core.types import Image
from pose_core.weights import DEFAULT_DETECTOR, DEFAULT_ESTIMATOR
from tests.app.scenery import read_png, write_png
from tests.server_process import PROGRAM, Server, serving

CUT_OFF = """
import sys

LOCAL = ("127.0.0.1", "localhost", "::1", None, "")

def refuse(event, arguments):
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if host not in LOCAL:
        print(f"reached for {host}", file=sys.stderr, flush=True)
        raise OSError(f"the network is cut off: {host}")

sys.addaudithook(refuse)
"""
"""A process that begins like this reaches nothing but this machine through Python's sockets."""

NOSE, LEFT_EYE, RIGHT_EYE, LEFT_SHOULDER, RIGHT_SHOULDER = 0, 1, 2, 5, 6
JOINTS = {
    NOSE: ((224, 122), 14),
    LEFT_EYE: ((248, 103), 14),
    RIGHT_EYE: ((202, 101), 14),
    LEFT_SHOULDER: ((312, 260), 50),
    RIGHT_SHOULDER: ((103, 247), 50),
}
"""Point -> where it is in the photo, measured by eye, and how far away it may be found, in pixels of 512. A suit hides
where exactly the shoulders are: these are halfway between what the eye and what MediaPipe says."""

EYE_DISTANCE_PX = 75.0
"""Between the outer corners of the eyes."""

FACE = {"chin": ((222, 180), 8), "left corner of the mouth": ((243, 146), 54), "right one": ((205, 144), 48)}
"""Name -> where it is, and which of the 68 points of the face it is."""


@pytest.fixture(scope="module")
def photo() -> Image:
    """Eileen Collins in 1992, 512 x 512 pixels; a photo of NASA in the public domain."""
    image: Image = astronaut()
    return image


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with its defaults, cut off from the network."""
    with serving(program=CUT_OFF + PROGRAM) as running:
        yield running


@pytest.fixture(scope="module")
def answer(server: Server, photo: Image) -> dict[str, Any]:
    """What it says about the photo."""
    reply = httpx2.post(f"{server.url}/pose", files={"image": ("photo.png", write_png(photo))}, timeout=30)
    assert reply.status_code == 200
    said: dict[str, Any] = reply.json()
    return said


def test_the_cut_is_one() -> None:
    """A process that tries to reach anybody is stopped."""
    program = CUT_OFF + "import socket; socket.create_connection(('192.0.2.1', 80))"
    tried = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30)
    assert tried.returncode
    assert "reached for 192.0.2.1" in tried.stderr


def test_nobody_was_reached_for(answer: dict[str, Any], server: Server) -> None:
    assert answer["estimator"] == DEFAULT_ESTIMATOR
    assert answer["detector"] == DEFAULT_DETECTOR
    assert "reached for" not in server.said()


def test_one_person_is_seen(answer: dict[str, Any]) -> None:
    (person,) = answer["people"]
    left, top, right, bottom = person["box"][:4]
    assert left < 120
    assert top < 60
    assert right > 300
    assert bottom > 420


def test_joints_are_where_they_are(answer: dict[str, Any]) -> None:
    points = np.array(answer["people"][0]["keypoints"])
    for joint, (place, reach) in JOINTS.items():
        x, y, score = points[joint]
        assert np.hypot(x - place[0], y - place[1]) <= reach, joint
        assert score > 0.3, joint


def test_the_face_is_on_the_face(answer: dict[str, Any]) -> None:
    points = np.array(answer["people"][0]["keypoints"])[23:91]
    errors = [np.hypot(*(points[index, :2] - place)) for place, index in FACE.values()]
    assert np.mean(errors) / EYE_DISTANCE_PX <= 0.15
    right_ear, chin, left_ear = points[[0, 8, 16], :2]
    assert right_ear[0] < chin[0] < left_ear[0]
    assert chin[1] == points[:, 1].max()


def test_legs_that_nobody_sees_get_low_scores(answer: dict[str, Any]) -> None:
    scores = np.array(answer["people"][0]["keypoints"])[:, 2]
    assert scores[13:23].max() < 0.3


def test_the_map_shows_the_person(server: Server, photo: Image) -> None:
    reply = httpx2.post(f"{server.url}/pose?format=png", files={"image": write_png(photo)}, timeout=30)
    drawn = read_png(reply.content)
    assert drawn.shape == photo.shape
    assert drawn[90:130, 190:260].any()
    assert not drawn[:90, 330:].any()
