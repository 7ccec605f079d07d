"""A package called mediapipe that knows one person, and a Python that finds it: for tests of everything around it."""

import sys
from pathlib import Path

PACKAGE = '''
from types import SimpleNamespace as Record

__version__ = "0"


def line(count, x):
    """Landmarks in a zigzag from the top to the bottom of the picture."""
    return Record(landmark=[Record(x=x + i % 2 / 5, y=i / (count - 1), visibility=0.75) for i in range(count)])


class Holistic:
    """Sees a person in whatever is not black, a left hand where the first pixel is bright, never a face."""

    def __init__(self, **options):
        assert options["static_image_mode"]
        self.sure = options["min_detection_confidence"] < 0.5

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def process(self, picture):
        seen = line(33, 0.5) if self.sure and picture.any() else None
        hand = line(21, 0.25) if picture[0, 0, 0] > 128 else None
        return Record(pose_landmarks=seen, face_landmarks=None, left_hand_landmarks=hand, right_hand_landmarks=None)


solutions = Record(holistic=Record(Holistic=Holistic))
'''


def write_python(folder: Path) -> Path:
    """An interpreter whose mediapipe is that package."""
    package = folder / "packages" / "mediapipe"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(PACKAGE)
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={package.parent} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return python
