"""Small networks and batches, for tests of everything around them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from pose_core.codecs import Codec, Heatmap, Regression, SimCC
from pose_core.types import Size
from training.contracts import BatchSource, DetectionBatch, Method, PoseBatch
from training.distributed import World
from training.methods import METHODS
from training.models import hourglass
from training.models.distilpose import DistilPose
from training.models.hourglass import StackedHourglass
from training.models.rtmpose import RtmPose, Scale
from training.models.token_encoder import Encoding
from training.models.tokenpose import Scale as TokenScale
from training.models.tokenpose import TokenPose
from training.models.yolox import YoloX, build_yolox
from training.recipe import Data, MethodRecipe, Network, Optimisation, Recipe, Source
from training.run import Run, Settings

SIZE = Size(width=32, height=64)
SCENE_SIZE = Size(width=64, height=64)
SQUARE = Size(width=64, height=64)
POINTS = 3
SCENE_METHODS = ("yolox", "blockwise")
"""Methods that look at whole pictures."""

HEATMAP_METHODS = ("supervised-heatmaps", "fpd")
"""Methods whose networks answer heatmaps."""

POINT_METHODS = ("regression", "distilpose")
"""Methods whose networks answer points."""

TOKEN_SIZE = Size(width=48, height=64)
TOKEN_CELLS = (16, 12)
TOKEN_SCALE = TokenScale(stages=1, encoding=Encoding(width=16, layers=2, heads=2, keypoints=POINTS), stem=8)

MAPS = Heatmap(map_size=Size(16, 16), sigma=1.0)

SCALE, WIDE = Scale(deepen=0.1, widen=0.0625), Scale(deepen=0.1, widen=0.125)


def build_student(seed: int = 0, scale: Scale = SCALE) -> RtmPose:
    """A network of half a million parameters, nearly all of them in the head."""
    torch.manual_seed(seed)
    return RtmPose(scale, SIZE, POINTS)


def build_teacher(seed: int = 1, scale: Scale = WIDE) -> RtmPose:
    """A wider network whose weights keep the size of what passes through, so that its answers are worth copying."""
    teacher = build_student(seed, scale)
    with torch.no_grad():
        for tensor in teacher.parameters():
            if tensor.ndim > 1:
                tensor.normal_(std=(2 / tensor[0].numel()) ** 0.5)
    return teacher


def build_distilpose(seed: int = 0) -> DistilPose:
    """A network of points for crops of `TOKEN_SIZE`."""
    torch.manual_seed(seed)
    return DistilPose(TOKEN_SCALE, TOKEN_SIZE)


def build_tokenpose(seed: int = 1) -> TokenPose:
    """A network of maps for crops of `TOKEN_SIZE`, with tokens like those of `build_distilpose`."""
    torch.manual_seed(seed)
    return TokenPose(TOKEN_SCALE, TOKEN_SIZE)


def build_hourglass(seed: int = 0, stacks: int = 2, channels: int = 16) -> StackedHourglass:
    """A hourglass for crops of 64 x 64."""
    torch.manual_seed(seed)
    return hourglass.build_hourglass(stacks, channels, input_size=SQUARE, keypoints=POINTS)


def make_batch(samples: int = 4, seed: int = 0, size: Size = SIZE, codec: Codec = SimCC()) -> PoseBatch:  # noqa: B008 - it is frozen
    """Noise with labels; the first point of the first sample is unknown."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (samples, 3, size.height, size.width), generator=generator, dtype=torch.uint8)
    keypoint = torch.rand(samples, POINTS, 2, generator=generator) * torch.tensor([size.width, size.height])
    known = torch.ones(samples, POINTS, dtype=torch.bool)
    known[0, 0] = False
    return PoseBatch(
        image_B3HW=image,
        weight_BK=torch.from_numpy(codec.weigh(keypoint.numpy(), known.numpy(), size)),
        absent_BK=torch.zeros(samples, POINTS),
        keypoint_BK2=keypoint,
        id_B=torch.arange(samples) + 100 * seed,
        codec=codec,
    )


def make_points(samples: int = 4, seed: int = 0) -> PoseBatch:
    """The same of crops of 64 x 48 with fractions."""
    return make_batch(samples, seed, TOKEN_SIZE, Regression())


def make_maps(samples: int = 4, seed: int = 0) -> PoseBatch:
    """The same of crops of 64 x 64 with heatmaps."""
    return make_batch(samples, seed, SQUARE, MAPS)


def build_detector(seed: int = 0, classes: int = 1) -> YoloX:
    """A YOLOX-nano for pictures of 64 x 64."""
    torch.manual_seed(seed)
    return build_yolox("nano", classes=classes, input_size=SCENE_SIZE)


