"""Any recipe, small enough for a laptop: drawn stick figures, the smallest networks, a dozen steps."""

from dataclasses import replace

from pose_core.types import Size
from training.recipe import Network, Recipe, Source

DEBUG_SUFFIX = "-debug"
FIGURES = 16


def debug_of(recipe: Recipe) -> Recipe:
    """The same method, options and kinds of network on stick figures, from fresh weights and in seconds.

    Student and teacher keep being of equal or of different width; learning rate and phases fit two epochs. It shows
    that a recipe runs, not that it learns.
    """
    wider = recipe.teacher is not None and recipe.teacher.model != recipe.student.model
    figures = Source(dataset="synthetic", annotations="", options=(("count", FIGURES),))
    others = replace(figures, options=(("count", FIGURES // 2), ("seed", 1)))
    return replace(
        recipe,
        name=recipe.name + DEBUG_SUFFIX,
        student=Network(model="rtmpose-t"),
        teacher=recipe.teacher and Network(model="rtmpose-s" if wider else "rtmpose-t"),
        data=replace(recipe.data, train=(figures,), val=others, light_from_epoch=1, workers=0),
        optimisation=replace(
            recipe.optimisation, warm_up_steps=4, flat_until_epoch=1, cosine_until_epoch=2, ema_warm_up=10
        ),
        input_size=Size(width=64, height=64),
        epochs=2,
        batch_size=4,
        evaluate_every=1,
        headline="pck/wholebody/PCK@0.05",
        steps_per_epoch=None,
    )
