"""Everything known about one photo, ready to be written in any format."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.png import encode_png
from pose_core.geometry import Placement, photo_on_canvas
from pose_core.openpose import OpenPoseScene
from pose_core.renderers import render_map, render_overlay, render_svg
from pose_core.styles import STYLES, Shape
from pose_core.timing import Timer
from pose_core.types import Image, Pose, Size, SkeletonMap


@dataclass(frozen=True, slots=True)
class Answer:
    """One photo's poses and how they were asked to be handed out.

    Attributes:
        photo: the upright photo that box and keypoint coordinates refer to.
        poses: everybody, in order.
        scene: the same people on the canvas of the map, without the parts nobody asked for.
        placement: from photo to canvas.
        threshold: score from which a point shows in maps and documents.
        style: how the map is drawn.
        dialect: of the pose document.
        include_map: whether JSON carries the map.
        finish: what is done to a drawn RGB map before it is handed out; None for nothing.
        estimator: name of the estimator.
        detector: name of the detector, empty where the caller gave the boxes.
        provider: onnxruntime's name of what computed the keypoints.
        warnings: what the caller should know.
        timer: how long it took so far.
    """

    photo: Image
    poses: tuple[Pose, ...]
    scene: OpenPoseScene
    placement: Placement
    threshold: float
    style: str
    dialect: str
    include_map: bool
    finish: Callable[[Image], Image] | None
    estimator: str
    detector: str
    provider: str
    warnings: tuple[str, ...]
    timer: Timer

    @property
    def photo_size(self) -> Size:
        """Size of the photo."""
        return Size.of(self.photo)

    def shapes(self) -> Iterator[Shape]:
        """The skeletons in the chosen style."""
        return STYLES[self.style](self.scene, self.threshold)

    def map_png(self) -> bytes:
        """The map as a PNG: a palette one unless a legacy resize mixed colours."""
        drawn = self._draw()
        with self.timer("encode"):
            return encode_png(self.finish(drawn.rgb) if self.finish else drawn)

    def map_rgb_png(self) -> bytes:
        """The map as a 24-bit PNG, for clients that take the numbers in a PNG for colours without looking."""
        drawn = self._draw()
        with self.timer("encode"):
            return encode_png(self.finish(drawn.rgb) if self.finish else drawn.rgb)

    def _draw(self) -> SkeletonMap:
        with self.timer("draw"):
            return render_map(self.shapes(), self.scene.size)

    def map_data_url(self) -> str:
        """The map as a data URL."""
        return "data:image/png;base64," + base64.b64encode(self.map_png()).decode()

    def overlay_png(self) -> bytes:
        """The skeletons on the photo, at the size of the map."""
        with self.timer("draw"):
            canvas = photo_on_canvas(self.photo, self.placement, self.scene.size)
            drawn = render_overlay(self.shapes(), canvas)
        with self.timer("encode"):
            return encode_png(drawn)

    def svg(self) -> str:
        """The map as a vector graphic."""
        with self.timer("draw"):
            return render_svg(self.shapes(), self.scene.size)
