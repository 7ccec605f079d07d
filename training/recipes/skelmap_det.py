"""The person detector inside the package: YOLOX-nano of one class, from nothing, taught by what two others know.

Not from a paper. The labels are those of people where there are any. Everywhere else two public detectors and their
mirror images were asked beforehand (`training.relabel`), which together know more than each of them; one of them is
also asked about every cell of every augmented picture. `docs/models/skelmap-det.md` says what came of it.

Before the first run, with the two public files:

    python -m training.relabel FOLDER runs/detector_labels.json yolox_nano.onnx rtmdet-nano_end2end.onnx

Most of the time is spent once, on all pictures but the photos that people labelled, at 160 x 160 and 224 x 224, where
a step costs a quarter and half as much: `skelmap-det-blocks`, in which the student copies the blocks of the public
YOLOX-nano, `skelmap-det-base` and `skelmap-det-restart`, then, on a GPU, `skelmap-det-long` at 320 x 320. What follows
is short; its epochs are those that fitted into 45 seconds each. The quality is measured in folds: `skelmap-det-fold0`
to 2 have not seen a third of the labelled photos, on which they are evaluated, and `skelmap-det`, the one that is
shipped, has seen them all.
"""

from dataclasses import replace

from pose_core.types import Size
from training.recipe import Augmentation, Data, MethodRecipe, Network, Optimisation, Recipe, Source

Options = tuple[tuple[str, str | int | float], ...]

FOLDS = 3
LABELLED = "images/coco/"
"""Pictures that people labelled begin like this."""

LABELS = "runs/detector_labels.json"

EVERYTHING: Options = (("fold", -1),)
NONE_LABELLED: Options = (("folded", LABELLED), ("fold", 0))
"""Options of sources: all pictures, or all but those that people labelled."""

SIZE = Size(320, 320)
SMALL_SIZE = Size(224, 224)
SMALLEST_SIZE = Size(160, 160)

SHORT = 3
"""Epochs of the runs on two processor cores: too few to have milder ones."""

COPIED: Options = (("map_weight", 20.0), ("decay", False))
"""The teacher has seen far more photos than there are here; what it says and makes counts to the end."""

STRONG = Augmentation(
    shift=(0.7, 0.0),
    scale=1.0,
    hue=(8.0, 60.0, 60.0),
    blur=0.03,
    dropout=(0.0, (0.0, 0.0)),
    cut=0.4,
    reduction=(0.15, 4.0),
    grey=0.05,
    mosaic=0.5,
)
MODERATE = Augmentation(
    shift=(0.5, 0.0),
    scale=0.5,
    hue=(5.0, 30.0, 30.0),
    blur=0.02,
    dropout=(0.0, (0.0, 0.0)),
    cut=0.25,
    reduction=(0.1, 3.0),
    grey=0.03,
)
"""The last epochs, in which no picture is one of four."""


def blocks() -> Recipe:
    """Every block of the public YOLOX-nano copied alone at 160 x 160, on all pictures but the labelled photos.

    It does not know yet what a person is, so that its evaluation means nothing.

    No published number. `python -m training run skelmap-det-blocks --data FOLDER --teacher-weights yolox_nano.onnx`;
    hours are in `docs/models/skelmap-det.md`.
    """
    recipe = detector(
        "skelmap-det-blocks",
        Network(model="yolox-nano-person"),
        sources(NONE_LABELLED),
        held_photos(-1, FOLDS),
        epochs=SHORT,
        learning_rate=4e-3,
        input_size=SMALLEST_SIZE,
        batch_size=32,
    )
    optimisation = replace(recipe.optimisation, flat_until_epoch=2)
    method = MethodRecipe(name="blockwise")
    return replace(recipe, method=method, optimisation=optimisation, evaluate_every=recipe.epochs)


def base() -> Recipe:
    """YOLOX-nano at 224 x 224 on all pictures but the labelled photos, on which it is evaluated.

    No published number. `python -m training run skelmap-det-base --data FOLDER --teacher-weights yolox_nano.onnx` after
    `skelmap-det-blocks`; hours are in `docs/models/skelmap-det.md`.
    """
    return without_labelled("skelmap-det-base", "runs/skelmap-det-blocks")


def restart() -> Recipe:
    """The same once more, the learning rate rising again (SGDR, arXiv 1608.03983): where all that follows begins.

    No published number. `python -m training run skelmap-det-restart --data FOLDER --teacher-weights yolox_nano.onnx`
    after `skelmap-det-base`; hours are in `docs/models/skelmap-det.md`.
    """
    return without_labelled("skelmap-det-restart", "runs/skelmap-det-base")


def long() -> Recipe:
    """YOLOX-nano at 320 x 320, on a GPU, still without the labelled photos: where all that follows begins.

    No published number. `python -m training run skelmap-det-long --data FOLDER --teacher-weights yolox_nano.onnx` after
    `skelmap-det-restart`; hours are in `docs/models/skelmap-det.md`.
    """
    return detector(
        "skelmap-det-long",
        Network(model="yolox-nano-person", weights="runs/skelmap-det-restart"),
        sources(NONE_LABELLED),
        held_photos(-1, FOLDS),
        epochs=22,
        learning_rate=2e-3,
        batch_size=64,
    )


