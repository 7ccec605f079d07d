"""Any recipe, small enough for a laptop: drawn stick figures, the smallest networks, a dozen steps."""

from dataclasses import replace
from typing import NamedTuple

from pose_core.codecs import Codec, Heatmap
from pose_core.types import Size
from training.recipe import Network, Recipe, Source

DEBUG_SUFFIX = "-debug"
FIGURES = 16

REDUCED = Size(width=32, height=32)
"""What a teacher sees that sees less than its student."""


class Miniature(NamedTuple):
    """What a family of networks is tried out with.

    Attributes:
        model: of the student.
        wider: of a teacher that is wider than its student, or of another family; the student's own kind otherwise.
        input_size: of what the student sees.
    """

    model: str
    wider: str
    input_size: Size = Size(width=96, height=96)


MINIATURES = {
    "rtmpose": Miniature("rtmpose-t", "rtmpose-s"),
    "hourglass": Miniature("hourglass-2x16", "hourglass-2x32", Size(width=64, height=64)),
    "tokenpose": Miniature("tokenpose-xs", "tokenpose-xs"),
    "distilpose": Miniature("distilpose-xs", "distilpose-xs"),
    "yolox": Miniature("yolox-nano-person", "yolox-nano"),
}
"""By what a network's name begins with."""

HEADLINES = {"pose": "pck/wholebody/PCK@0.05", "detection": "detection/all/AP50"}
"""A number that the metrics of each task have."""


def debug_of(recipe: Recipe) -> Recipe:
    """The same method, options and kinds of network on stick figures, from fresh weights and in seconds.

    Student and teacher keep being of equal or of different width; learning rate and phases fit two epochs. It shows
    that a recipe runs, not that it learns.
    """
    small = MINIATURES[family_of(recipe.student)]
    figures = Source(dataset="synthetic", annotations="", options=(("count", FIGURES),))
    others = replace(figures, options=(("count", FIGURES // 2), ("seed", 1)))
    return replace(
        recipe,
        name=recipe.name + DEBUG_SUFFIX,
        student=Network(model=small.model),
        teacher=recipe.teacher and small_teacher(recipe.teacher, recipe.student),
        data=replace(recipe.data, train=(figures,), val=others, light_from_epoch=1, workers=0),
        optimisation=replace(
            recipe.optimisation,
            warm_up_steps=4,
            flat_until_epoch=1,
            cosine_until_epoch=2,
            drop_epochs=(1,),
            ema_warm_up=10,
        ),
        input_size=small.input_size,
        codec=fitted_codec(recipe.codec, recipe.input_size, small.input_size),
        epochs=2,
        batch_size=4,
        evaluate_every=1,
        headline=HEADLINES[recipe.task],
        steps_per_epoch=None,
    )


def small_teacher(teacher: Network, student: Network) -> Network:
    """A fresh teacher that is wider than the student, or not, like the one it stands for; or of its other family."""
    small = MINIATURES[family_of(teacher)]
    size = REDUCED if teacher.input_size else None
    return Network(model=small.model if teacher.model == student.model else small.wider, input_size=size)


def family_of(network: Network) -> str:
    """What the name of a network begins with, up to its size."""
    return network.model.partition("-")[0]


def fitted_codec(codec: Codec, before: Size, now: Size) -> Codec:
    """The codec for crops of another size: maps shrink with them."""
    if not isinstance(codec, Heatmap):
        return codec
    width = codec.map_size.width * now.width // before.width
    height = codec.map_size.height * now.height // before.height
    return replace(codec, map_size=Size(width, height))
