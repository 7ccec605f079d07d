"""Make docs/images/contact_sheet.png: six pictures of what Skelmap does.

The photo is scikit-image's astronaut (NASA, public domain); the other people are computed here. Any estimator and
detector will do:

    python docs/contact_sheet.py --estimator skelmap-t --detector skelmap-det
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float64
from skimage import data

from app.png import encode_png
from pose_core.detectors import load_detector
from pose_core.estimators import load_estimator
from pose_core.openpose import OpenPosePerson, OpenPoseScene, keep_parts, openpose_people
from pose_core.pipeline import PeopleRequest, Pipeline
from pose_core.renderers import render_map, render_overlay
from pose_core.skeleton import FACE, FEET, KEYPOINT_COUNT, LEFT_HAND, RIGHT_HAND
from pose_core.styles import STYLES
from pose_core.timing import Timer
from pose_core.types import Image, Size

PANEL = Size(512, 512)
THRESHOLD = 0.3
SHEET = Path(__file__).parent / "images" / "contact_sheet.png"

BODY = [
    *((256, 96), (266, 86), (246, 86), (280, 92), (232, 92)),  # nose, eyes, ears
    *((306, 160), (206, 160), (356, 206), (150, 140), (386, 150), (130, 74)),  # shoulders, elbows, wrists
    *((288, 296), (224, 296), (304, 380), (212, 384), (310, 462), (196, 466)),  # hips, knees, ankles
]
FEET_POINTS = [(330, 486), (342, 480), (304, 478), (176, 490), (166, 482), (202, 482)]


def hand(wrist: tuple[float, float], towards_deg: float, *, mirrored: bool) -> Float64[np.ndarray, "21 2"]:
    """A spread hand that points in a direction, thumb on the inner side."""
    points = [wrist]
    for finger, (spread_deg, length) in enumerate([(-58, 30), (-24, 46), (-6, 50), (12, 46), (30, 38)]):
        angle = np.deg2rad(towards_deg + (-spread_deg if mirrored else spread_deg))
        start = 14 if finger == 0 else 22
        for joint in range(4):
            reach = start + (length - start) * joint / 3
            points.append((wrist[0] + reach * np.cos(angle), wrist[1] + reach * np.sin(angle)))
    return np.array(points)


def arc(
    center: tuple[float, float], radii: tuple[float, float], start_deg: float, stop_deg: float, count: int
) -> list[tuple[float, float]]:
    """Points along an ellipse."""
    angles = np.deg2rad(np.linspace(start_deg, stop_deg, count))
    return [(center[0] + radii[0] * np.cos(a), center[1] + radii[1] * np.sin(a)) for a in angles]


def face(x: float, y: float) -> Float64[np.ndarray, "68 2"]:
    """A face that looks at us, in the order of the 68 points."""
    return np.array(
        [
            *arc((x, y - 4), (30, 40), 180, 0, 17),  # jaw
            *arc((x - 13, y - 14), (9, 4), 190, 350, 5),
            *arc((x + 13, y - 14), (9, 4), 190, 350, 5),  # brows
            *((x, y - 8 + 4 * step) for step in range(4)),
            *arc((x, y + 6), (7, 3), 180, 0, 5),  # nose
            *arc((x - 12, y - 8), (6, 3), 180, 480, 6),
            *arc((x + 12, y - 8), (6, 3), 180, 480, 6),  # eyes
            *arc((x, y + 20), (12, 5), 180, 510, 12),
            *arc((x, y + 20), (8, 2), 180, 495, 8),  # lips
        ]
    )


def dancer() -> OpenPosePerson:
    """A computed person with everything: body, feet, face and hands."""
    keypoints = np.zeros((1, KEYPOINT_COUNT, 3))
    keypoints[..., 2] = 1
    keypoints[0, :17, :2] = BODY
    keypoints[0, FEET, :2] = FEET_POINTS
    keypoints[0, FACE, :2] = face(256, 94)
    keypoints[0, LEFT_HAND, :2] = hand((386, 150), -60, mirrored=False)
    keypoints[0, RIGHT_HAND, :2] = hand((130, 74), -110, mirrored=True)
    return openpose_people(keypoints)[0]


def drawn(person: OpenPosePerson, style: str) -> Image:
    """The map of one person."""
    return render_map(STYLES[style](OpenPoseScene(PANEL, (person,)), THRESHOLD), PANEL).rgb


def main() -> None:
    """Draw all panels and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--estimator", required=True)
    parser.add_argument("--detector", required=True)
    options = parser.parse_args()
    photo = np.ascontiguousarray(data.astronaut())
    pipeline = Pipeline(load_detector(options.detector), load_estimator(options.estimator))
    estimate = pipeline.estimate_poses(photo, PeopleRequest(), Timer())
    scene = OpenPoseScene(Size.of(photo), openpose_people(estimate.keypoints))
    shapes = list(STYLES["controlnet"](scene, THRESHOLD))
    person = dancer()
    panels = [
        ("photo", photo),
        ("format=overlay", render_overlay(shapes, photo)),
        ("style=controlnet", render_map(shapes, scene.size).rgb),
        ("body, hands, face", drawn(keep_parts(person, ("body", "hands", "face")), "controlnet")),
        ("and feet", drawn(person, "controlnet")),
        ("style=xinsir", drawn(keep_parts(person, ("body", "hands", "face")), "xinsir")),
    ]
    labelled = [label(cv2.resize(picture, (PANEL.width, PANEL.height)), text) for text, picture in panels]
    rows = [np.hstack(labelled[:3]), np.hstack(labelled[3:])]
    sheet = cv2.resize(np.vstack(rows), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    SHEET.write_bytes(encode_png(sheet))


def label(picture: Image, text: str) -> Image:
    """The picture with its name in the lower left corner."""
    named = picture.copy()
    cv2.putText(named, text, (14, 498), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2, cv2.LINE_AA)
    return named


if __name__ == "__main__":
    main()
