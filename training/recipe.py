"""What a result depends on, as frozen records: a recipe is a function in `training.recipes` that returns one.

Everything has the value of the published configuration by default (DWPose@0232d66, mmpose@759b39c1); a recipe says what
differs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer, PlainValidator

from pose_core.codecs import Codec, SimCC
from pose_core.estimators import EstimatorSpec
from pose_core.estimators.metadata import describe_codec, read_codec
from pose_core.schemes import WHOLE_BODY
from pose_core.types import Size


def stored_codec(value: Codec | Mapping[str, Any]) -> Codec:
    """A codec as it is, or as JSON holds it.

    Raises:
        ValueError: there is no such codec.
    """
    if not isinstance(value, Mapping):
        return value
    try:
        return read_codec(value)
    except (KeyError, TypeError) as error:
        raise ValueError(f"no codec: {error!r}") from error


StoredCodec = Annotated[Codec, PlainValidator(stored_codec), PlainSerializer(describe_codec)]
"""A codec that is written to JSON as in the metadata of exported files."""


def in_todays_words(stored: Any) -> Any:  # noqa: ANN401 - whatever JSON holds, or the record itself
    """A recipe or a description of a version that knew SimCC alone and wrote down nothing but its sigma."""
    if not isinstance(stored, Mapping) or "sigma" not in stored:
        return stored
    others = {key: value for key, value in stored.items() if key != "sigma"}
    return {"codec": {"name": "simcc", "sigma": stored["sigma"]}, **others}


@dataclass(frozen=True, kw_only=True, slots=True)
class Augmentation:
    """Random changes of a sample.

    `z` is a normal number cut off at -1 and 1, drawn anew for each quantity.

    Attributes:
        flip: probability of a mirror image.
        half_body: probability of looking at the upper or lower body only.
        shift: probability, and factor of z * box extent per axis.
        scale: factor of z in 1 + z * scale.
        rotation: probability, and degrees per z.
        hue: largest change of hue (of 180), saturation and value (of 255).
        blur: probability each of a box and of a median blur of 3, 5 or 7 pixels.
        dropout: probability of one black hole, and its side as a fraction of the crop's.
        cut: probability of a photo that ends across the person, see `training.data.cuts`.
        reduction: probability of a low resolution, and the largest factor by which the sides were reduced.
        neighbour: probability of another person pasted beside or half in front.
        grey: probability of no colours at all.
        mosaic: probability of four pictures in one, of a detector's pictures only; see `training.data.scene_views`.
    """

    flip: float = 0.5
    half_body: float = 0.3
    shift: tuple[float, float] = (0.3, 0.16)
    scale: float = 0.4
    rotation: tuple[float, float] = (0.6, 80.0)
    hue: tuple[float, float, float] = (5.0, 30.0, 30.0)
    blur: float = 0.1
    dropout: tuple[float, tuple[float, float]] = (1.0, (0.2, 0.4))
    cut: float = 0.0
    reduction: tuple[float, float] = (0.0, 4.0)
    neighbour: float = 0.0
    grey: float = 0.0
    mosaic: float = 0.0


LIGHT_AUGMENTATION = Augmentation(shift=(0.0, 0.0), scale=0.25, rotation=(0.6, 60.0), dropout=(0.5, (0.2, 0.4)))
"""The last epochs of the published recipe."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One annotated set.

    Attributes:
        dataset: a name in `training.data.DATASETS`.
        annotations: path from where we are, or below the data folder.
        images: folder below the data folder that file names refer to.
        options: further keyword arguments of the data set, as pairs.
    """

    dataset: str
    annotations: str
    images: str = ""
    options: tuple[tuple[str, str | int | float], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Data:
    """What is trained and evaluated on.

    Attributes:
        train: all of these, one after the other; a set that is named twice counts twice.
        val: what the run is evaluated on.
        augmentation: until `light_from_epoch`.
        light_augmentation: from there on.
        light_from_epoch: counted from 0.
        workers: processes that prepare batches.
    """

    train: tuple[Source, ...]
    val: Source
    augmentation: Augmentation = Augmentation()
    light_augmentation: Augmentation = LIGHT_AUGMENTATION
    light_from_epoch: int = 240
    workers: int = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """A network and what it starts from.

    Attributes:
        model: a name in `training.models.MODELS`.
        weights: checkpoint to start from, None for a fresh network.
        load: `all` of it, only the `backbone` with a fresh head, all of it `resized` from another size of crop (see
            `training.models.resize`), the student in a raw checkpoint of the published distiller, of its first stage
            (`stage1`) or its second (`stage2`), or the backbone of a pose estimator with more `stages` of HRNet or of
            an HRNet that was trained on `imagenet`.
        input_size: of a teacher that sees smaller crops than its student; None for the recipe's.
        frozen_stages: parts of a pose estimator's backbone that learn nothing: 1 is the stem, 2 the first stage, too.
    """

    model: str
    weights: str | None = None
    load: Literal["all", "backbone", "resized", "stage1", "stage2", "stages", "imagenet"] = "all"
    input_size: Size | None = None
    frozen_stages: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Optimisation:
    """Optimiser, schedule, clipping and averaging.

    Attributes:
        optimiser: a name in `training.optim.OPTIMISERS`.
        schedule: a name in `training.optim.SCHEDULES`: how the learning rate falls after the warm-up.
        flat_until_epoch: of `cosine`: constant learning rate until here, cosine from here.
        cosine_until_epoch: of `cosine`: where it ends; a shorter run does not get there.
        final_factor: of `cosine`: share of the learning rate that is left in the end.
        drop_epochs: of `steps`: from each of these zero-based epochs on a tenth is left of what was before.
        clip_norm: largest L2 norm of all gradients together; None for no clipping.
        ema_decay: lower bound of the weight of the newest value in the running average.
        ema_warm_up: steps over which the average forgets its start.
    """

    optimiser: Literal["adamw", "adam", "rmsprop"] = "adamw"
    learning_rate: float = 4e-3
    weight_decay: float = 0.05
    warm_up_steps: int = 1000
    warm_up_start: float = 1e-5
    schedule: Literal["cosine", "steps"] = "cosine"
    flat_until_epoch: int = 135
    cosine_until_epoch: int = 270
    final_factor: float = 0.05
    drop_epochs: tuple[int, ...] = ()
    clip_norm: float | None = 1.0
    ema_decay: float = 2e-4
    ema_warm_up: int = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class MethodRecipe:
    """A name in `training.methods.METHODS` and the keyword arguments of its constructor, as pairs."""

    name: str
    options: tuple[tuple[str, str | int | float | bool], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """One run, start to end.

    Attributes:
        name: the key in `training.recipes.RECIPES`.
        task: what the networks are to find, a name in `training.tasks.TASKS`.
        student: what is trained.
        teacher: what it learns from; None without one.
        input_size: of the student, and of a teacher that names none of its own.
        codec: between crop pixels and what a pose estimator answers: makes the targets and reads the answers.
        scheme: the points that it is to find, a key of `pose_core.schemes.SCHEMES`.
        batch_size: samples per step over all devices together.
        evaluate_every: epochs between evaluations.
        headline: the number of `training.evals` that chooses the best checkpoint, as `metric/part/score`.
        steps_per_epoch: cut epochs short; None for all samples.
    """

    name: str
    student: Network
    teacher: Network | None = None
    method: MethodRecipe
    data: Data
    task: Literal["pose", "detection"] = "pose"
    optimisation: Optimisation = Optimisation()
    input_size: Size = Size(192, 256)  # noqa: RUF009 - Size is frozen
    codec: StoredCodec = SimCC()  # noqa: RUF009 - codecs are frozen
    scheme: str = WHOLE_BODY
    epochs: int = 270
    batch_size: int = 512
    evaluate_every: int = 10
    headline: str = "coco-wholebody-ap/wholebody/AP"
    steps_per_epoch: int | None = None
    seed: int = 21

    @property
    def spec(self) -> EstimatorSpec:
        """What a pose estimator trained with it expects and answers."""
        return EstimatorSpec(input_size=self.input_size, codec=self.codec, scheme=self.scheme)


StoredRecipe = Annotated[Recipe, BeforeValidator(in_todays_words)]
"""A recipe as JSON holds it, whichever version wrote it."""
