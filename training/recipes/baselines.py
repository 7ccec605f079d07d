"""RTMPose from labels alone: the networks that the paper compares with, and its teachers."""

from dataclasses import replace

from training.recipe import Data, MethodRecipe, Optimisation, Recipe
from training.recipes.parts import (
    COCO_ONLY,
    COCO_UBODY,
    HIGH,
    LOW,
    WIDE_AUGMENTATION,
    WIDE_LIGHT_AUGMENTATION,
    Resolution,
    pretrained,
)


def rtmpose_t_256() -> Recipe:
    """RTMPose-t, 256x192, COCO-WholeBody + UBody.

    The paper has no such number (DWPose-t reaches 48.5). `python -m training run rtmpose-t-256`; hours not measured
    here.
    """
    return supervised("rtmpose-t-256", "t", LOW, COCO_UBODY)


def rtmpose_s_256() -> Recipe:
    """RTMPose-s, 256x192, COCO-WholeBody + UBody.

    The paper has no such number (DWPose-s reaches 53.8). `python -m training run rtmpose-s-256`; hours not measured
    here.
    """
    return supervised("rtmpose-s-256", "s", LOW, COCO_UBODY)


def rtmpose_m_256() -> Recipe:
    """RTMPose-m, 256x192, COCO-WholeBody + UBody.

    The paper has no such number (58.2 without UBody, DWPose-m reaches 60.6). `python -m training run rtmpose-m-256`;
    hours not measured here.
    """
    return supervised("rtmpose-m-256", "m", LOW, COCO_UBODY)


def rtmpose_l_256() -> Recipe:
    """RTMPose-l, 256x192, COCO-WholeBody + UBody: teacher of t, s and m.

    Table 2: 62.1 AP, hands 55.1. `python -m training run rtmpose-l-256`; hours not measured here.
    """
    return supervised("rtmpose-l-256", "l", LOW, COCO_UBODY)


def rtmpose_x_256() -> Recipe:
    """RTMPose-x, 256x192, COCO-WholeBody + UBody: teacher of l.

    Table 4: 63.0 AP. `python -m training run rtmpose-x-256`; hours not measured here.
    """
    return supervised_x("rtmpose-x-256", LOW, COCO_UBODY)


def rtmpose_l_384() -> Recipe:
    """RTMPose-l, 384x288, COCO-WholeBody + UBody: teacher for students at this size.

    The paper has no such number (64.8 without UBody, DWPose-l reaches 66.5). `python -m training run rtmpose-l-384`;
    hours not measured here.
    """
    return supervised("rtmpose-l-384", "l", HIGH, COCO_UBODY)


def rtmpose_x_384() -> Recipe:
    """RTMPose-x, 384x288, COCO-WholeBody + UBody: teacher of l.

    The paper has no such number (65.3 without UBody). `python -m training run rtmpose-x-384`; hours not measured here.
    """
    return supervised_x("rtmpose-x-384", HIGH, COCO_UBODY)


def rtmpose_m_256_coco() -> Recipe:
    """RTMPose-m, 256x192, COCO-WholeBody alone.

    Table 1: 58.2 AP, 67.4 AR. `python -m training run rtmpose-m-256-coco`; hours not measured here.
    """
    return supervised("rtmpose-m-256-coco", "m", LOW, COCO_ONLY)


def rtmpose_l_256_coco() -> Recipe:
    """RTMPose-l, 256x192, COCO-WholeBody alone: teacher of m there.

    Tables 1 and 2: 61.1 AP, 70.0 AR. `python -m training run rtmpose-l-256-coco`; hours not measured here.
    """
    return supervised("rtmpose-l-256-coco", "l", LOW, COCO_ONLY)


def rtmpose_l_384_coco() -> Recipe:
    """RTMPose-l, 384x288, COCO-WholeBody alone.

    Table 1: 64.8 AP, 73.0 AR. `python -m training run rtmpose-l-384-coco`; hours not measured here.
    """
    return supervised("rtmpose-l-384-coco", "l", HIGH, COCO_ONLY)


def rtmpose_x_384_coco() -> Recipe:
    """RTMPose-x, 384x288, COCO-WholeBody alone: teacher of l there.

    Table 1: 65.3 AP, 73.3 AR. `python -m training run rtmpose-x-384-coco`; hours not measured here.
    """
    return supervised_x("rtmpose-x-384-coco", HIGH, COCO_ONLY)


def supervised(name: str, size: str, resolution: Resolution, data: Data) -> Recipe:
    """270 epochs of the ground-truth loss; unlike the distillation runs, without gradient clipping."""
    return Recipe(
        name=name,
        student=pretrained(size),
        method=MethodRecipe(name="supervised", options=(("ground_truth_weight", resolution.per_device),)),
        data=data,
        optimisation=Optimisation(clip_norm=None),
        input_size=resolution.input_size,
        codec=resolution.codec,
        batch_size=resolution.batch_size,
    )


def supervised_x(name: str, resolution: Resolution, data: Data) -> Recipe:
    """The same for size x, which has gradients clipped at 35 and wider random views in both phases."""
    return replace(
        supervised(name, "x", resolution, data),
        optimisation=Optimisation(clip_norm=35.0),
        data=replace(data, augmentation=WIDE_AUGMENTATION, light_augmentation=WIDE_LIGHT_AUGMENTATION),
    )
