"""The whole-body network inside the package: backbones that learn to see, a larger teacher, and both stages.

Not from the paper. The data are some thousand people, labelled in part by machines, and there are no weights to start
from. So the backbones first copy the feature maps of a public detector, and everything is done for variety: strong
changes of the pictures, cut-off bodies, pasted neighbours. Points that a cut took away are taught to score low.
`docs/models/skelmap-t.md` says what came of it.
"""

from dataclasses import replace

from pose_core.types import Size
from training.recipe import Augmentation, Data, MethodRecipe, Network, Optimisation, Recipe, Source
from training.recipes.parts import LOW

CONFIDENT = ("confidence_weights", 1)
EVERYBODY = Source(dataset="coco_wholebody", annotations="train.json", options=(CONFIDENT,))
ORDINARY = Source(dataset="coco_wholebody", annotations="train.json", options=(CONFIDENT, ("below", "images/coco/")))
"""Ordinary photos with human labels, a fourteenth of the people; they count three times."""

STRONG = Augmentation(
    scale=0.4,
    rotation=(0.6, 60.0),
    hue=(8.0, 50.0, 50.0),
    dropout=(0.5, (0.15, 0.35)),
    cut=0.35,
    reduction=(0.25, 4.0),
    neighbour=0.25,
    grey=0.05,
)
MODERATE = Augmentation(
    shift=(0.0, 0.0),
    scale=0.25,
    rotation=(0.5, 45.0),
    hue=(5.0, 30.0, 30.0),
    dropout=(0.25, (0.15, 0.3)),
    cut=0.25,
    reduction=(0.15, 4.0),
    neighbour=0.15,
    grey=0.05,
)

DATA = Data(
    train=(EVERYBODY, ORDINARY, ORDINARY),
    val=Source(dataset="coco_wholebody", annotations="val.json", options=(CONFIDENT,)),
    augmentation=STRONG,
    light_augmentation=MODERATE,
    workers=2,
)

ABSENT = (("absent_weight", 1.0),)
"""Points that a cut took away, and those beyond the edge of a crop, are to score 0."""

HALF_SIZE = Size(width=96, height=128)
"""Where a step costs a quarter; feature maps of convolutions do not depend on the size of the picture."""

DETECTOR = Network(model="yolox-nano", weights="weights/yolox_nano.onnx")
"""The published ONNX file of YOLOX-nano, below the data folder."""


def features_m() -> Recipe:
    """What the teacher's backbone starts from: the feature maps of a public detector, at 128 x 96.

    No published number. `python -m training run skelmap-m-features --data FOLDER`; hours are in
    `docs/models/skelmap-t.md`.
    """
    return features("m")


def features_s() -> Recipe:
    """What the student's backbone starts from, likewise.

    No published number. `python -m training run skelmap-s-features --data FOLDER`; hours are in
    `docs/models/skelmap-t.md`.
    """
    return features("s")


def features_t() -> Recipe:
    """What the students of `training.recipes.ablations` start from.

    No published number. `python -m training run skelmap-t-features --data FOLDER`; hours are in
    `docs/models/skelmap-t.md`.
    """
    return features("t")


def seeing(size: str) -> Network:
    """An RTMPose whose backbone has the features of `skelmap-SIZE-features`."""
    return Network(model=f"rtmpose-{size}", weights=f"runs/skelmap-{size}-features", load="backbone")


def teacher_m() -> Recipe:
    """RTMPose-m at 256 x 192, the teacher.

    No published number. `python -m training run skelmap-m --data FOLDER` after `skelmap-m-features`; hours are in
    `docs/models/skelmap-t.md`.
    """
    return ours(
        "skelmap-m",
        seeing("m"),
        MethodRecipe(name="supervised", options=ABSENT),
        epochs=40,
        learning_rate=1e-3,
    )


def stage1() -> Recipe:
    """First stage, RTMPose-m to s.

    No published number. `python -m training run skelmap-s1 --data FOLDER` after `skelmap-m` and `skelmap-s-features`;
    hours are in
    `docs/models/skelmap-t.md`.
    """
    return ours(
        "skelmap-s1",
        seeing("s"),
        MethodRecipe(name="dwpose-stage1", options=ABSENT),
        teacher=Network(model="rtmpose-m", weights="runs/skelmap-m"),
        epochs=30,
        learning_rate=2e-3,
    )


def stage2() -> Recipe:
    """Second stage for RTMPose-s: `skelmap-t`, the network that is served by default.

    No published number. `python -m training run skelmap-s2 --data FOLDER` after `skelmap-s1`; hours are in
    `docs/models/skelmap-t.md`.
    """
    return ours(
        "skelmap-s2",
        Network(model="rtmpose-s"),
        MethodRecipe(name="dwpose-stage2", options=ABSENT),
        teacher=Network(model="rtmpose-s", weights="runs/skelmap-s1"),
        epochs=6,
        learning_rate=1e-3,
    )


def features(size: str) -> Recipe:
    """A backbone that sees what a detector sees."""
    recipe = ours(
        f"skelmap-{size}-features",
        Network(model=f"rtmpose-{size}"),
        MethodRecipe(name="mimic"),
        epochs=10,
        learning_rate=2e-3,
        teacher=DETECTOR,
    )
    return replace(recipe, input_size=HALF_SIZE, evaluate_every=recipe.epochs)


def ours(
    name: str,
    student: Network,
    method: MethodRecipe,
    *,
    epochs: int,
    learning_rate: float,
    teacher: Network | None = None,
) -> Recipe:
    """A run with batches of 64, flat for its first half, with milder changes in its last fifth."""
    return Recipe(
        name=name,
        student=student,
        teacher=teacher,
        method=method,
        data=replace(DATA, light_from_epoch=epochs * 4 // 5),
        optimisation=Optimisation(
            learning_rate=learning_rate,
            warm_up_steps=300,
            flat_until_epoch=epochs // 2,
            cosine_until_epoch=epochs,
            ema_warm_up=500,
        ),
        input_size=LOW.input_size,
        sigma=LOW.sigma,
        epochs=epochs,
        batch_size=64,
        evaluate_every=2,
        headline="pck/wholebody/PCK@0.05",
    )
