"""Time of the two networks inside the package beside networks of the official sizes, on the same photo and person.

    python -m benchmarks.embedded [--rounds 15] [--threads 0] [--json FILE]

The official ones have random weights: what a network takes does not depend on what it has learnt. What is timed are the
runs of the networks alone, in turn, so that whatever else the machine does meets both alike; a person's box is given.
"""

import argparse
import io
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import PIL.Image

from benchmarks.workload import CACHE, CODEC, CROP_SIZE, OFFICIAL, export_networks, person_boxes, photo_jpeg
from pose_core.detectors import DetectorSpec, load_detector, yolox
from pose_core.estimators import EstimatorSpec, load_estimator
from pose_core.estimators.top_down import estimate
from pose_core.session import open_session
from pose_core.steps import Steps, run_steps
from pose_core.timing import Timer
from pose_core.types import Image
from pose_core.weights import DEFAULT_DETECTOR, DEFAULT_ESTIMATOR

THRESHOLD: Final = 0.3
STAGES: Final = ("detector", "pose")


@dataclass(frozen=True, slots=True)
class Side:
    """A detector and an estimator, each told as steps."""

    detect: Callable[..., Steps[object]]
    estimate: Callable[..., Steps[object]]

    def run(self, photo: Image) -> dict[str, float]:
        """Milliseconds of each network, one person in the photo."""
        timer = Timer()
        run_steps(self.detect(photo, THRESHOLD, timer), timer)
        run_steps(self.estimate(photo, person_boxes(1), timer), timer)
        return {stage: timer.seconds[stage] * 1e3 for stage in STAGES}


def official(folder: Path, threads: int) -> Side:
    """Random networks of the official sizes."""
    finder, poser = (open_session(path, "cpu", threads) for path in export_networks(OFFICIAL, folder))
    return Side(
        partial(yolox.detect, finder, DetectorSpec(input_size=OFFICIAL.detector_size)),
        partial(estimate, poser, EstimatorSpec(input_size=CROP_SIZE, codec=CODEC)),
    )


def embedded(threads: int) -> Side:
    """The networks inside the package."""
    detector, estimator = (
        load_detector(DEFAULT_DETECTOR, "cpu", threads),
        load_estimator(DEFAULT_ESTIMATOR, "cpu", threads),
    )
    return Side(detector.steps, estimator.steps)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="of which medians are taken (15)")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads of a network run, 0: one per core (0)")
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"where the networks are kept ({CACHE})")
    parser.add_argument("--json", type=Path, help="write every single measurement to this file")
    options = parser.parse_args()
    photo = np.array(PIL.Image.open(io.BytesIO(photo_jpeg())))
    sides = {"official": official(options.cache, options.threads), "embedded": embedded(options.threads)}
    rounds = [{name: side.run(photo) for name, side in sides.items()} for _ in range(options.rounds + 1)][1:]
    print(table(rounds))
    print(f"both embedded networks load in {loading_s(options.threads):.2f} s")
    if options.json:
        options.json.write_text(json.dumps(rounds, indent=1))


def loading_s(threads: int, attempts: int = 5) -> float:
    """Seconds until both networks are ready, a median; the files have been read before."""
    seconds = []
    for _ in range(attempts):
        start = time.perf_counter()
        embedded(threads)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def table(rounds: list[dict[str, dict[str, float]]]) -> str:
    """A Markdown table of medians, and how many times longer the official networks take."""
    lines = ["| network | official, ms | embedded, ms | ratio |", "|---|---:|---:|---:|"]
    for name, stages in {**{stage: (stage,) for stage in STAGES}, "both": STAGES}.items():
        theirs, ours = (
            statistics.median(sum(one[side][stage] for stage in stages) for one in rounds)
            for side in ("official", "embedded")
        )
        lines.append(f"| {name} | {theirs:.1f} | {ours:.2f} | {theirs / ours:.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
