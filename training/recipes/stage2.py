"""DWPose's second stage: a trained network teaches a new head, 60 epochs of the logit loss alone.

It works on any trained network; `--teacher-weights` names another one than that of the first stage.
"""

from dataclasses import replace

from training.recipe import MethodRecipe, Network, Optimisation, Recipe
from training.recipes.parts import (
    COCO_UBODY,
    HIGH,
    LOW,
    WIDE_AUGMENTATION,
    WIDE_LIGHT_AUGMENTATION,
    Resolution,
)

EPOCHS = 60
"""The paper says a fifth of the first stage; the published configurations have 60 of 270 (and 80 of 420)."""

PUBLISHED = Optimisation()
"""The schedule of the first stage, unchanged: within 60 epochs the learning rate warms up and stays at its peak. The
published numbers were obtained with it; the running average of the weights does what a falling rate would."""

SHRUNK = Optimisation(flat_until_epoch=EPOCHS // 2, cosine_until_epoch=EPOCHS)
"""The same schedule compressed to the length of the stage, which the paper's text would let one expect."""


def t_256() -> Recipe:
    """DWPose-t, 256x192.

    Table 1: 48.5 AP, 58.4 AR. `python -m training run dwpose-s2-t-256`; hours not measured here.
    """
    return self_distil("dwpose-s2-t-256", "t", "runs/dwpose-s1-l-t-256", LOW)


def s_256() -> Recipe:
    """DWPose-s, 256x192.

    Table 1: 53.8 AP, 63.2 AR. `python -m training run dwpose-s2-s-256`; hours not measured here.
    """
    return self_distil("dwpose-s2-s-256", "s", "runs/dwpose-s1-l-s-256", LOW)


def m_256() -> Recipe:
    """DWPose-m, 256x192.

    Table 1: 60.6 AP, 69.5 AR. `python -m training run dwpose-s2-m-256`; hours not measured here.
    """
    return self_distil("dwpose-s2-m-256", "m", "runs/dwpose-s1-l-m-256", LOW)


def l_256() -> Recipe:
    """DWPose-l, 256x192.

    Tables 1, 2 and 4: 63.1 AP, 71.7 AR. `python -m training run dwpose-s2-l-256`; hours not measured here.
    """
    return self_distil("dwpose-s2-l-256", "l", "runs/dwpose-s1-x-l-256", LOW)


def x_256() -> Recipe:
    """RTMPose-x with a new head, 256x192: the second stage without a first one.

    No published number (its teacher has 63.0 AP, table 4). `python -m training run dwpose-s2-x-256`; hours not measured
    here.
    """
    recipe = self_distil("dwpose-s2-x-256", "x", "weights/rtmpose-x_ucoco_256x192-05f5bcb7_20230822.pth", LOW)
    wide = replace(COCO_UBODY, augmentation=WIDE_AUGMENTATION, light_augmentation=WIDE_LIGHT_AUGMENTATION)
    return replace(recipe, data=wide)


def t_384() -> Recipe:
    """DWPose-t, 384x288, a size the paper does not train.

    No published number. `python -m training run dwpose-s2-t-384`; hours not measured here.
    """
    return self_distil("dwpose-s2-t-384", "t", "runs/dwpose-s1-l-t-384", HIGH)


def s_384() -> Recipe:
    """DWPose-s, 384x288, a size the paper does not train.

    No published number. `python -m training run dwpose-s2-s-384`; hours not measured here.
    """
    return self_distil("dwpose-s2-s-384", "s", "runs/dwpose-s1-l-s-384", HIGH)


def m_384() -> Recipe:
    """DWPose-m, 384x288, a size the paper does not train.

    No published number. `python -m training run dwpose-s2-m-384`; hours not measured here.
    """
    return self_distil("dwpose-s2-m-384", "m", "runs/dwpose-s1-l-m-384", HIGH)


def l_384() -> Recipe:
    """DWPose-l, 384x288: the network that most programs use, `dw-ll_ucoco_384`.

    Table 1: 66.5 AP, 74.3 AR. `python -m training run dwpose-s2-l-384`; hours not measured here.
    """
    return self_distil("dwpose-s2-l-384", "l", "runs/dwpose-s1-x-l-384", HIGH)


def self_distil(
    name: str, size: str, weights: str, resolution: Resolution, optimisation: Optimisation = PUBLISHED
) -> Recipe:
    """A fresh head for the network of these weights."""
    return Recipe(
        name=name,
        student=Network(model=f"rtmpose-{size}"),
        teacher=Network(model=f"rtmpose-{size}", weights=weights),
        method=MethodRecipe(name="dwpose-stage2"),
        data=COCO_UBODY,
        optimisation=optimisation,
        input_size=resolution.input_size,
        codec=resolution.codec,
        epochs=EPOCHS,
        batch_size=resolution.batch_size,
    )
