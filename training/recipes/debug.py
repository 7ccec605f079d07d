"""Any recipe, small enough for a laptop: drawn stick figures, the smallest networks, a dozen steps."""

from dataclasses import replace
from typing import NamedTuple

from pose_core.types import Size
from training.recipe import Network, Recipe, Source

DEBUG_SUFFIX = "-debug"
FIGURES = 16


WHOLE, REDUCED = Size(width=96, height=96), Size(width=32, height=32)
"""What a network sees, and a teacher that sees less than its student."""


class Miniature(NamedTuple):
    """What a task is tried out with.

    Attributes:
        model: of the student.
        wider: of a teacher that is wider than its student; the student's own kind otherwise.
        headline: a number that the task's metrics have.
    """

    model: str
    wider: str
    headline: str


MINIATURES = {
    "pose": Miniature("rtmpose-t", "rtmpose-s", "pck/wholebody/PCK@0.05"),
    "detection": Miniature("yolox-nano-person", "yolox-nano", "detection/all/AP50"),
}
"""By a recipe's task."""


def debug_of(recipe: Recipe) -> Recipe:
    """The same method, options and kinds of network on stick figures, from fresh weights and in seconds.

    Student and teacher keep being of equal or of different width; learning rate and phases fit two epochs. It shows
    that a recipe runs, not that it learns.
    """
    small = MINIATURES[recipe.task]
    figures = Source(dataset="synthetic", annotations="", options=(("count", FIGURES),))
    others = replace(figures, options=(("count", FIGURES // 2), ("seed", 1)))
    return replace(
        recipe,
        name=recipe.name + DEBUG_SUFFIX,
        student=Network(model=small.model),
        teacher=recipe.teacher and small_teacher(recipe.teacher, recipe.student, small),
        data=replace(recipe.data, train=(figures,), val=others, light_from_epoch=1, workers=0),
        optimisation=replace(
            recipe.optimisation, warm_up_steps=4, flat_until_epoch=1, cosine_until_epoch=2, ema_warm_up=10
        ),
        input_size=WHOLE,
        epochs=2,
        batch_size=4,
        evaluate_every=1,
        headline=small.headline,
        steps_per_epoch=None,
    )


def small_teacher(teacher: Network, student: Network, small: Miniature) -> Network:
    """A fresh teacher that is wider than the student, or not, like the one it stands for; or of its other family."""
    family, own = teacher.model.split("-")[0], student.model.split("-")[0]
    if family != own:
        return Network(model=teacher.model)
    size = REDUCED if teacher.input_size else None
    return Network(model=small.wider if teacher.model != student.model else small.model, input_size=size)
