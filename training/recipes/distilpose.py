"""DistilPose: teachers that answer maps, students that answer points, and the same in small for a folder of people.

Source: DistilPose, Ye et al. 2023, arXiv 2303.02455; configurations of yshMars/DistilPose@91651a8. Numbers are AP of
the 17 body points on COCO val2017 with the boxes of a detector (person AP 56.4) and flip test. The published runs shift
each box once and for all; here it is shifted anew in every epoch. Random changes have the published ranges but spread
otherwise inside them: rotations more, scales and shifts less (`docs/provenance.md`).
"""

from collections.abc import Callable
from dataclasses import replace

from pose_core.codecs import Codec, Heatmap, Regression
from pose_core.types import Size
from training.recipe import Augmentation, Data, MethodRecipe, Network, Optimisation, Recipe
from training.recipes.parts import COCO, COCO_VAL
from training.recipes.skelmap import DATA as PEOPLE
from training.recipes.skelmap import HALF_SIZE, MILD

SCHEME = "coco"

IMAGENET = "weights/hrnet_w48-8ef0771d.pth"
"""HRNet-W48 that names pictures, https://download.openmmlab.com/mmpose/pretrain_models/."""

AUGMENTATION = Augmentation(
    shift=(0.3, 0.16),  # of the box with its margin; 0.2 of the box itself
    scale=0.35,
    rotation=(0.6, 90.0),
    hue=(0.0, 0.0, 0.0),
    blur=0.0,
    dropout=(0.0, (0.2, 0.4)),
)
W48_AUGMENTATION = replace(AUGMENTATION, scale=0.5, rotation=(0.6, 80.0))

OPTIMISATION = Optimisation(
    optimiser="adam",
    learning_rate=1e-3,
    weight_decay=0.0,
    warm_up_steps=500,
    warm_up_start=1e-3,
    schedule="steps",
    drop_epochs=(200, 260),
    clip_norm=None,
    ema_decay=1.0,  # the newest weights alone
)

MAPS = Heatmap(map_size=Size(48, 64), sigma=2.0, refine="dark")
"""Of the teachers: peaks where the labels are and not in the middle of a cell."""

HEATMAPS = MethodRecipe(name="supervised-heatmaps", options=(("weight", 2.0),))
ALONE = MethodRecipe(name="regression")
TEACHER = Network(model="tokenpose-w48", weights="runs/tokenpose-w48")


def tokenpose_s() -> Recipe:
    """TokenPose on stemnet, the smaller teacher.

    Published: 72.5 AP. `python -m training run tokenpose-s`; hours not measured here.
    """
    return published("tokenpose-s", Network(model="tokenpose-s"), HEATMAPS, MAPS, batch_size=512)


def tokenpose_w48() -> Recipe:
    """TokenPose on HRNet-W48, the teacher of DistilPose-S and -L.

    Published: 72.5 AP, 75.2 with the Newton step of DARK. `python -m training run tokenpose-w48`; hours not measured
    here.
    """
    student = Network(model="tokenpose-w48", weights=IMAGENET, load="imagenet")
    recipe = published("tokenpose-w48", student, HEATMAPS, MAPS, batch_size=512)
    return replace(recipe, data=coco(W48_AUGMENTATION))


def distilpose_s() -> Recipe:
    """DistilPose-S.

    Published: 71.6 AP. `python -m training run distilpose-s` after `tokenpose-w48`; hours not measured here.
    """
    return distilled("distilpose-s", Network(model="distilpose-s"))


def distilpose_l() -> Recipe:
    """DistilPose-L, whose backbone starts from the teacher's.

    Published: 74.4 AP. `python -m training run distilpose-l` after `tokenpose-w48`; hours not measured here.
    """
    return distilled("distilpose-l", Network(model="distilpose-l", weights=TEACHER.weights, load="stages"))


def alone_s() -> Recipe:
    """The network of DistilPose-S without a teacher.

    Published: 56.0 AP. `python -m training run distilpose-s-alone`; hours not measured here.
    """
    return published("distilpose-s-alone", Network(model="distilpose-s"), ALONE, Regression(), batch_size=512)


def alone_l() -> Recipe:
    """The network of DistilPose-L without a teacher.

    Published: 63.0 AP. `python -m training run distilpose-l-alone`; hours not measured here.
    """
    student = Network(model="distilpose-l", weights=IMAGENET, load="imagenet")
    return published("distilpose-l-alone", student, ALONE, Regression(), batch_size=512)


