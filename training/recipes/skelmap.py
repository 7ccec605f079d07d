"""The whole-body network inside the package: backbones that learn to see, a larger teacher, and both stages.

Not from the paper. The data are some thousand people, labelled in part by machines, and there are no weights to start
from. So the backbones first copy the feature maps of a public detector, and all that can be learnt from small pictures
is learnt at 128 x 96, where a step costs a quarter. Points that a cut took away are taught to score low.

There were two rounds. The first, whose runs end in `-start`, is what two processor cores did in hours: its teacher
stays at 128 x 96, looking at reduced crops while its student sees 256 x 192. The second went on from there on a GPU for
minutes, and shows everybody ten times as often: teacher and student, each at half the size and then at the full one.
`docs/models/skelmap-t.md` says what came of it.
"""

from dataclasses import replace

from pose_core.codecs import SimCC
from pose_core.types import Size
from training.recipe import Augmentation, Data, MethodRecipe, Network, Optimisation, Recipe, Source
from training.recipes.parts import LOW

CONFIDENT = ("confidence_weights", 1)
EVERYBODY = Source(dataset="coco_wholebody", annotations="train.json", options=(CONFIDENT,))
ORDINARY = Source(dataset="coco_wholebody", annotations="train.json", options=(CONFIDENT, ("below", "images/coco/")))
"""Ordinary photos with human labels, a fourteenth of the people; they count three times."""

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
MILD = replace(
    MODERATE,
    half_body=0.2,
    rotation=(0.5, 40.0),
    dropout=(0.1, (0.15, 0.3)),
    cut=0.2,
    reduction=(0.1, 4.0),
    neighbour=0.05,
)
"""Of the first round's students, who see each person a few times only."""

STRONG = replace(MODERATE, shift=(0.3, 0.16), scale=0.35, rotation=(0.6, 60.0), dropout=(0.4, (0.15, 0.35)))
SETTLING = replace(MODERATE, shift=(0.2, 0.1))
"""Of the second round, and of its last epochs at the full size."""

DATA = Data(
    train=(EVERYBODY, ORDINARY, ORDINARY),
    val=Source(dataset="coco_wholebody", annotations="val.json", options=(CONFIDENT,)),
    augmentation=MODERATE,
    workers=1,
)

ABSENT = (("absent_weight", 1.0),)
"""Points that a cut took away, and those beyond the edge of a crop, are to score 0."""

HALF_SIZE = Size(width=96, height=128)
"""Where a step costs a quarter; feature maps of convolutions do not depend on the size of the picture."""

HALF_SIGMA = (3.46, 4.0)
"""Of labels at that size: the published widths over the square root of two, which are narrower in bins and wider on the
person."""

FEATURE_WEIGHT = ("feature_weight", 2.8e-4)
"""Four times the published one: the loss is a sum over cells, and maps of crops of half the size have a quarter."""

BODY_WEIGHT = ("body_weight", 4.0)
"""With this, somebody in LSP Extended, of whom little else is known, counts about as much as a face of Helen."""

TEACHER_START = Network(model="rtmpose-m", weights="runs/skelmap-m-start", input_size=HALF_SIZE)

SECOND_LOOK = "runs/people_labels.json"
"""Written by `python -m training.relabel_people FOLDER runs/people_labels.json runs/skelmap-s1`."""

DETECTOR = Network(model="yolox-nano", weights="weights/yolox_nano.onnx")
"""The published ONNX file of YOLOX-nano, below the data folder."""


def features_m() -> Recipe:
    """What the teacher's backbone starts from: the feature maps of a public detector, at 128 x 96.

    No published number. `python -m training run skelmap-m-features --data FOLDER`; hours are in
    `docs/models/skelmap-t.md`.
    """
    return features("m", epochs=5)


def features_s() -> Recipe:
    """What the student's backbone starts from, likewise.

    No published number. `python -m training run skelmap-s-features --data FOLDER`; hours are in
    `docs/models/skelmap-t.md`.
    """
    return features("s", epochs=3)


def features_t() -> Recipe:
    """What the students of `training.recipes.ablations` start from.

    No published number. `python -m training run skelmap-t-features --data FOLDER`; hours are in
    `docs/models/skelmap-t.md`.
    """
    return features("t", epochs=3)


def seeing(size: str) -> Network:
    """An RTMPose whose backbone has the features of `skelmap-SIZE-features`."""
    return Network(model=f"rtmpose-{size}", weights=f"runs/skelmap-{size}-features", load="backbone")


