"""Small runs on any folder of people: `train.json`, `val.json` in the layout of COCO-WholeBody, pictures beside them.

Not from the paper. They start from nothing or from the network inside the package, so that they need no other download,
and are sized for some thousand people and one device; every number of them is a starting point.
"""

from dataclasses import replace

from pose_core.weights import EMBEDDED
from training.recipe import Data, MethodRecipe, Network, Optimisation, Recipe, Source
from training.recipes.parts import LOW

CONFIDENT = (("confidence_weights", 1),)
"""A label's third number between 0 and 1 is how far it counts."""

DATA = Data(
    train=(Source(dataset="coco_wholebody", annotations="train.json", options=CONFIDENT),),
    val=Source(dataset="coco_wholebody", annotations="val.json", options=CONFIDENT),
    light_from_epoch=54,
    workers=2,
)

OPTIMISATION = Optimisation(
    learning_rate=2e-3, warm_up_steps=300, flat_until_epoch=30, cosine_until_epoch=60, ema_warm_up=500
)


def supervised_t() -> Recipe:
    """RTMPose-t from labels alone.

    No published number. `python -m training run folder-t --data FOLDER`; hours not measured here.
    """
    return small("folder-t", "t", "supervised", epochs=60)


def supervised_s() -> Recipe:
    """RTMPose-s from labels alone, for a teacher of `folder-s1-s-t`.

    No published number. `python -m training run folder-s --data FOLDER`; hours not measured here.
    """
    return small("folder-s", "s", "supervised", epochs=60)


def tune() -> Recipe:
    """`skelmap-t`, the RTMPose-s inside the package, goes on with your people.

    No published number. `python -m training run folder-tune --data FOLDER`; hours not measured here.
    """
    recipe = small("folder-tune", "s", "supervised", epochs=20)
    optimisation = replace(OPTIMISATION, learning_rate=5e-4, flat_until_epoch=10, cosine_until_epoch=20)
    student = Network(model="rtmpose-s", weights=str(EMBEDDED / "skelmap-t.onnx"))
    return replace(recipe, student=student, optimisation=optimisation)


def stage1_s_to_t() -> Recipe:
    """First stage, RTMPose-s to t.

    No published number. `python -m training run folder-s1-s-t --data FOLDER` after `folder-s`; hours not measured here.
    """
    return small("folder-s1-s-t", "t", "dwpose-stage1", teacher=("s", "runs/folder-s"), epochs=60)


def stage2_t() -> Recipe:
    """Second stage for RTMPose-t.

    No published number. `python -m training run folder-s2-t --data FOLDER` after `folder-s1-s-t`; hours not measured
    here.
    """
    return small("folder-s2-t", "t", "dwpose-stage2", teacher=("t", "runs/folder-s1-s-t"), epochs=15)


def small(name: str, student: str, method: str, *, epochs: int, teacher: tuple[str, str] | None = None) -> Recipe:
    """A run with batches of 64 at 256x192; the teacher is given by size and run."""
    return Recipe(
        name=name,
        student=Network(model=f"rtmpose-{student}", load="backbone"),
        teacher=Network(model=f"rtmpose-{teacher[0]}", weights=teacher[1]) if teacher else None,
        method=MethodRecipe(name=method),
        data=DATA,
        optimisation=OPTIMISATION,
        input_size=LOW.input_size,
        codec=LOW.codec,
        epochs=epochs,
        batch_size=64,
        evaluate_every=5,
        headline="pck/wholebody/PCK@0.05",
    )