def distilled(name: str, student: Network) -> Recipe:
    """A run with all losses at their published weights."""
    method = MethodRecipe(name="distilpose", options=(("masking", "reference"),))
    return replace(published(name, student, method, Regression(), batch_size=256), teacher=TEACHER)


def published(name: str, student: Network, method: MethodRecipe, codec: Codec, *, batch_size: int) -> Recipe:
    """A run on COCO of 300 epochs, without a teacher."""
    return Recipe(
        name=name,
        student=student,
        method=method,
        data=coco(AUGMENTATION),
        optimisation=OPTIMISATION,
        codec=codec,
        scheme=SCHEME,
        epochs=300,
        batch_size=batch_size,
        headline="coco-wholebody-ap/body/AP",
    )


def coco(augmentation: Augmentation) -> Data:
    """COCO with the same changes of the pictures from start to end."""
    return Data(train=(COCO,), val=COCO_VAL, augmentation=augmentation, light_augmentation=augmentation)


# In small


LEFT_OUT = {
    "sh": ("keypoint_token_weight", "visual_token_weight", "confidence_weight"),
    "cs": ("keypoint_token_weight", "visual_token_weight", "simulated_heatmap_weight"),
    "sh-cs": ("keypoint_token_weight", "visual_token_weight"),
    "kt": ("visual_token_weight", "simulated_heatmap_weight", "confidence_weight"),
    "vt": ("keypoint_token_weight", "simulated_heatmap_weight", "confidence_weight"),
    "kt-vt": ("simulated_heatmap_weight", "confidence_weight"),
    "all": (),
}
"""Variants of the paper's ablation -> the losses that are left out."""

PEOPLE_TEACHER = Network(model="tokenpose-xs", weights="runs/people-tokenpose")
TEACHER_EPOCHS, STUDENT_EPOCHS = 80, 8


def people_teacher() -> Recipe:
    """The teacher in small, at 128 x 96.

    No published number. `python -m training run people-tokenpose --data FOLDER`; hours are in `docs/results.md`.
    """
    maps = replace(MAPS, map_size=Size(HALF_SIZE.width // 4, HALF_SIZE.height // 4))
    teacher = Network(model=PEOPLE_TEACHER.model)
    return small("people-tokenpose", teacher, HEATMAPS, maps, epochs=TEACHER_EPOCHS, batch_size=128)


def people_alone() -> Recipe:
    """The student in small without a teacher, at 128 x 96.

    No published number. `python -m training run people-distilpose-alone --data FOLDER`; hours are in `docs/results.md`.
    """
    return small("people-distilpose-alone", Network(model="distilpose-xs"), ALONE, Regression(), epochs=STUDENT_EPOCHS)


def people_distilled(variant: str) -> Callable[[], Recipe]:
    """A function that returns the recipe of a key of `LEFT_OUT`."""

    def build() -> Recipe:
        method = MethodRecipe(name="distilpose", options=tuple((name, 0.0) for name in LEFT_OUT[variant]))
        name = f"people-distilpose-{variant}"
        recipe = small(name, Network(model="distilpose-xs"), method, Regression(), epochs=STUDENT_EPOCHS)
        return replace(recipe, teacher=PEOPLE_TEACHER)

    build.__doc__ = f"""The student in small, at 128 x 96, with some of the losses: `{variant}`.

    No published number. `python -m training run people-distilpose-{variant} --data FOLDER` after `people-tokenpose`;
    hours are in `docs/results.md`.
    """
    return build


def small(
    name: str, student: Network, method: MethodRecipe, codec: Codec, *, epochs: int, batch_size: int = 64
) -> Recipe:
    """A run that is flat for its first half and averaged over its last steps."""
    return Recipe(
        name=name,
        student=student,
        method=method,
        data=replace(PEOPLE, augmentation=replace(MILD, cut=0.0)),
        optimisation=Optimisation(
            learning_rate=1e-3,
            weight_decay=0.0,
            warm_up_steps=200,
            flat_until_epoch=epochs // 2,
            cosine_until_epoch=epochs,
            clip_norm=1.0,
            ema_warm_up=500,
        ),
        input_size=HALF_SIZE,
        codec=codec,
        scheme=SCHEME,
        epochs=epochs,
        batch_size=batch_size,
        evaluate_every=epochs,
        headline="pck/body/PCK@0.1",
    )
