"""Fast pose distillation: hourglass teachers and students, published ones and the same in small for the people pack.

Source: Fast Human Pose Estimation, Zhang et al., CVPR 2019, arXiv 1811.05419, and its released code
(ilovepose@c4722f8), whose numbers on MPII are PCKh@0.5 of the 2,958 validation people with flip test and without a
search over scales, mean as in HRNet's code. Paper and code differ in optimiser, length and, it seems, in the network's
first layers; the recipes of the paper end in `-paper`. Random changes have the published ranges but spread otherwise
inside them: rotations more, scales less (`docs/provenance.md`).
"""

from collections.abc import Callable
from dataclasses import replace

from pose_core.codecs import Heatmap
from pose_core.types import Size
from training.recipe import Augmentation, Data, MethodRecipe, Network, Optimisation, Recipe, Source

CROP = Size(width=256, height=256)
MAPS = Heatmap(map_size=Size(64, 64), sigma=2.0)

AUGMENTATION = Augmentation(
    half_body=0.0,
    shift=(0.0, 0.0),
    scale=0.25,
    rotation=(0.6, 60.0),
    hue=(0.0, 0.0, 0.0),
    blur=0.0,
    dropout=(0.0, (0.2, 0.4)),
)
PAPER_AUGMENTATION = replace(AUGMENTATION, rotation=(1.0, 30.0))

RELEASED = Optimisation(
    optimiser="adam",
    learning_rate=2.5e-4,
    weight_decay=0.0,
    warm_up_steps=0,
    schedule="steps",
    drop_epochs=(90, 120),
    clip_norm=None,
    ema_decay=1.0,  # the newest weights alone
)
PAPER = replace(RELEASED, optimiser="rmsprop", drop_epochs=())
"""The paper names an optimiser and a learning rate, and no schedule."""

MPII_TRAIN = Source(dataset="mpii_json", annotations="mpii/annot/train.json", images="mpii/images")
MPII_VALID = Source(
    dataset="mpii_json",
    annotations="mpii/annot/valid.json",
    images="mpii/images",
    options=(("head_boxes", "mpii/annot/gt_valid.mat"), ("keep_outside", 1)),
)
LSPET = Source(dataset="lsp", annotations="lspet/joints.mat", images="lspet/images")
LSP_TRAIN = Source(dataset="lsp", annotations="lsp/joints.mat", images="lsp/images", options=(("last", 1000),))
LSP_TEST = replace(LSP_TRAIN, options=(("first", 1001), ("keep_outside", 1)))

MPII = Data(train=(MPII_TRAIN,), val=MPII_VALID, augmentation=AUGMENTATION, light_augmentation=AUGMENTATION)
LSP = Data(
    train=(LSPET, LSP_TRAIN), val=LSP_TEST, augmentation=PAPER_AUGMENTATION, light_augmentation=PAPER_AUGMENTATION
)

LABELS_ALONE = MethodRecipe(name="supervised-heatmaps")
DISTILLED = MethodRecipe(name="fpd")

LARGE, SMALL = Network(model="hourglass-8x256"), Network(model="hourglass-4x128")
ORIGINAL_LARGE = Network(model="hourglass-8x256-original")
ORIGINAL_SMALL = Network(model="hourglass-4x128-original")


def started(network: Network, run: str) -> Network:
    """A network with the weights of a run."""
    return replace(network, weights=f"runs/{run}")


# MPII, as in the released code


def teacher() -> Recipe:
    """Hourglass of 8 stacks x 256, the teacher.

    Published: 90.520 PCKh@0.5. `python -m training run hourglass-8x256`; hours not measured here.
    """
    return mpii("hourglass-8x256", LARGE, LABELS_ALONE, epochs=150, drop_epochs=(120, 140))


def student() -> Recipe:
    """Hourglass of 4 stacks x 128, the student without a teacher.

    Published: 87.934 PCKh@0.5. `python -m training run hourglass-4x128`; hours not measured here.
    """
    return mpii("hourglass-4x128", SMALL, LABELS_ALONE, epochs=150, drop_epochs=(120, 140))


