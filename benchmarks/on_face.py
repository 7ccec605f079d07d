"""Are eyes, nose and mouth on the face where a face is small? Whole people of a validation set, by source.

    python -m benchmarks.on_face FOLDER [--estimator skelmap-t] [--leave-out helen afw]

`FOLDER` holds `val.json` in the layout of COCO-WholeBody with `face_box` and `source`. A point is on the face if it
lies in that box; the mouth is the middle of its 20 points. In our data these boxes come from MediaPipe's faces.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import PIL.Image
from jaxtyping import Float

from pose_core.estimators import load_estimator
from pose_core.skeleton import FACE
from pose_core.timing import Timer
from pose_core.types import PersonBox
from pose_core.weights import DEFAULT_ESTIMATOR

MOUTH: Final = slice(FACE.start + 48, FACE.start + 68)
PARTS: Final[Mapping[str, slice]] = {
    "nose": slice(0, 1),
    "left eye": slice(1, 2),
    "right eye": slice(2, 3),
    "mouth": MOUTH,
}
"""Name -> points among the 133, whose middle is asked for."""


def on_face(keypoints: Float[np.ndarray, "133 3"], face_box: Sequence[float]) -> dict[str, bool]:
    """Whether each part lies in a box of left, top, width and height in pixels of the photo."""
    left, top, width, height = face_box
    middles = {part: keypoints[points, :2].mean(axis=0) for part, points in PARTS.items()}
    return {part: bool(left <= x <= left + width and top <= y <= top + height) for part, (x, y) in middles.items()}


def table(asked: Mapping[str, Sequence[Mapping[str, bool]]]) -> str:
    """A Markdown table: for each source the share of faces that each part lies on."""
    lines = [f"| source | faces | {' | '.join(PARTS)} |", "|---" + "|---:" * (1 + len(PARTS)) + "|"]
    for source, faces in sorted(asked.items()):
        shares = [f"{np.mean([face[part] for face in faces]):.3f}" for part in PARTS]
        lines.append(f"| {source} | {len(faces)} | {' | '.join(shares)} |")
    return "\n".join(lines)


def main() -> None:
    """Ask and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--estimator", default=DEFAULT_ESTIMATOR, help="a name, or the path of an ONNX file")
    parser.add_argument("--leave-out", nargs="*", default=["helen", "afw"], help="sources of close-ups")
    options = parser.parse_args()
    content: dict[str, list[dict[str, Any]]] = json.loads((options.folder / "val.json").read_text())
    files = {image["id"]: options.folder / image["file_name"] for image in content["images"]}
    estimator = load_estimator(options.estimator, "cpu")
    asked = defaultdict[str, list[dict[str, bool]]](list)
    for person in content["annotations"]:
        if not person["face_valid"] or person["source"] in options.leave_out:
            continue
        photo = np.array(PIL.Image.open(files[person["image_id"]]).convert("RGB"))
        left, top, width, height = person["bbox"]
        box = PersonBox(left, top, left + width, top + height)
        (keypoints,) = estimator.estimate(photo, [box], Timer())
        asked[person["source"]].append(on_face(keypoints, person["face_box"]))
    print(table(asked))


if __name__ == "__main__":
    main()
