"""Photos in, everybody in them out: maps, poses, boxes and all that the server says."""

import json
from typing import Any

import torch

from ..documents import PART_SWITCHES, STYLE, THRESHOLD, at_least_zero, parts_of, side, to_text
from ..node import Input, Node, Output, Result
from ..photos import ON_ERROR, boxes_per_photo, estimate, models_fingerprint

INPUTS = (
    Input("image", "IMAGE", "one photo or a batch of them"),
    side("resolution", "shorter side of the maps in pixels, aspect ratio kept; 0: the photos' size"),
    STYLE,
    *PART_SWITCHES,
    THRESHOLD,
    Input(
        "person_threshold",
        "FLOAT",
        "score a detected person has to exceed; -1: the detector's own",
        widget={"default": -1.0, "min": -1.0, "max": 1.0, "step": 0.01},
    ),
    Input(
        "max_people",
        "INT",
        "keep that many people of each photo; 0: all",
        widget={"default": 0, "min": 0, "max": 1000, "step": 1},
    ),
    Input(
        "order",
        "COMBO",
        "who comes first, and is kept by max_people",
        widget={"options": ["score", "area", "left_to_right"], "default": "score"},
    ),
    Input("estimator", "STRING", "name of a network of the server; empty: its default", widget={"default": ""}),
    Input(
        "detector",
        "STRING",
        "name of a network of the server, or whole-image for one person per photo; empty: its default",
        widget={"default": ""},
    ),
    Input(
        "on_error",
        "COMBO",
        "where the server gives no answer: stop the workflow, go on with a black map, or with the photo",
        widget={"options": list(ON_ERROR), "default": "raise"},
    ),
    Input(
        "boxes",
        "BOUNDING_BOX",
        "people instead of those a detector finds: per photo a list of {x, y, width, height} in pixels; the last list "
        "counts for further photos, an empty one says that nobody is there",
        optional=True,
        widget={"force_input": True},
    ),
)


def run(
    *,
    image: torch.Tensor,
    resolution: int,
    style: str,
    person_threshold: float,
    keypoint_threshold: float,
    max_people: int,
    order: str,
    estimator: str,
    detector: str,
    on_error: str,
    boxes: Any = None,
    **switches: bool,
) -> Result:
    """Ask about every photo of a batch.

    Args:
        image: float32 (batch, height, width, channels), 0 to 1.
        resolution: shorter side of the maps in pixels, 0 for the photos' size.
        style: how the maps are drawn.
        person_threshold: score of people; negative for the server's default.
        keypoint_threshold: score of points; negative for the server's default.
        max_people: per photo, 0 for all.
        order: of the people.
        estimator: name, empty for the server's default.
        detector: likewise.
        on_error: raise, blank or original.
        boxes: see `boxes_per_photo`.
        switches: body, hands, face, feet.

    Raises:
        ServerError: the first photo that got no answer, with on_error raise.
        ValueError: inputs or settings that cannot be used.
    """
    parameters = {
        "resolution": resolution or None,
        "style": style,
        "parts": parts_of(switches),
        "person_threshold": at_least_zero(person_threshold),
        "keypoint_threshold": at_least_zero(keypoint_threshold),
        "max_people": max_people or None,
        "order": order,
        "estimator": estimator.strip() or None,
        "detector": detector.strip() or None,
    }
    found = estimate(image, parameters, boxes_per_photo(boxes, len(image)), on_error)
    poses = [one.frame for one in found]
    return Result(
        values=(
            torch.stack([one.map for one in found]),
            poses,
            [one.boxes for one in found],
            to_text([one.document for one in found]),
        ),
        ui={"openpose_json": [json.dumps(poses)]},
    )


def fingerprint(*, estimator: str | None = None, detector: str | None = None, **_: object) -> str:
    """What the server computes with: its answer may differ as soon as this does."""
    return models_fingerprint(estimator, detector)


NODE = Node(
    title="Remote Pose",
    description="Finds everybody in photos with a pose server: 133 keypoints each, and the map a ControlNet reads.",
    inputs=lambda: INPUTS,
    outputs=(
        Output("map", "IMAGE", "the skeletons on black"),
        Output("pose", "POSE_KEYPOINT", "one frame per photo, in pixels of the map"),
        Output("boxes", "BOUNDING_BOX", "per photo a list of {x, y, width, height, score} in pixels of the photo"),
        Output(
            "json", "STRING", "all 133 keypoints with raw scores, in pixels of the photo; a list for several photos"
        ),
    ),
    run=run,
    fingerprint=fingerprint,
)