def from_scratch() -> Recipe:
    """The student with a teacher, from nothing.

    Published: 87.598 PCKh@0.5, less than without the teacher. `python -m training run fpd-scratch` after
    `hourglass-8x256`; hours not measured here.
    """
    return mpii("fpd-scratch", SMALL, DISTILLED, known=started(LARGE, "hourglass-8x256"))


def warm() -> Recipe:
    """The student with a teacher, from what it learnt without.

    Published: 89.040 PCKh@0.5. `python -m training run fpd` after `hourglass-8x256` and `hourglass-4x128`; hours not
    measured here.
    """
    return mpii("fpd", started(SMALL, "hourglass-4x128"), DISTILLED, known=started(LARGE, "hourglass-8x256"))


# MPII, as in the paper


def paper_teacher() -> Recipe:
    """The teacher with RMSProp and the original first layers.

    No published number of its own. `python -m training run hourglass-8x256-paper`; hours not measured here.
    """
    return paper("hourglass-8x256-paper", ORIGINAL_LARGE, LABELS_ALONE)


def paper_student() -> Recipe:
    """The student with RMSProp and the original first layers.

    No published number of its own. `python -m training run hourglass-4x128-paper`; hours not measured here.
    """
    return paper("hourglass-4x128-paper", ORIGINAL_SMALL, LABELS_ALONE)


def paper_warm() -> Recipe:
    """The student with a teacher, with RMSProp and the original first layers.

    Published: 91.1 PCKh@0.5 on the test set, with a search over scales; its author said 90.9 for the validation people.
    `python -m training run fpd-paper` after the other two; hours not measured here.
    """
    weights = "hourglass-4x128-paper"
    known = started(ORIGINAL_LARGE, "hourglass-8x256-paper")
    return paper("fpd-paper", started(ORIGINAL_SMALL, weights), DISTILLED, known)


# Leeds Sports Pose


def lsp_teacher() -> Recipe:
    """The teacher on LSP and its extension, 14 joints.

    No published number. `python -m training run hourglass-8x256-lsp`; hours not measured here.
    """
    return lsp("hourglass-8x256-lsp", ORIGINAL_LARGE, LABELS_ALONE)


def lsp_student() -> Recipe:
    """The student without a teacher on LSP and its extension, 14 joints.

    No published number. `python -m training run hourglass-4x128-lsp`; hours not measured here.
    """
    return lsp("hourglass-4x128-lsp", ORIGINAL_SMALL, LABELS_ALONE)


def lsp_warm() -> Recipe:
    """The student with a teacher on LSP and its extension, 14 joints.

    Published: 90.8 PCK@0.2. `python -m training run fpd-lsp` after the other two; hours not measured here.
    """
    known = started(ORIGINAL_LARGE, "hourglass-8x256-lsp")
    return lsp("fpd-lsp", started(ORIGINAL_SMALL, "hourglass-4x128-lsp"), DISTILLED, known)


def mpii(
    name: str,
    student: Network,
    method: MethodRecipe,
    *,
    known: Network | None = None,
    epochs: int = 140,
    drop_epochs: tuple[int, ...] = (90, 120),
) -> Recipe:
    """A run of the released code: Adam, batches of 4."""
    return Recipe(
        name=name,
        student=student,
        teacher=known,
        method=method,
        data=MPII,
        optimisation=replace(RELEASED, drop_epochs=drop_epochs),
        input_size=CROP,
        codec=MAPS,
        scheme="mpii",
        epochs=epochs,
        batch_size=4,
        headline="pckh-hrnet/mean/PCKh@0.5",
    )


def paper(name: str, student: Network, method: MethodRecipe, known: Network | None = None) -> Recipe:
    """A run of the paper: RMSProp, 130 epochs."""
    data = replace(MPII, augmentation=PAPER_AUGMENTATION, light_augmentation=PAPER_AUGMENTATION)
    recipe = mpii(name, student, method, known=known, epochs=130)
    return replace(recipe, data=data, optimisation=PAPER)