def without_labelled(name: str, weights: str) -> Recipe:
    """Three epochs of all pictures but the labelled photos."""
    return detector(
        name,
        Network(model="yolox-nano-person", weights=weights),
        sources(NONE_LABELLED),
        held_photos(-1, FOLDS),
        epochs=SHORT,
        learning_rate=1e-3,
        input_size=SMALL_SIZE,
        batch_size=32,
    )


def everything() -> Recipe:
    """YOLOX-nano at 320 x 320 on all pictures, `skelmap-det`, the detector that is served by default.

    No published number. `python -m training run skelmap-det --data FOLDER --teacher-weights yolox_nano.onnx` after
    `skelmap-det-long`; its own evaluation is on photos it has seen, those of the folds are the ones to quote; hours
    are in `docs/models/skelmap-det.md`.
    """
    return final("skelmap-det", -1, epochs=6)


def fold_0() -> Recipe:
    """The same without the labelled photos of fold 0, on which it is evaluated.

    No published number. `python -m training run skelmap-det-fold0 --data FOLDER --teacher-weights yolox_nano.onnx`
    after `skelmap-det-long`; hours are in `docs/models/skelmap-det.md`.
    """
    return final("skelmap-det-fold0", 0, epochs=8)


def fold_1() -> Recipe:
    """The same without the labelled photos of fold 1, on which it is evaluated.

    No published number. `python -m training run skelmap-det-fold1 --data FOLDER --teacher-weights yolox_nano.onnx`
    after `skelmap-det-long`; hours are in `docs/models/skelmap-det.md`.
    """
    return final("skelmap-det-fold1", 1, epochs=5)


def fold_2() -> Recipe:
    """The same without the labelled photos of fold 2, on which it is evaluated.

    No published number. `python -m training run skelmap-det-fold2 --data FOLDER --teacher-weights yolox_nano.onnx`
    after `skelmap-det-long`; hours are in `docs/models/skelmap-det.md`.
    """
    return final("skelmap-det-fold2", 2, epochs=6)


def final(name: str, fold: int, *, epochs: int) -> Recipe:
    """A short run from `skelmap-det-long` without the labelled photos of a fold; a negative fold leaves out none."""
    chosen: Options = (("folded", LABELLED), ("folds", FOLDS), ("fold", fold)) if fold >= 0 else EVERYTHING
    labelled = Source(dataset="coco_boxes", annotations=LABELS, options=(*chosen, ("below", LABELLED)))
    recipe = detector(
        name,
        Network(model="yolox-nano-person", weights="runs/skelmap-det-long"),
        (*sources(chosen), *[labelled] * 10),
        held_photos(fold, FOLDS),
        epochs=epochs,
        learning_rate=8e-4,
        batch_size=64,
    )
    optimisation = replace(recipe.optimisation, warm_up_steps=30, ema_warm_up=200)
    return replace(recipe, optimisation=optimisation, evaluate_every=recipe.epochs, steps_per_epoch=50)


def detector(
    name: str,
    student: Network,
    train: tuple[Source, ...],
    val: Source,
    *,
    epochs: int,
    learning_rate: float,
    input_size: Size = SIZE,
    batch_size: int = 16,
) -> Recipe:
    """A run, flat for its first third, with milder changes at the end."""
    return Recipe(
        name=name,
        task="detection",
        student=student,
        teacher=Network(model="yolox-nano", weights="weights/yolox_nano.onnx"),
        method=MethodRecipe(name="yolox", options=(("doubt", "target"), ("corner_epochs", epochs // 5), *COPIED)),
        data=Data(
            train=train,
            val=val,
            augmentation=STRONG,
            light_augmentation=MODERATE,
            light_from_epoch=epochs if epochs == SHORT else round(0.75 * epochs),
            workers=1,
        ),
        optimisation=Optimisation(
            learning_rate=learning_rate,
            warm_up_steps=100,
            flat_until_epoch=epochs // 3,
            cosine_until_epoch=epochs,
            clip_norm=10.0,
            ema_warm_up=500,
        ),
        input_size=input_size,
        epochs=epochs,
        batch_size=batch_size,
        evaluate_every=2,
        headline="detection/large/AP50",
    )


def sources(chosen: Options) -> tuple[Source, ...]:
    """Everything chosen once, scenes with several people more often, and portraits, whose boxes are a little unsure."""
    every = Source(dataset="coco_boxes", annotations=LABELS, options=chosen)
    scenes = Source(dataset="coco_boxes", annotations=LABELS, options=(("below", "images/scenes/"),))
    portraits = (
        Source(dataset="coco_boxes", annotations="train.json", options=(("below", below), ("weight", 0.9)))
        for below in ("images/helen/", "images/afw/")
    )
    return every, *[scenes] * 3, *portraits


def held_photos(fold: int, folds: int) -> Source:
    """The photos of one fold that people labelled alone, or of all folds if it is negative."""
    divided = (("folded", LABELLED), ("folds", folds), ("fold", fold), ("part", "held"))
    labelled = (("also", "detector_val.json"), ("below", LABELLED), ("labels", "human"))
    return Source(dataset="coco_boxes", annotations="detector_train.json", options=(*labelled, *divided))