def teacher_start() -> Recipe:
    """RTMPose-m at 128 x 96, the teacher of the first round.

    No published number. `python -m training run skelmap-m-start --data FOLDER` after `skelmap-m-features`; hours are in
    `docs/models/skelmap-t.md`.
    """
    method = MethodRecipe(name="supervised", options=ABSENT)
    return halved(ours("skelmap-m-start", seeing("m"), method, epochs=8, learning_rate=1.5e-3))


def stage1_half_start() -> Recipe:
    """First stage, RTMPose-m to s, at 128 x 96, of the first round.

    No published number. `python -m training run skelmap-s1-half-start --data FOLDER` after `skelmap-m-start` and
    `skelmap-s-features`; hours are in `docs/models/skelmap-t.md`.
    """
    recipe = ours(
        "skelmap-s1-half-start",
        seeing("s"),
        MethodRecipe(name="dwpose-stage1", options=(*ABSENT, FEATURE_WEIGHT, BODY_WEIGHT)),
        teacher=TEACHER_START,
        epochs=7,
        learning_rate=2e-3,
    )
    return halved(mildly(recipe))


def stage1_start() -> Recipe:
    """First stage, RTMPose-m to s, at 256 x 192, of the first round.

    The teacher looks at reduced crops. Stem and first stage stay as they are: they cost a third of a step, and edges
    look alike at any size.

    No published number. `python -m training run skelmap-s1-start --data FOLDER` after `skelmap-s1-half-start`; hours
    are in `docs/models/skelmap-t.md`.
    """
    recipe = ours(
        "skelmap-s1-start",
        Network(model="rtmpose-s", weights="runs/skelmap-s1-half-start", load="resized", frozen_stages=2),
        MethodRecipe(name="dwpose-stage1", options=(*ABSENT, FEATURE_WEIGHT, BODY_WEIGHT)),
        teacher=TEACHER_START,
        epochs=4,
        learning_rate=1.5e-3,
    )
    return mildly(recipe)


def teacher_half() -> Recipe:
    """RTMPose-m at 128 x 96, on the way to the teacher.

    No published number. `python -m training run skelmap-m-half --data FOLDER` after `skelmap-m-start`; hours are
    in `docs/models/skelmap-t.md`.
    """
    start = Network(model="rtmpose-m", weights="runs/skelmap-m-start")
    return halved(longer("skelmap-m-half", start, TAUGHT_BY_LABELS, epochs=67, learning_rate=2e-3))


def teacher() -> Recipe:
    """RTMPose-m at 256 x 192, the teacher.

    No published number. `python -m training run skelmap-m --data FOLDER` after `skelmap-m-half`; hours are
    in `docs/models/skelmap-t.md`.
    """
    half = Network(model="rtmpose-m", weights="runs/skelmap-m-half", load="resized")
    return settling(longer("skelmap-m", half, TAUGHT_BY_LABELS, epochs=37, learning_rate=1.5e-3))


def stage1_half() -> Recipe:
    """First stage, RTMPose-m to s, at 128 x 96.

    No published number. `python -m training run skelmap-s1-half --data FOLDER` after `skelmap-m-half` and
    `skelmap-s1-start`; hours are in `docs/models/skelmap-t.md`.
    """
    start = Network(model="rtmpose-s", weights="runs/skelmap-s1-start", load="resized")
    method = MethodRecipe(name="dwpose-stage1", options=(*ABSENT, BODY_WEIGHT, FEATURE_WEIGHT))
    recipe = longer("skelmap-s1-half", start, method, epochs=36, learning_rate=3e-3)
    return halved(replace(recipe, teacher=Network(model="rtmpose-m", weights="runs/skelmap-m-half")))


def stage1() -> Recipe:
    """First stage, RTMPose-m to s, at 256 x 192.

    No published number. `python -m training run skelmap-s1 --data FOLDER` after `skelmap-m` and `skelmap-s1-half`;
    hours are in `docs/models/skelmap-t.md`.
    """
    half = Network(model="rtmpose-s", weights="runs/skelmap-s1-half", load="resized")
    method = MethodRecipe(name="dwpose-stage1", options=(*ABSENT, BODY_WEIGHT))
    recipe = longer("skelmap-s1", half, method, epochs=66, learning_rate=2e-3)
    return settling(replace(recipe, teacher=Network(model="rtmpose-m", weights="runs/skelmap-m")))