def make_scenes(samples: int = 4, seed: int = 0) -> DetectionBatch:
    """Noise with one white person in each picture, one who is unsure, and a region to ignore; the last has nobody."""
    generator = torch.Generator().manual_seed(seed)
    side = SCENE_SIZE.width
    image = torch.randint(0, 100, (samples, 3, side, side), generator=generator, dtype=torch.uint8)
    corner = torch.randint(0, 24, (samples, 1, 2), generator=generator)
    box = torch.cat([corner, corner + 36], dim=-1).float()
    for picture, (left, top, right, bottom) in zip(image, box[:, 0].int().tolist(), strict=True):
        picture[:, top:bottom, left:right] = 255
    weight = torch.ones(samples, 1)
    weight[1], weight[-1] = 0.5, 0.0
    region = torch.tensor([[[0.0, 56.0, 16.0, 64.0]]]).expand(samples, 1, 4)
    return DetectionBatch(image, box * (weight > 0)[..., None], weight, region, torch.arange(samples) + 100 * seed)


Make = Callable[[int, int], PoseBatch]
"""Number of samples and seed to a batch."""


class TinySource:
    """Batches that follow from epoch and step, of which each process takes its rows."""

    def __init__(self, steps: int = 5, samples: int = 4, rank: int = 0, size: int = 1, make: Make = make_batch) -> None:
        self.steps_per_epoch = steps
        self.samples, self.rows = samples, slice(rank, None, size)
        self.make = make

    def epoch(self, epoch: int, start: int = 0) -> Iterator[PoseBatch]:
        """Different noise in each step of each epoch."""
        for step in range(start, self.steps_per_epoch):
            whole = self.make(self.samples, 1 + epoch * self.steps_per_epoch + step)
            yield PoseBatch(
                image_B3HW=whole.image_B3HW[self.rows],
                weight_BK=whole.weight_BK[self.rows],
                absent_BK=whole.absent_BK[self.rows],
                keypoint_BK2=whole.keypoint_BK2[self.rows],
                id_B=whole.id_B[self.rows],
                codec=whole.codec,
            )


class SceneSource:
    """The same of `make_scenes`."""

    def __init__(self, steps: int = 5, samples: int = 4) -> None:
        self.steps_per_epoch, self.samples = steps, samples

    def epoch(self, epoch: int, start: int = 0) -> Iterator[DetectionBatch]:
        """Different noise in each step of each epoch."""
        for step in range(start, self.steps_per_epoch):
            yield make_scenes(self.samples, 1 + epoch * self.steps_per_epoch + step)


def source_of(name: str) -> BatchSource:
    """Batches that a method can learn from."""
    return SceneSource() if name in SCENE_METHODS else TinySource(make=maker_of(name))


def one_batch(name: str) -> PoseBatch | DetectionBatch:
    """A batch that a method can learn from."""
    return make_scenes() if name in SCENE_METHODS else maker_of(name)(4, 0)


def maker_of(name: str) -> Make:
    """Of the batches that a method of pose estimators can learn from."""
    if name in HEATMAP_METHODS:
        return make_maps
    return make_points if name in POINT_METHODS else make_batch


def build_method(name: str, *, student: RtmPose | None = None, **options: Any) -> Method:
    """A method of `training.methods.METHODS` with networks of its own, and a fresh student if none is given."""
    if name == "fpd":
        return METHODS[name](build_hourglass(), build_hourglass(1, channels=32), **options)
    if name in HEATMAP_METHODS:
        return METHODS[name](build_hourglass(), None, **options)
    if name in SCENE_METHODS:
        return METHODS[name](build_detector(), build_detector(1, classes=2), **options)
    if name in POINT_METHODS:
        return METHODS[name](build_distilpose(), build_tokenpose() if name == "distilpose" else None, **options)
    teachers: dict[str, Callable[[], RtmPose | YoloX | None]] = {
        "mimic": lambda: build_yolox("nano", input_size=SIZE),
        "supervised": lambda: None,
        "dwpose-stage1": build_teacher,
        "dwpose-stage2": lambda: build_teacher(scale=SCALE),
    }
    return METHODS[name](student or build_student(), teachers[name](), **options)


def make_recipe(**changes: Any) -> Recipe:
    """Three epochs of a method; its networks and data are those of this module whatever it says."""
    nothing = Source(dataset="synthetic", annotations="")
    recipe = Recipe(
        name="tiny",
        student=Network(model="rtmpose-t"),
        method=MethodRecipe(name="supervised"),
        data=Data(train=(nothing,), val=nothing),
        input_size=SIZE,
        optimisation=Optimisation(warm_up_steps=3, flat_until_epoch=1, cosine_until_epoch=3),
        epochs=3,
        batch_size=4,
        evaluate_every=2,
    )
    return replace(recipe, **changes)


def make_run(folder: Path, *, world: World | None = None, **changes: Any) -> Run:
    """A run of `make_recipe` on `TinySource` on the CPU; fields of `Run` and of `Settings` can be changed."""
    fields = {key: changes.pop(key) for key in Run._fields if key in changes}
    world = world or World(0, 1, torch.device("cpu"))
    settings = Settings(**{"progress": False, "draw": False, "log_every": 1, "save_every": 100, "keep": 9, **changes})
    source = TinySource(rank=world.rank, size=world.size)
    run = Run(make_recipe(), folder, source, None, world, settings)
    return run._replace(**fields)
