"""Recipes of fast pose distillation: the published values, and what the small ones share."""

import pytest

from pose_core.codecs import Heatmap
from pose_core.types import Size
from training.optim import learning_rate
from training.recipe import Network
from training.recipes import RECIPES
from training.recipes.fpd import PEOPLE_STUDENTS, WARM

RELEASED = ("hourglass-8x256", "hourglass-4x128", "fpd-scratch", "fpd")
PAPER = ("hourglass-8x256-paper", "hourglass-4x128-paper", "fpd-paper")
LSP = ("hourglass-8x256-lsp", "hourglass-4x128-lsp", "fpd-lsp")


@pytest.mark.parametrize("name", [*RELEASED, *PAPER, *LSP])
def test_all_published_runs_share_crops_maps_and_batches(name: str) -> None:
    recipe = RECIPES[name]()
    assert recipe.input_size == Size(256, 256)
    assert recipe.codec == Heatmap(map_size=Size(64, 64), sigma=2.0)
    assert (recipe.batch_size, recipe.optimisation.learning_rate, recipe.optimisation.weight_decay) == (4, 2.5e-4, 0)
    assert (recipe.optimisation.clip_norm, recipe.optimisation.ema_decay) == (None, 1.0)
    assert recipe.scheme == ("lsp" if name in LSP else "mpii")
    assert recipe.data.augmentation == recipe.data.light_augmentation
    assert (recipe.data.augmentation.flip, recipe.data.augmentation.half_body) == (0.5, 0)


def test_the_released_code_has_adam_and_steps() -> None:
    for name, epochs, drops in (("hourglass-8x256", 150, (120, 140)), ("fpd", 140, (90, 120))):
        recipe = RECIPES[name]()
        assert recipe.epochs == epochs
        assert recipe.optimisation.optimiser == "adam"
        first, second = drops
        rates = [learning_rate(recipe.optimisation, epoch, 1) for epoch in (0, first - 1, first, second)]
        assert rates == pytest.approx([2.5e-4, 2.5e-4, 2.5e-5, 2.5e-6])


@pytest.mark.parametrize(("names", "epochs"), [(PAPER, 130), (LSP, 70)])
def test_the_paper_has_rmsprop_and_one_rate(names: tuple[str, ...], epochs: int) -> None:
    for recipe in (RECIPES[name]() for name in names):
        assert (recipe.optimisation.optimiser, recipe.epochs) == ("rmsprop", epochs)
        assert learning_rate(recipe.optimisation, epochs - 1, 1) == 2.5e-4
        assert recipe.student.model.endswith("-original")


@pytest.mark.parametrize("name", ["fpd", "fpd-paper", "fpd-lsp"])
def test_the_student_goes_on_from_its_own_run_and_the_teacher_is_one_of_ours(name: str) -> None:
    recipe = RECIPES[name]()
    assert recipe.teacher is not None
    for network in (recipe.student, recipe.teacher):
        before = RECIPES[(network.weights or "").removeprefix("runs/")]()
        assert before.student == Network(model=network.model)
        assert (before.scheme, before.codec, before.method.name) == (recipe.scheme, recipe.codec, "supervised-heatmaps")
    scratch = RECIPES["fpd-scratch"]()
    assert scratch.student.weights is None
    assert scratch.method == RECIPES["fpd"]().method


def test_lsp_is_trained_on_both_sets_and_measured_on_the_second_thousand() -> None:
    data = RECIPES["fpd-lsp"]().data
    assert [(source.annotations, dict(source.options)) for source in data.train] == [
        ("lspet/joints.mat", {}),
        ("lsp/joints.mat", {"last": 1000}),
    ]
    assert dict(data.val.options) == {"first": 1001, "keep_outside": 1}


@pytest.mark.parametrize("variant", PEOPLE_STUDENTS)
def test_small_runs_differ_in_nothing_but_their_losses_and_their_start(variant: str) -> None:
    recipe, teacher = RECIPES[f"people-fpd-{variant}"](), RECIPES["people-hourglass"]()
    alone = RECIPES["people-fpd-alone"]()
    assert (recipe.data, recipe.codec, recipe.scheme) == (teacher.data, teacher.codec, "limbs")
    assert (recipe.optimisation, recipe.epochs, recipe.student.model) == (
        alone.optimisation,
        alone.epochs,
        alone.student.model,
    )
    assert recipe.student.weights == ("runs/people-fpd-alone" if variant.startswith(WARM) else None)
    assert recipe.teacher == (
        None if variant.endswith("alone") else Network(model=teacher.student.model, weights="runs/people-hourglass")
    )
    assert dict(recipe.data.train[0].options) == {"human_labels": 1, "below": "images/lspet/"}