def stage2() -> Recipe:
    """Second stage for RTMPose-s.

    No published number. `python -m training run skelmap-s2 --data FOLDER` after `skelmap-s1`; hours are in
    `docs/models/skelmap-t.md`.
    """
    return ours(
        "skelmap-s2",
        Network(model="rtmpose-s"),
        MethodRecipe(name="dwpose-stage2", options=ABSENT),
        teacher=Network(model="rtmpose-s", weights="runs/skelmap-s1"),
        epochs=3,
        learning_rate=2e-3,
    )


def going_on() -> Recipe:
    """The student of the first stage goes on with the labels as they were: what `skelmap-s1-again` is compared with.

    No published number. `python -m training run skelmap-s1-on --data FOLDER` after `skelmap-s1`; hours are in
    `docs/results.md`.
    """
    return further("skelmap-s1-on", DATA)


def again() -> Recipe:
    """The student of the first stage goes on with labels that it looked at again (`training.relabel_people`).

    No published number. `python -m training run skelmap-s1-again --data FOLDER` after `skelmap-s1`; hours are in
    `docs/results.md`.
    """
    sources = tuple(replace(source, annotations=SECOND_LOOK) for source in DATA.train)
    return further("skelmap-s1-again", replace(DATA, train=sources))


def further(name: str, data: Data) -> Recipe:
    """A short run from `skelmap-s1` by labels alone, its learning rate falling from the start."""
    student = Network(model="rtmpose-s", weights="runs/skelmap-s1", frozen_stages=2)
    recipe = ours(name, student, TAUGHT_BY_LABELS, epochs=2, learning_rate=3e-4)
    optimisation = replace(recipe.optimisation, warm_up_steps=20, flat_until_epoch=0, ema_warm_up=50)
    data = replace(data, augmentation=SETTLING)
    return replace(recipe, data=data, optimisation=optimisation, steps_per_epoch=150)


def features(size: str, *, epochs: int) -> Recipe:
    """A backbone that sees what a detector sees."""
    recipe = ours(
        f"skelmap-{size}-features",
        Network(model=f"rtmpose-{size}"),
        MethodRecipe(name="mimic"),
        epochs=epochs,
        learning_rate=2e-3,
        teacher=DETECTOR,
    )
    return replace(recipe, input_size=HALF_SIZE, evaluate_every=recipe.epochs)


TAUGHT_BY_LABELS = MethodRecipe(name="supervised", options=(*ABSENT, BODY_WEIGHT))
"""How the teacher of the second round learns."""


def longer(name: str, student: Network, method: MethodRecipe, *, epochs: int, learning_rate: float) -> Recipe:
    """A run of the second round: four times the batch, whole batches only, larger changes of the pictures."""
    recipe = ours(name, student, method, epochs=epochs, learning_rate=learning_rate)
    data = replace(recipe.data, augmentation=STRONG, light_from_epoch=epochs)
    return replace(recipe, data=data, batch_size=256, steps_per_epoch=36, evaluate_every=epochs)


def settling(recipe: Recipe) -> Recipe:
    """The same run with smaller changes of the pictures in its last third."""
    data = replace(recipe.data, light_augmentation=SETTLING, light_from_epoch=round(0.7 * recipe.epochs))
    return replace(recipe, data=data)


def mildly(recipe: Recipe) -> Recipe:
    """The same run with milder changes of the pictures."""
    return replace(recipe, data=replace(recipe.data, augmentation=MILD))


def halved(recipe: Recipe) -> Recipe:
    """The same run with crops of half the size and labels to go with them."""
    return replace(recipe, input_size=HALF_SIZE, codec=SimCC(sigma=HALF_SIGMA))


def ours(
    name: str,
    student: Network,
    method: MethodRecipe,
    *,
    epochs: int,
    learning_rate: float,
    teacher: Network | None = None,
) -> Recipe:
    """A run with batches of 64, flat for its first half."""
    return Recipe(
        name=name,
        student=student,
        teacher=teacher,
        method=method,
        data=DATA,
        optimisation=Optimisation(
            learning_rate=learning_rate,
            warm_up_steps=100,
            flat_until_epoch=epochs // 2,
            cosine_until_epoch=epochs,
            ema_warm_up=500,
        ),
        input_size=LOW.input_size,
        codec=LOW.codec,
        epochs=epochs,
        batch_size=64,
        evaluate_every=2,
        headline="pck/wholebody/PCK@0.05",
    )
