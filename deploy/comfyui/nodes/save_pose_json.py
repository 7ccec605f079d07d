"""Poses into a file of ComfyUI's output folder; no server is needed."""

from pathlib import Path
from typing import Any

import folder_paths

from ..documents import SOURCES, frames_of, to_text
from ..node import Input, Node, Output, Result

INPUTS = (
    Input(
        "filename_prefix",
        "STRING",
        "name of the file in ComfyUI's output folder, may start with folders; a number is added",
        widget={"default": "pose"},
    ),
    *SOURCES,
)


def run(*, filename_prefix: str, pose: Any = None, json: str | None = None) -> Result:
    """Write a document as it is: a list for several frames, an object for one.

    Args:
        filename_prefix: with folders, if any.
        pose: a POSE_KEYPOINT; or
        json: a document as text.

    Raises:
        ValueError: nothing that could be written.
    """
    text = to_text(frames_of(pose, json))
    folder, name, counter, *_ = folder_paths.get_save_image_path(filename_prefix, folder_paths.get_output_directory())
    path = Path(folder, f"{name}_{counter:05}_.json")
    path.write_text(text, "utf-8")
    return Result((str(path),), {"text": [str(path)]})


NODE = Node(
    title="Save Pose JSON",
    description="Writes poses into a JSON file, in the dialect they are in; Convert Pose changes that.",
    inputs=lambda: INPUTS,
    outputs=(Output("path", "STRING", "the file"),),
    run=run,
    is_output=True,
)
