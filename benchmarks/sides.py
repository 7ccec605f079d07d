"""The two programs that are compared, and how a request to each of them is timed.

Ours is `app.service` from the bytes of the photo to the PNG of the map, without HTTP. The other is rtmlib, used as its
documentation does: `cv2.imdecode`, `Wholebody(to_openpose=True)`, `draw_skeleton(openpose_skeleton=True)` on black,
`cv2.imencode` with OpenCV's defaults. Both run the same two ONNX files in the same onnxruntime, each with the session
options it sets itself.

rtmlib expects a detector that knows nothing but people, and takes whatever scores 0.7 in any class for one. Its
detector therefore computes the same 80 classes as ours, and then is given rows of a single class: less work for it
than the network's own answer would be.
"""

import argparse
import contextlib
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, Protocol, cast

import cv2
import numpy as np
from jaxtyping import Float

from app.models import ModelStore
from app.parameters import PoseParameters
from app.service import PoseService
from app.settings import Settings
from benchmarks.workload import (
    CODEC,
    CROP_SIZE,
    PHOTO_SIZE,
    Arrays,
    Injected,
    Networks,
    chosen_networks,
    conditions,
    detector_rows,
    export_networks,
    person_boxes,
    photo_jpeg,
    simcc_logits,
)
from pose_core.detectors import DEFAULT_THRESHOLD, Detector, DetectorSpec, yolox
from pose_core.estimators import Estimator, EstimatorSpec
from pose_core.estimators.top_down import estimate
from pose_core.pipeline import Pipeline
from pose_core.session import Device, open_session
from pose_core.timing import Timer
from pose_core.types import Size

STAGES: Final = {
    "decode": "JPEG to pixels",
    "letterbox": "letterbox, to float planes",
    "detector": "detector network",
    "nms": "boxes: decode, NMS",
    "crop": "crops, normalised",
    "pose": "pose network",
    "decode_pose": "SimCC to keypoints",
    "draw": "draw the map",
    "encode": "PNG encode",
    "rest": "everything else",
}
"""Stages of a request in their order, and how a table calls them."""

NETWORKS: Final = ("detector", "pose")
OUTSIDE: Final = "outside the networks"
TOTAL: Final = "whole request"

COOL_DOWN_S: Final = 0.05
"""Pause after a request: rtmlib leaves onnxruntime's threads spinning for a while, which would slow the next one."""

Seconds = dict[str, float]


@dataclass(frozen=True, slots=True)
class Result:
    """What a request took and found.

    Attributes:
        seconds: per stage, plus `OUTSIDE` and `TOTAL`.
        points: x and y of everybody's face and hands in photo pixels.
    """

    seconds: Seconds
    points: Float[np.ndarray, "people 110 2"]


class Side(Protocol):
    """A program that answers requests."""

    name: str

    def request(self, people: int) -> Result:
        """JPEG in, map PNG out, with this many people in the photo."""


@dataclass(frozen=True, slots=True)
class FixedModels:
    """Stands for `app.models.ModelStore`: the same two networks for everybody."""

    networks: Pipeline

    def pipeline(self, estimator: str | None, detector: str | None) -> Pipeline:
        """The two networks."""
        assert estimator is None
        assert detector is None
        return self.networks


class Ours:
    """This project."""

    name = "ours"

    def __init__(self, files: tuple[Path, Path], networks: Networks, device: Device) -> None:
        sessions = [open_session(path, device) for path in files]
        self._detector, self._pose = (Injected(session.runtime) for session in sessions)
        finder, looker = (
            replace(session, runtime=runtime)
            for session, runtime in zip(sessions, (self._detector, self._pose), strict=True)
        )
        detect = partial(yolox.detect, finder, DetectorSpec(input_size=networks.detector_size))
        spec = EstimatorSpec(input_size=CROP_SIZE, codec=CODEC)
        pipeline = Pipeline(
            Detector(networks.detector, DEFAULT_THRESHOLD, finder.provider, finder.sha256, detect, finder),
            Estimator(
                networks.estimator,
                spec.threshold,
                looker.sha256,
                partial(estimate, looker, spec),
                looker,
            ),
        )
        self._parameters = PoseParameters()
        self._service = PoseService(cast("ModelStore", FixedModels(pipeline)), Settings())
        self._detector_size = networks.detector_size
        self._jpeg = photo_jpeg()

    def request(self, people: int) -> Result:
        """See `Side`."""
        timer = Timer()
        rows, logits = _answers(people, self._detector_size, classes=80)
        self._detector.start(rows)
        self._pose.start(logits)
        start = time.perf_counter()
        answer = self._service.answer(self._jpeg, self._parameters, timer)
        png = answer.map_png()
        elapsed = time.perf_counter() - start
        assert png.startswith(b"\x89PNG")
        points = np.stack([pose.keypoints[23:, :2] for pose in answer.poses])
        return Result(_account(timer.seconds, self._detector, self._pose, elapsed), points)


