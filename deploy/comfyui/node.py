"""What a node is, told once: `v1` and `v3` put it into the words of an old and of a new ComfyUI."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Input:
    """A socket or a widget of a node.

    Attributes:
        name: the keyword under which `Node.run` gets it.
        type: ComfyUI's type: IMAGE, POSE_KEYPOINT, BOUNDING_BOX, or INT, FLOAT, BOOLEAN, STRING, COMBO for a widget.
        tooltip: what it means, its unit, its default.
        optional: whether the node runs without it.
        widget: `default`, `min`, `max`, `step`; `options` of a COMBO; `force_input`: a socket, also
            where the browser has a widget for the type.
    """

    name: str
    type: str
    tooltip: str
    optional: bool = False
    widget: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Output:
    """A socket that a node hands out: its name, ComfyUI's type, and what it holds."""

    name: str
    type: str
    tooltip: str


@dataclass(frozen=True, slots=True)
class Result:
    """What a run gives: one value per output, and what the browser and the history are told."""

    values: tuple[Any, ...]
    ui: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the pack.

    Attributes:
        title: its name in the menus.
        description: what it does, in a sentence or two.
        inputs: a function, because the files one can choose from change.
        outputs: in the order of `Result.values`.
        run: keywords named as the inputs -> Result.
        fingerprint: the same keywords, None where an input is a link -> what has to be equal for ComfyUI to take the
            result of an earlier run; None: the inputs alone decide.
        is_output: whether a workflow may end here.
    """

    title: str
    description: str
    inputs: Callable[[], tuple[Input, ...]]
    outputs: tuple[Output, ...]
    run: Callable[..., Result]
    fingerprint: Callable[..., str] | None = None
    is_output: bool = False


CATEGORY = "image/pose"
"""Where the nodes stand in ComfyUI's menus."""
