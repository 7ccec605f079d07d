"""From the bytes of a photo to an answer, and from a pose document to a map: all the work of a request.

What needs networks is told as steps, see `pose_core.steps`: the server takes them in threads and lets requests share
network runs, the command line takes one after the other.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from app.answer import Answer
from app.images import decode_image
from app.models import ModelStore
from app.parameters import MAX_SIDE_PX, CanvasParameters, ConvertParameters, PoseParameters, RenderParameters
from app.png import encode_png
from app.settings import Settings
from pose_core.dialects import DIALECTS, read_scene
from pose_core.errors import InvalidInput
from pose_core.geometry import place
from pose_core.legacy import LEGACY_RESIZES
from pose_core.openpose import (
    DEFAULT_THRESHOLD,
    OpenPosePerson,
    OpenPoseScene,
    keep_parts,
    openpose_people,
    place_people,
)
from pose_core.renderers import render_map, render_svg
from pose_core.steps import Steps, run_steps
from pose_core.styles import STYLES, Shape
from pose_core.timing import Timer
from pose_core.types import Image, Size, SkeletonMap


@dataclass(frozen=True, slots=True)
class PoseService:
    """Answers requests with the networks of a store.

    Attributes:
        models: the networks.
        settings: of the server.
        seen: told the pixels of every photo and how many people were found there.
    """

    models: ModelStore
    settings: Settings
    seen: Callable[[int, int], None] = lambda _pixels, _people: None

    def answer(self, data: bytes, parameters: PoseParameters, timer: Timer) -> Answer:
        """Decode a photo and estimate everybody in it.

        Raises:
            PoseError: see `decode_image`, `ModelStore.pipeline` and `Pipeline.estimate_poses`.
        """
        return run_steps(self.steps(data, parameters, timer), timer)

    def steps(self, data: bytes, parameters: PoseParameters, timer: Timer) -> Steps[Answer]:
        """The same, told as steps."""
        with timer("decode"):
            photo = decode_image(data, self.settings.image_limits)
        return (yield from self.photo_steps(photo, parameters, timer))

    def photo_steps(self, photo: Image, parameters: PoseParameters, timer: Timer) -> Steps[Answer]:
        """Estimate everybody in a decoded photo."""
        canvas = self._canvas(parameters, Size.of(photo))
        finish = None
        if parameters.legacy_resize and parameters.resolution:
            legacy, resolution, original = LEGACY_RESIZES[parameters.legacy_resize], parameters.resolution, photo
            photo = legacy.before(photo, resolution)
            canvas = Size.of(photo)
            finish = lambda drawn: legacy.after(drawn, original, resolution)  # noqa: E731 - closes over this request
        pipeline = self.models.pipeline(parameters.estimator, parameters.detector)
        people_request = parameters.people_request(self.settings.max_people)
        estimate = yield from pipeline.steps(photo, people_request, timer)
        self.seen(photo.shape[0] * photo.shape[1], len(estimate.poses))
        placement = place(Size.of(photo), canvas, parameters.fit)
        people = openpose_people(estimate.keypoints, [pose.box for pose in estimate.poses])
        shown = [keep_parts(person, parameters.parts) for person in people]
        return Answer(
            photo=photo,
            poses=estimate.poses,
            scene=place_people(shown, placement, canvas),
            placement=placement,
            threshold=_threshold(parameters, pipeline.estimator.threshold),
            style=parameters.style,
            dialect=parameters.dialect,
            include_map="map" in parameters.include,
            finish=finish,
            estimator=pipeline.estimator.name,
            detector="" if parameters.boxes else pipeline.detector.name,
            provider=pipeline.estimator.provider,
            warnings=estimate.warnings,
            timer=timer,
        )

    def render(self, document: object, parameters: RenderParameters) -> bytes:
        """Draw a pose document: PNG or SVG.

        Raises:
            InvalidPoseData: the document cannot be read.
        """
        if parameters.format == "svg":
            scene = self._scene(document, parameters)
            return render_svg(_shapes(scene, parameters), scene.size).encode()
        return encode_png(self.draw(document, parameters))

    def draw(self, document: object, parameters: RenderParameters) -> SkeletonMap:
        """Draw a pose document.

        Raises:
            InvalidPoseData: the document cannot be read.
        """
        scene = self._scene(document, parameters)
        return render_map(_shapes(scene, parameters), scene.size)

    def convert(self, document: object, parameters: ConvertParameters) -> Mapping[str, object] | list[object]:
        """Write a pose document in another dialect, in the pixels of the asked-for canvas.

        Raises:
            InvalidPoseData: the document cannot be read.
        """
        scene = self._scene(document, parameters)
        return DIALECTS[parameters.dialect].write(scene, _threshold(parameters, DEFAULT_THRESHOLD))

    def _scene(self, document: object, parameters: RenderParameters) -> OpenPoseScene:
        scene = read_scene(document, dialect=parameters.source_dialect, size=parameters.canvas, frame=parameters.frame)
        canvas = self._canvas(parameters, scene.size)
        shown: list[OpenPosePerson] = [keep_parts(person, parameters.parts) for person in scene.people]
        return place_people(shown, place(scene.size, canvas, parameters.fit), canvas, scene.animals)

    def _canvas(self, parameters: CanvasParameters, photo: Size) -> Size:
        canvas = parameters.canvas_size(photo)
        most_px, longest_px = self.settings.max_canvas_pixels, max(MAX_SIDE_PX, self.settings.max_side_px)
        if canvas.width * canvas.height > most_px:
            limit = f"{most_px} are allowed"
        elif max(canvas.width, canvas.height) > longest_px:
            limit = f"{longest_px} per side are allowed"
        else:
            return canvas
        field = next((name for name in ("resolution", "width", "height") if getattr(parameters, name)), "canvas")
        size = f"{canvas.width}x{canvas.height}"
        raise InvalidInput(
            f"the map would be {size} pixels; at most {limit}, ask for a smaller resolution", field=field
        )


def _shapes(scene: OpenPoseScene, parameters: RenderParameters) -> Iterator[Shape]:
    return STYLES[parameters.style](scene, _threshold(parameters, DEFAULT_THRESHOLD))


def _threshold(parameters: CanvasParameters, default: float) -> float:
    return default if parameters.keypoint_threshold is None else parameters.keypoint_threshold
