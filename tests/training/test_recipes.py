"""Recipes: the published values, docstrings that keep their promise, and every one of them runs at debug size."""

import inspect
import math
import re
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch

from pose_core.codecs import SimCC
from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.types import Size
from training.assemble import build_batches, build_method
from training.data.ubody import SCENES
from training.distributed import World
from training.loop import remaining_batches, start
from training.models import MODELS
from training.optim import trainable
from training.overrides import Overrides, apply_overrides
from training.recipe import Optimisation, Recipe
from training.recipes import RECIPES, find_recipe
from training.recipes.debug import debug_of
from training.recipes.stage2 import SHRUNK
from training.run import Run, Settings
from training.step import take_step

HERE = World(0, 1, torch.device("cpu"))
PUBLISHED = [name for name in RECIPES if name.startswith(("rtmpose-", "dwpose-"))]
LABELS_ALONE = {"supervised", "supervised-heatmaps", "regression"}


DEBUG_RUNS = {replace(debug_of(build()), name="debug"): name for name, build in RECIPES.items()}
"""Recipes of other data, networks or sizes shrink to the same run, which is run once."""


@pytest.mark.parametrize("recipe", DEBUG_RUNS, ids=DEBUG_RUNS.values())
def test_every_recipe_runs_at_debug_size(recipe: Recipe, tmp_path: Path) -> None:
    method = build_method(recipe, tmp_path)
    run = Run(recipe, tmp_path, build_batches(recipe, tmp_path, HERE), None, HERE, Settings())
    state = start(run, method)
    before = {name: parameter.detach().clone() for name, parameter in trainable(method).items()}
    for epoch, batch in islice(remaining_batches(run, state), 2):
        numbers = take_step(run, state, state.method, batch, epoch)
        assert all(map(math.isfinite, numbers.losses.values()))
    still = [name for name, parameter in trainable(method).items() if torch.equal(parameter, before[name])]
    # a detector's boxes are learnt on maps of which a cell got somebody
    still = [name for name in still if not name.startswith("student.head.reg_preds.")]
    if recipe.method.name == "blockwise":  # deep blocks of a fresh teacher make constants, those of a fresh student
        still = [name for name in still if not name.endswith((".bn.weight", ".bias"))]
    assert still == []


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_called_what_it_is_called(name: str) -> None:
    recipe = RECIPES[name]()
    assert recipe.name == name
    assert recipe.student.model in MODELS
    assert recipe.method.name == "yolox" or (recipe.teacher is None) == (recipe.method.name in LABELS_ALONE)


@pytest.mark.parametrize("name", RECIPES)
def test_docstring_says_number_command_and_hours(name: str) -> None:
    text = " ".join((inspect.getdoc(RECIPES[name]) or "").split())
    assert re.search(r"AP|PCK|[Nn]o (such|published) number", text)
    assert f"`python -m training run {name}" in text
    assert "hours" in text


@pytest.mark.parametrize("name", RECIPES)
def test_debug_keeps_method_options_and_kinds_of_network(name: str) -> None:
    recipe, debug = RECIPES[name](), debug_of(RECIPES[name]())
    assert debug.method == recipe.method
    if recipe.teacher and debug.teacher:
        assert (recipe.teacher.model == recipe.student.model) == (debug.teacher.model == debug.student.model)
    assert debug.student.weights is None


@pytest.mark.parametrize("name", PUBLISHED)
def test_sizes_are_the_published_ones(name: str) -> None:
    recipe = RECIPES[name]()
    low = "-256" in name
    assert recipe.input_size == (Size(192, 256) if low else Size(288, 384))
    assert recipe.codec == SimCC(sigma=(4.9, 5.66) if low else (6.0, 6.93))
    assert recipe.batch_size == (512 if low else 256)
    assert dict(recipe.method.options).get("ground_truth_weight", 0) in {0, recipe.batch_size / 8}
    assert recipe.epochs == (60 if "-s2-" in name else 270)
    assert recipe.seed == 21
    assert [source.dataset for source in recipe.data.train] == ["coco_wholebody", "ubody"][: 1 if "coco" in name else 2]


