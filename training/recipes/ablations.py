"""The paper's ablations at a size that two cores can do: which part of the distillation helps how much.

Not from the paper; its tables 5 to 7 ask the same questions of COCO-WholeBody and UBody. All runs share data, changes
of the pictures, length and schedule. Each adds one thing to the run before, from labels alone to both losses with
decay; two more change one thing of the last. `python -m benchmarks.ablations` runs all of them for several seeds and
prints the table in `docs/results.md`.
"""

from collections.abc import Callable
from dataclasses import replace

from training.recipe import MethodRecipe, Network, Recipe
from training.recipes.skelmap import FEATURE_WEIGHT, halved, ours, seeing

EPOCHS, STEPS = 4, 50
TEACHER = "runs/skelmap-s1-half-start"
DISTILLED = "runs/ablation-decay"

STAGE1 = {
    "truth": MethodRecipe(name="supervised"),
    "feature": MethodRecipe(name="dwpose-stage1", options=(FEATURE_WEIGHT, ("logit_weight", 0.0), ("decay", False))),
    "logit": MethodRecipe(name="dwpose-stage1", options=(FEATURE_WEIGHT, ("decay", False))),
    "decay": MethodRecipe(name="dwpose-stage1", options=(FEATURE_WEIGHT,)),
    "mask": MethodRecipe(name="dwpose-stage1", options=(FEATURE_WEIGHT, ("mask_logits", True))),
}
"""What is left of the first stage: labels alone; feature loss, too; logit loss, too; both with decay, which is the
published method; that with the logit loss of labelled points only."""


def stage1(variant: str) -> Callable[[], Recipe]:
    """A function that returns the recipe of a key of `STAGE1`."""

    def build() -> Recipe:
        method = STAGE1[variant]
        known = None if method.name == "supervised" else Network(model="rtmpose-s", weights=TEACHER)
        return small(f"ablation-{variant}", seeing("t"), method, known, EPOCHS)

    build.__doc__ = f"""First stage in small, RTMPose-s to t at 128 x 96: `{variant}`.

    No published number. `python -m training run ablation-{variant} --data FOLDER` after `skelmap-s1-half-start` and
    `skelmap-t-features`; hours are in `docs/results.md`.
    """
    return build


def stage2() -> Recipe:
    """Second stage in small, after `ablation-decay`.

    No published number. `python -m training run ablation-stage2 --data FOLDER`; hours are in `docs/results.md`.
    """
    student, distilled = Network(model="rtmpose-t"), Network(model="rtmpose-t", weights=DISTILLED)
    return small("ablation-stage2", student, MethodRecipe(name="dwpose-stage2"), distilled, EPOCHS // 2)


def small(name: str, student: Network, method: MethodRecipe, teacher: Network | None, epochs: int) -> Recipe:
    """A run at half the resolution, of short epochs."""
    recipe = ours(name, student, method, epochs=epochs, learning_rate=2e-3, teacher=teacher)
    optimisation = replace(recipe.optimisation, warm_up_steps=30)
    return replace(halved(recipe), optimisation=optimisation, evaluate_every=epochs, steps_per_epoch=STEPS)