class Rtmlib:
    """The other program."""

    name = "rtmlib"

    def __init__(self, files: tuple[Path, Path], networks: Networks, device: Device) -> None:
        import rtmlib  # noqa: PLC0415 - not among the project's dependencies; `make bench` installs it

        detector, estimator = files
        with contextlib.redirect_stdout(sys.stderr):
            self._body = rtmlib.Wholebody(
                det=str(detector),
                det_input_size=(networks.detector_px, networks.detector_px),
                pose=str(estimator),
                pose_input_size=(CROP_SIZE.width, CROP_SIZE.height),
                to_openpose=True,
                backend="onnxruntime",
                device="cpu" if device == "cpu" else "cuda",
            )
        self._draw = rtmlib.draw_skeleton
        self._timer = Timer()
        self._detector, self._pose = (_inject(tool) for tool in (self._body.det_model, self._body.pose_model))
        for tool, before, after in (
            (self._body.det_model, "letterbox", "nms"),
            (self._body.pose_model, "crop", "decode_pose"),
        ):
            for method, stage in (("preprocess", before), ("inference", before), ("postprocess", after)):
                setattr(tool, method, self._timed(stage, getattr(tool, method)))
        self._detector_size = networks.detector_size
        self._jpeg = photo_jpeg()

    def _timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: object, **options: object) -> object:
            with self._timer(stage):
                return function(*arguments, **options)

        return timed

    def request(self, people: int) -> Result:
        """See `Side`."""
        self._timer.seconds.clear()
        rows, logits = _answers(people, self._detector_size, classes=1)
        self._detector.start(rows)
        self._pose.start(logits)
        start = time.perf_counter()
        with self._timer("decode"):
            photo = cv2.imdecode(np.frombuffer(self._jpeg, np.uint8), cv2.IMREAD_COLOR)
        keypoints, scores = self._body(photo)
        with self._timer("draw"):
            black = np.zeros((PHOTO_SIZE.height, PHOTO_SIZE.width, 3), np.uint8)
            drawn = self._draw(black, keypoints, scores, openpose_skeleton=True, kpt_thr=DEFAULT_THRESHOLD)
        with self._timer("encode"):
            _, png = cv2.imencode(".png", drawn)
        elapsed = time.perf_counter() - start
        assert png[1:4].tobytes() == b"PNG"
        seconds = dict(self._timer.seconds)
        # both stages include rtmlib's `inference`, which makes the tensor and runs the network
        seconds["letterbox"] -= self._detector.network_s + self._detector.injection_s
        seconds["crop"] -= self._pose.network_s + self._pose.injection_s
        return Result(_account(seconds, self._detector, self._pose, elapsed), keypoints[:, 24:])


def _inject(tool: Any) -> Injected:  # noqa: ANN401 - rtmlib is not typed
    tool.session = Injected(tool.session)
    return cast("Injected", tool.session)


@cache
def _answers(people: int, detector_size: Size, classes: int) -> tuple[Arrays, Arrays]:
    """What the detector and the pose network are to find."""
    boxes = person_boxes(people)
    return (detector_rows(boxes, detector_size, classes),), simcc_logits(boxes)


def _account(timed: Seconds, detector: Injected, pose: Injected, elapsed: float) -> Seconds:
    """All stages, with the networks by their own clocks and without the time that injecting took."""
    seconds = {stage: timed.get(stage, 0.0) for stage in STAGES}
    seconds |= {"detector": detector.network_s, "pose": pose.network_s}
    total = elapsed - detector.injection_s - pose.injection_s
    seconds["rest"] = total - sum(seconds.values())
    return seconds | {OUTSIDE: total - detector.network_s - pose.network_s, TOTAL: total}


# Measuring


def open_sides(networks: Networks, folder: Path, device: Device) -> list[Side]:
    """Ours and rtmlib, with the same files."""
    files = export_networks(networks, folder)
    return [Ours(files, networks, device), Rtmlib(files, networks, device)]


Measured = dict[int, dict[str, list[Seconds]]]
"""By number of people and side: the seconds of each round."""


def measure(sides: Sequence[Side], counts: Sequence[int], rounds: int) -> Measured:
    """Request by request in turn, so that whatever else the machine does meets all sides alike; one warm-up round."""
    measured: Measured = {count: {side.name: [] for side in sides} for count in counts}
    for number in range(rounds + 1):
        for count in counts:
            results = {}
            for side in sides if number % 2 else reversed(sides):
                results[side.name] = side.request(count)
                time.sleep(COOL_DOWN_S)
            if number:
                for name, result in results.items():
                    measured[count][name].append(result.seconds)
            else:
                _check_same_work(list(results.values()), count)
        print(f"\rround {number} of {rounds}", end="" if number < rounds else "\n", file=sys.stderr, flush=True)
    return measured


def compare(options: argparse.Namespace, counts: Sequence[int], table: Callable[[Measured], Iterable[str]]) -> Measured:
    """Measure what the command line asks for, print conditions and table, keep every measurement if asked to."""
    networks = chosen_networks(options)
    measured = measure(open_sides(networks, options.cache, options.device), counts, options.rounds)
    described = conditions(networks, options.rounds)
    print("\n".join([*(f"{name}: {value}" for name, value in described.items()), "", *table(measured)]))
    if options.json:
        options.json.write_text(json.dumps({"conditions": described, "seconds": measured}, indent=1))
    return measured


def _check_same_work(results: Sequence[Result], count: int) -> None:
    """Everybody was found by all sides, at the same points."""
    for result in results:
        assert len(result.points) == count, f"{len(result.points)} people found instead of {count}"
        assert np.allclose(result.points, results[0].points, atol=0.01)


def fastest_ms(rounds: Sequence[Seconds], stage: str) -> float:
    """Time of a stage in the round where it was shortest, which other load on the machine hardly touches."""
    return 1e3 * min(seconds[stage] for seconds in rounds)


def median_ms(rounds: Sequence[Seconds], stage: str) -> float:
    """Median time of a stage in milliseconds."""
    return 1e3 * statistics.median(seconds[stage] for seconds in rounds)
