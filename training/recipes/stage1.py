"""DWPose's first stage: a student learns from labels and from a larger teacher's feature map and logits.

Teachers are the published RTMPose networks, not DWPose ones as the names of the reference's configurations suggest;
where there is none, a run of ours. Published numbers are those after both stages.
"""

from training.recipe import Data, MethodRecipe, Network, Recipe
from training.recipes.parts import COCO_ONLY, COCO_UBODY, HIGH, LOW, Resolution, pretrained

L_256 = "weights/rtmpose-l_ucoco_256x192-95bb32f5_20230822.pth"
X_256 = "weights/rtmpose-x_ucoco_256x192-05f5bcb7_20230822.pth"
X_384 = "weights/rtmpose-x_ucoco_384x288-f5b50679_20230822.pth"
L_256_COCO = "weights/rtmpose-l_simcc-coco-wholebody_pt-aic-coco_270e-256x192-6f206314_20230124.pth"
X_384_COCO = "weights/rtmpose-x_simcc-coco-wholebody_pt-body7_270e-384x288-401dfc90_20230629.pth"
L_384 = "runs/rtmpose-l-384"


def l_to_t_256() -> Recipe:
    """RTMPose-l to t, 256x192.

    Table 1, after stage 2: 48.5 AP, 58.4 AR. `python -m training run dwpose-s1-l-t-256`; hours not measured here.
    """
    return distil("dwpose-s1-l-t-256", ("l", L_256), "t", LOW)


def l_to_s_256() -> Recipe:
    """RTMPose-l to s, 256x192.

    Table 1, after stage 2: 53.8 AP, 63.2 AR. `python -m training run dwpose-s1-l-s-256`; hours not measured here.
    """
    return distil("dwpose-s1-l-s-256", ("l", L_256), "s", LOW)


def l_to_m_256() -> Recipe:
    """RTMPose-l to m, 256x192.

    Table 1, after stage 2: 60.6 AP, 69.5 AR. `python -m training run dwpose-s1-l-m-256`; hours not measured here.
    """
    return distil("dwpose-s1-l-m-256", ("l", L_256), "m", LOW)


def x_to_l_256() -> Recipe:
    """RTMPose-x to l, 256x192.

    Table 1, after stage 2: 63.1 AP, 71.7 AR; table 6 suggests about 62.3 before. `python -m training run
    dwpose-s1-x-l-256`; hours not measured here.
    """
    return distil("dwpose-s1-x-l-256", ("x", X_256), "l", LOW)


def x_to_l_384() -> Recipe:
    """RTMPose-x to l, 384x288: the first half of the network that most programs use, `dw-ll_ucoco_384`.

    Table 1, after stage 2: 66.5 AP, 74.3 AR. `python -m training run dwpose-s1-x-l-384`; hours not measured here.
    """
    return distil("dwpose-s1-x-l-384", ("x", X_384), "l", HIGH)


def l_to_t_384() -> Recipe:
    """RTMPose-l to t, 384x288, a size the paper does not train.

    No published number. `python -m training run dwpose-s1-l-t-384` after `rtmpose-l-384`; hours not measured here.
    """
    return distil("dwpose-s1-l-t-384", ("l", L_384), "t", HIGH)


def l_to_s_384() -> Recipe:
    """RTMPose-l to s, 384x288, a size the paper does not train.

    No published number. `python -m training run dwpose-s1-l-s-384` after `rtmpose-l-384`; hours not measured here.
    """
    return distil("dwpose-s1-l-s-384", ("l", L_384), "s", HIGH)


def l_to_m_384() -> Recipe:
    """RTMPose-l to m, 384x288, a size the paper does not train.

    No published number. `python -m training run dwpose-s1-l-m-384` after `rtmpose-l-384`; hours not measured here.
    """
    return distil("dwpose-s1-l-m-384", ("l", L_384), "m", HIGH)


def l_to_m_256_coco() -> Recipe:
    """RTMPose-l to m, 256x192, COCO-WholeBody alone.

    No published number of its own (58.2 AP undistilled). `python -m training run dwpose-s1-l-m-256-coco`; hours not
    measured here.
    """
    return distil("dwpose-s1-l-m-256-coco", ("l", L_256_COCO), "m", LOW, COCO_ONLY)


def x_to_l_384_coco() -> Recipe:
    """RTMPose-x to l, 384x288, COCO-WholeBody alone.

    No published number of its own (64.8 AP undistilled). `python -m training run dwpose-s1-x-l-384-coco`; hours not
    measured here.
    """
    return distil("dwpose-s1-x-l-384-coco", ("x", X_384_COCO), "l", HIGH, COCO_ONLY)


def distil(
    name: str, teacher: tuple[str, str], student: str, resolution: Resolution, data: Data = COCO_UBODY
) -> Recipe:
    """270 epochs of all three losses with decay; the teacher is given by size and weights."""
    size, weights = teacher
    return Recipe(
        name=name,
        student=pretrained(student),
        teacher=Network(model=f"rtmpose-{size}", weights=weights),
        method=MethodRecipe(name="dwpose-stage1", options=(("ground_truth_weight", resolution.per_device),)),
        data=data,
        input_size=resolution.input_size,
        codec=resolution.codec,
        batch_size=resolution.batch_size,
    )
