"""A file of poses, in whatever dialect, into ComfyUI."""

import hashlib
from pathlib import Path

import folder_paths

from ..documents import convert, parse, side, split, to_text
from ..node import Input, Node, Output, Result

_OUTPUT = " [output]"
"""How ComfyUI marks a file that lies in its output folder."""


def files() -> list[str]:
    """JSON files in ComfyUI's input folder and the folders in it, then those in its output folder, each in order."""
    found = [(folder_paths.get_input_directory(), ""), (folder_paths.get_output_directory(), _OUTPUT)]
    return [
        path.relative_to(folder).as_posix() + mark
        for folder, mark in found
        for path in sorted(Path(folder).rglob("*.json"))
    ]


def inputs() -> tuple[Input, ...]:
    """With the files that are there now."""
    return (
        Input("file", "COMBO", "in ComfyUI's input or output folder", widget={"options": files()}),
        side("canvas_width", "width in pixels that the coordinates refer to, where the file is silent"),
        side("canvas_height", "height, likewise"),
    )


def read(file: str) -> bytes:
    """A file that is offered, and no other one.

    Raises:
        ValueError: it is not offered.
    """
    if file not in files():
        raise ValueError(f"file: no {file!r} in ComfyUI's input or output folder")
    return Path(folder_paths.get_annotated_filepath(file)).read_bytes()


def run(*, file: str, canvas_width: int, canvas_height: int) -> Result:
    """Read a document.

    Args:
        file: one of `files()`.
        canvas_width: in pixels, 0 where the document says it.
        canvas_height: likewise.

    Raises:
        ServerError: the first frame that got no answer, or that no dialect fits.
        ValueError: the file or settings cannot be used.
    """
    frames = split(parse(read(file), file), file)
    canvas = {"canvas_width": canvas_width or None, "canvas_height": canvas_height or None}
    return Result((convert(frames, {"dialect": "comfy", **canvas}), to_text(frames)))


def fingerprint(*, file: str, **_: object) -> str:
    """The content of the file."""
    return hashlib.sha256(read(file)).hexdigest()


NODE = Node(
    title="Load Pose JSON",
    description="Reads a pose document of any dialect: ComfyUI's, the WebUI's, OpenPose's, an editor's or our own.",
    inputs=inputs,
    outputs=(
        Output("pose", "POSE_KEYPOINT", "full-length lists, shown points score 1: what all nodes can read"),
        Output("json", "STRING", "the document as it is"),
    ),
    run=run,
    fingerprint=fingerprint,
)