def lsp(name: str, student: Network, method: MethodRecipe, known: Network | None = None) -> Recipe:
    """A run of the paper on LSP: RMSProp, 70 epochs."""
    recipe = paper(name, student, method, known)
    return replace(recipe, data=LSP, scheme="lsp", epochs=70, headline="pck-torso/mean/PCK@0.2")


# In small


PEOPLE_CROP = Size(width=128, height=128)
PEOPLE_MAPS = Heatmap(map_size=Size(32, 32), sigma=2.0)
PEOPLE_TEACHER, PEOPLE_STUDENT = Network(model="hourglass-4x64"), Network(model="hourglass-2x32")
TEACHER_EPOCHS, STUDENT_EPOCHS = 20, 6

LSPET_PEOPLE = Source(
    dataset="coco_wholebody",
    annotations="train.json",
    options=(("human_labels", 1), ("below", "images/lspet/")),
)
PEOPLE = Data(
    train=(LSPET_PEOPLE,),
    val=replace(LSPET_PEOPLE, annotations="val.json", options=(("below", "images/lspet/"),)),
    augmentation=AUGMENTATION,
    light_augmentation=AUGMENTATION,
    workers=1,
)

PEOPLE_VARIANTS = {
    "alone": LABELS_ALONE,
    "half": DISTILLED,
    "taught": MethodRecipe(name="fpd", options=(("alpha", 1.0),)),
    "unmasked": MethodRecipe(name="fpd", options=(("mask_teacher", False),)),
}
"""Labels alone (alpha 0); labels and teacher (alpha 0.5); the teacher alone (alpha 1); alpha 0.5 with a teacher that is
also asked about joints which nobody labelled."""

WARM = "warm-"
"""Before the name of a variant that goes on from the student of labels alone."""

PEOPLE_STUDENTS = (*PEOPLE_VARIANTS, *(f"{WARM}{variant}" for variant in ("alone", "half", "taught")))


def people_teacher() -> Recipe:
    """The teacher in small, 4 stacks x 64 at 128 x 128, on the people of LSPET in the people pack.

    No published number. `python -m training run people-hourglass --data FOLDER`; hours are in `docs/results.md`.
    """
    return people("people-hourglass", PEOPLE_TEACHER, LABELS_ALONE, epochs=TEACHER_EPOCHS)


def people_student(variant: str) -> Callable[[], Recipe]:
    """A function that returns the recipe of one of `PEOPLE_STUDENTS`."""
    name = f"people-fpd-{variant}"

    def build() -> Recipe:
        method = PEOPLE_VARIANTS[variant.removeprefix(WARM)]
        known = None if method == LABELS_ALONE else started(PEOPLE_TEACHER, "people-hourglass")
        first = started(PEOPLE_STUDENT, "people-fpd-alone") if variant.startswith(WARM) else PEOPLE_STUDENT
        return people(name, first, method, known)

    build.__doc__ = f"""The student in small, 2 stacks x 32 at 128 x 128, on the people of LSPET: `{variant}`.

    No published number. `python -m training run {name} --data FOLDER` after `people-hourglass`, and after
    `people-fpd-alone` where it starts warm; hours are in `docs/results.md`.
    """
    return build


def people(
    name: str, student: Network, method: MethodRecipe, known: Network | None = None, epochs: int = STUDENT_EPOCHS
) -> Recipe:
    """A run on the 12 joints of arms and legs that people marked.

    Peaks are as wide in cells as the published ones, twice as wide on the person: narrower ones, larger batches and
    smaller learning rates leave the maps empty for longer.
    """
    return Recipe(
        name=name,
        student=student,
        teacher=known,
        method=method,
        data=PEOPLE,
        optimisation=replace(
            RELEASED,
            learning_rate=2.5e-3,
            warm_up_steps=50,
            schedule="cosine",
            flat_until_epoch=epochs // 2,
            cosine_until_epoch=epochs,
            drop_epochs=(),
            ema_decay=2e-4,
            ema_warm_up=200,
        ),
        input_size=PEOPLE_CROP,
        codec=PEOPLE_MAPS,
        scheme="limbs",
        epochs=epochs,
        batch_size=8,
        evaluate_every=epochs,
        headline="pck-torso/mean/PCK@0.2",
    )
