"""Photo in, poses out: the whole story on one screen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pose_core.detectors import Detector, whole_image
from pose_core.errors import NoPersonFound
from pose_core.estimators import Estimator
from pose_core.steps import Steps, run_steps
from pose_core.timing import Timer
from pose_core.types import Image, PeopleKeypoints, PersonBox, Pose

Order = Literal["score", "area", "left_to_right"]
OnEmpty = Literal["blank", "full_frame", "error"]

ORDERS: dict[Order, Callable[[PersonBox], float]] = {
    "score": lambda box: -box.score,
    "area": lambda box: -box.area,
    "left_to_right": lambda box: box.left + box.right,
}
"""Sort key of each order: most certain, largest or leftmost person first; later people are drawn over earlier ones."""


@dataclass(frozen=True, slots=True)
class PeopleRequest:
    """Who is asked for.

    Attributes:
        boxes: the caller's own boxes; the detector is not asked then.
        threshold: score a detected box has to exceed; None takes the detector's own.
        order: which people come first.
        max_people: how many people at the most, the largest (order area) or else the most certain; None for all.
        on_empty: what to do when nobody is found: no poses, the whole image as one box, or an error.
    """

    boxes: Sequence[PersonBox] = ()
    threshold: float | None = None
    order: Order = "score"
    max_people: int | None = None
    on_empty: OnEmpty = "blank"


@dataclass(frozen=True, slots=True)
class Estimate:
    """The poses of a photo and what there is to say about them.

    Attributes:
        poses: everybody, in the order that was asked for.
        keypoints: the same people's keypoints in one array.
        warnings: who was left out, and why nobody was found.
    """

    poses: tuple[Pose, ...]
    keypoints: PeopleKeypoints
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A detector and an estimator, one after the other."""

    detector: Detector
    estimator: Estimator

    def estimate_poses(self, image: Image, request: PeopleRequest, timer: Timer) -> Estimate:
        """Everybody's keypoints in photo pixels.

        Raises:
            NoPersonFound: nobody was found and `request.on_empty` is error.
            ModelError: a network failed.
        """
        return run_steps(self.steps(image, request, timer), timer)

    def steps(self, image: Image, request: PeopleRequest, timer: Timer) -> Steps[Estimate]:
        """The same, told as steps."""
        boxes, warnings = yield from find_people(self.detector, image, request, timer)
        people = yield from self.estimator.steps(image, boxes, timer)
        poses = tuple(Pose(box, keypoints) for box, keypoints in zip(boxes, people, strict=True))
        return Estimate(poses, people, warnings)


def find_people(
    detector: Detector, image: Image, request: PeopleRequest, timer: Timer
) -> Steps[tuple[list[PersonBox], tuple[str, ...]]]:
    """The boxes to look at, in order, and warnings about people left out or not found.

    Raises:
        NoPersonFound: nobody was found and `request.on_empty` is error.
    """
    threshold = detector.threshold if request.threshold is None else request.threshold
    boxes = list(request.boxes) or (yield from detector.steps(image, threshold, timer))
    if not boxes:
        return _nobody(detector, image, request, threshold, timer)
    # sorting is stable: the caller's own boxes all score 1 and keep their order
    kept = sorted(boxes, key=ORDERS["area" if request.order == "area" else "score"])[: request.max_people]
    kept.sort(key=ORDERS[request.order])
    left_out = len(boxes) - len(kept)
    return kept, (f"max_people: {len(boxes)} people found, {left_out} left out",) if left_out else ()


def _nobody(
    detector: Detector, image: Image, request: PeopleRequest, threshold: float, timer: Timer
) -> tuple[list[PersonBox], tuple[str, ...]]:
    nobody = f"{detector.name} found nobody above person_threshold {threshold:g}"
    if request.on_empty == "error":
        raise NoPersonFound(nobody, field="image")
    if request.on_empty == "full_frame":
        return whole_image.detect(image, threshold, timer), (f"{nobody}; the whole image was taken for one person",)
    return [], (nobody,)
