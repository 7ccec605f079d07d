"""Two people, and the maps of them that `tests/pose_core/test_renderers.py` compares with.

`python -m tests.golden.skeleton_maps` draws them anew.
"""

from pathlib import Path

import cv2
import numpy as np

from pose_core.openpose import OpenPoseScene, openpose_people
from pose_core.renderers import render_map
from pose_core.styles import STYLES
from pose_core.types import PeopleKeypoints, Size

FOLDER = Path(__file__).parent
SIZE = Size(384, 512)
"""Large enough for the thicker limbs of the style `xinsir`."""

THRESHOLD = 0.3

# fmt: off
BODY = (
    (0, -100), (5, -105), (-5, -105), (11, -102), (-11, -102),           # nose, eyes, ears
    (24, -75), (-24, -75), (38, -42), (-40, -44), (46, -10), (-58, -20), # shoulders, elbows, wrists
    (14, 0), (-14, 0), (18, 48), (-20, 50), (20, 98), (-28, 100),        # hips, knees, ankles
)
FEET = ((30, 108), (25, 111), (18, 105), (-38, 110), (-33, 113), (-26, 107))
# fmt: on


def figure(x: float, y: float, size: float, turn: float = 0.0) -> np.ndarray:
    """A standing person around (x, y), facing us, `size` times 220 pixels high; all points score 0.9."""
    angles = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    face = np.stack([9 * np.cos(angles), 12 * np.sin(angles) - 98], axis=-1)
    hands = [np.array(BODY[wrist]) + _fan(side) for wrist, side in ((9, 1), (10, -1))]
    points = np.concatenate([BODY, FEET, face, *hands])
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    placed = points @ rotation.T * size + [x, y]
    return np.concatenate([placed, np.full((133, 1), 0.9)], axis=-1).astype(np.float32)


def _fan(side: int) -> np.ndarray:
    """A hand that hangs down: the wrist and four joints along each of five fingers."""
    angles = np.repeat(np.linspace(-0.9, 0.9, 5), 4)
    lengths = np.tile([5.0, 8.0, 11.0, 13.0], 5)
    fingers = np.stack([side * lengths * np.sin(angles), lengths * np.cos(angles)], axis=-1)
    return np.concatenate([[(0.0, 0.0)], fingers])


def people() -> PeopleKeypoints:
    """One person partly outside the canvas, and a smaller one in front with a hidden arm."""
    both = np.stack([figure(140.6, 257.2, 2.2), figure(241.0, 300.5, 1.6, turn=0.4)])
    both[1, [7, 9], 2] = 0.1
    return both


def scene() -> OpenPoseScene:
    """The same people in OpenPose's layout, feet included."""
    return OpenPoseScene(SIZE, openpose_people(people()))


def main() -> None:
    """Draw every style's map."""
    for name, style in STYLES.items():
        rgb = render_map(style(scene(), THRESHOLD), SIZE).rgb
        cv2.imwrite(str(FOLDER / f"{name}.png"), rgb[..., ::-1])


if __name__ == "__main__":
    main()