def test_optimisation_is_the_published_one() -> None:
    assert RECIPES["dwpose-s1-x-l-384"]().optimisation == Optimisation(clip_norm=1.0)
    assert RECIPES["dwpose-s2-l-384"]().optimisation == Optimisation(flat_until_epoch=135, cosine_until_epoch=270)
    assert RECIPES["rtmpose-l-256"]().optimisation.clip_norm is None
    assert RECIPES["rtmpose-x-384"]().optimisation.clip_norm == 35.0
    assert (SHRUNK.flat_until_epoch, SHRUNK.cosine_until_epoch) == (30, 60)


def test_size_x_sees_wider_views_in_both_phases() -> None:
    for name in ("rtmpose-x-256", "dwpose-s2-x-256"):
        data = RECIPES[name]().data
        for augmentation in (data.augmentation, data.light_augmentation):
            assert (augmentation.scale, augmentation.rotation) == (0.5, (0.6, 90.0))
        assert data.light_augmentation.shift == (0.0, 0.0)
        assert data.light_augmentation.dropout[0] == 0.5


def test_stage_two_learns_from_stage_one() -> None:
    for name, recipe in ((name, build()) for name, build in RECIPES.items() if "-s2-" in name):
        assert recipe.teacher is not None
        assert recipe.student.weights is None, f"{name} has a fresh head"
        weights = recipe.teacher.weights or ""
        if weights.startswith("runs/"):
            before = RECIPES[weights.removeprefix("runs/")]()
            assert (before.student.model, before.input_size) == (recipe.student.model, recipe.input_size)


def test_every_pair_of_the_paper_is_there_at_both_sizes() -> None:
    for size in ("256", "384"):
        for pair in ("x-l", "l-m", "l-s", "l-t"):
            assert f"dwpose-s1-{pair}-{size}" in RECIPES
            assert f"dwpose-s2-{pair[-1]}-{size}" in RECIPES
    assert len(SCENES) == 15


def test_names_are_found_debug_ones_too() -> None:
    assert find_recipe("folder-t") == RECIPES["folder-t"]()
    assert find_recipe("folder-t-debug") == debug_of(RECIPES["folder-t"]())
    with pytest.raises(UnknownChoice, match="recipe: unknown value 'folder'; valid: rtmpose-t-256, "):
        find_recipe("folder")


def changed(**overrides: int | str) -> Recipe:
    return apply_overrides(RECIPES["dwpose-s1-x-l-256"](), Overrides(**overrides))  # type: ignore[arg-type] # one by one


def test_no_override_changes_nothing() -> None:
    assert changed() == RECIPES["dwpose-s1-x-l-256"]()


def test_overrides_change_what_they_say() -> None:
    recipe = changed(batch_size=8, seed=3, workers=0, teacher_weights="a.pth", student_weights="b.pth")
    assert (recipe.batch_size, recipe.seed, recipe.data.workers) == (8, 3, 0)
    assert recipe.teacher is not None
    assert (recipe.teacher.weights, recipe.student.weights, recipe.student.load) == ("a.pth", "b.pth", "backbone")


def test_a_shorter_run_has_the_same_phases() -> None:
    recipe = changed(epochs=27)
    assert (recipe.epochs, recipe.data.light_from_epoch, recipe.evaluate_every) == (27, 24, 10)
    assert (recipe.optimisation.flat_until_epoch, recipe.optimisation.cosine_until_epoch) == (14, 27)
    assert recipe.optimisation.warm_up_steps == 1000
    assert changed(epochs=2).evaluate_every == 2


def test_weights_for_nobody_are_refused() -> None:
    with pytest.raises(InvalidInput, match="teacher_weights: folder-t has no teacher"):
        apply_overrides(RECIPES["folder-t"](), Overrides(teacher_weights="a.pth"))
