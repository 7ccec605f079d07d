"""Every result that can be trained, by name. A new one is a function in a file here and a line in `RECIPES`.

A recipe's docstring says what the published number is and where it stands, what to type, and how long it takes. Where
a file says nothing else, published numbers are whole-body AP or AR on COCO-WholeBody v1.0 val with the boxes of a
detector (person AP 56.4) and flip test. "Table 1" is the main table of the paper as the README of DWPose (AP) and that
of mmpose (AR) repeat it. None of the numbers was reproduced here: that takes the data sets and a machine with eight
GPUs.
"""

from collections.abc import Callable

from pose_core.errors import UnknownChoice
from training.recipe import Recipe
from training.recipes import ablations, baselines, distilpose, folder, fpd, skelmap, skelmap_det, stage1, stage2
from training.recipes.debug import DEBUG_SUFFIX, debug_of

RECIPES: dict[str, Callable[[], Recipe]] = {
    # from labels alone
    "rtmpose-t-256": baselines.rtmpose_t_256,
    "rtmpose-s-256": baselines.rtmpose_s_256,
    "rtmpose-m-256": baselines.rtmpose_m_256,
    "rtmpose-l-256": baselines.rtmpose_l_256,
    "rtmpose-x-256": baselines.rtmpose_x_256,
    "rtmpose-l-384": baselines.rtmpose_l_384,
    "rtmpose-x-384": baselines.rtmpose_x_384,
    "rtmpose-m-256-coco": baselines.rtmpose_m_256_coco,
    "rtmpose-l-256-coco": baselines.rtmpose_l_256_coco,
    "rtmpose-l-384-coco": baselines.rtmpose_l_384_coco,
    "rtmpose-x-384-coco": baselines.rtmpose_x_384_coco,
    # first stage: teacher to student
    "dwpose-s1-l-t-256": stage1.l_to_t_256,
    "dwpose-s1-l-s-256": stage1.l_to_s_256,
    "dwpose-s1-l-m-256": stage1.l_to_m_256,
    "dwpose-s1-x-l-256": stage1.x_to_l_256,
    "dwpose-s1-x-l-384": stage1.x_to_l_384,
    "dwpose-s1-l-t-384": stage1.l_to_t_384,
    "dwpose-s1-l-s-384": stage1.l_to_s_384,
    "dwpose-s1-l-m-384": stage1.l_to_m_384,
    "dwpose-s1-l-m-256-coco": stage1.l_to_m_256_coco,
    "dwpose-s1-x-l-384-coco": stage1.x_to_l_384_coco,
    # second stage: a network to its own new head
    "dwpose-s2-t-256": stage2.t_256,
    "dwpose-s2-s-256": stage2.s_256,
    "dwpose-s2-m-256": stage2.m_256,
    "dwpose-s2-l-256": stage2.l_256,
    "dwpose-s2-x-256": stage2.x_256,
    "dwpose-s2-t-384": stage2.t_384,
    "dwpose-s2-s-384": stage2.s_384,
    "dwpose-s2-m-384": stage2.m_384,
    "dwpose-s2-l-384": stage2.l_384,
    # any folder of people
    "folder-t": folder.supervised_t,
    "folder-s": folder.supervised_s,
    "folder-tune": folder.tune,
    "folder-s1-s-t": folder.stage1_s_to_t,
    "folder-s2-t": folder.stage2_t,
    # fast pose distillation: the released code, the paper, and in small
    "hourglass-8x256": fpd.teacher,
    "hourglass-4x128": fpd.student,
    "fpd-scratch": fpd.from_scratch,
    "fpd": fpd.warm,
    "hourglass-8x256-paper": fpd.paper_teacher,
    "hourglass-4x128-paper": fpd.paper_student,
    "fpd-paper": fpd.paper_warm,
    "hourglass-8x256-lsp": fpd.lsp_teacher,
    "hourglass-4x128-lsp": fpd.lsp_student,
    "fpd-lsp": fpd.lsp_warm,
    "people-hourglass": fpd.people_teacher,
    **{f"people-fpd-{variant}": fpd.people_student(variant) for variant in fpd.PEOPLE_STUDENTS},
    # the networks inside the package
    "skelmap-m-features": skelmap.features_m,
    "skelmap-s-features": skelmap.features_s,
    "skelmap-t-features": skelmap.features_t,
    "skelmap-m-start": skelmap.teacher_start,
    "skelmap-s1-half-start": skelmap.stage1_half_start,
    "skelmap-s1-start": skelmap.stage1_start,
    "skelmap-m-half": skelmap.teacher_half,
    "skelmap-m": skelmap.teacher,
    "skelmap-s1-half": skelmap.stage1_half,
    "skelmap-s1": skelmap.stage1,
    "skelmap-s2": skelmap.stage2,
    "skelmap-s1-on": skelmap.going_on,
    "skelmap-s1-again": skelmap.again,
    # which part of it helps
    **{f"ablation-{variant}": ablations.stage1(variant) for variant in ablations.STAGE1},
    "ablation-stage2": ablations.stage2,
    # DistilPose
    "tokenpose-s": distilpose.tokenpose_s,
    "tokenpose-w48": distilpose.tokenpose_w48,
    "distilpose-s": distilpose.distilpose_s,
    "distilpose-l": distilpose.distilpose_l,
    "distilpose-s-alone": distilpose.alone_s,
    "distilpose-l-alone": distilpose.alone_l,
    "people-tokenpose": distilpose.people_teacher,
    "people-distilpose-alone": distilpose.people_alone,
    **{f"people-distilpose-{variant}": distilpose.people_distilled(variant) for variant in distilpose.LEFT_OUT},
    # the detector inside the package
    "skelmap-det-blocks": skelmap_det.blocks,
    "skelmap-det-base": skelmap_det.base,
    "skelmap-det-restart": skelmap_det.restart,
    "skelmap-det-long": skelmap_det.long,
    "skelmap-det": skelmap_det.everything,
    "skelmap-det-fold0": skelmap_det.fold_0,
    "skelmap-det-fold1": skelmap_det.fold_1,
    "skelmap-det-fold2": skelmap_det.fold_2,
}


def find_recipe(name: str) -> Recipe:
    """The recipe of a name, which may end in `-debug`.

    Raises:
        UnknownChoice: there is none.
    """
    stem = name.removesuffix(DEBUG_SUFFIX)
    if stem not in RECIPES:
        raise UnknownChoice("recipe", name, RECIPES)
    recipe = RECIPES[stem]()
    return recipe if name == stem else debug_of(recipe)
