"""Recipes of DistilPose: the published values, and what the small ones leave out."""

import pytest

from pose_core.codecs import Heatmap, Regression
from pose_core.types import Size
from training.models import MODELS
from training.optim import learning_rate
from training.recipe import Network
from training.recipes import RECIPES
from training.recipes.distilpose import LEFT_OUT, TEACHER

TEACHERS = ("tokenpose-s", "tokenpose-w48")
ALONE = ("distilpose-s-alone", "distilpose-l-alone")
STUDENTS = ("distilpose-s", "distilpose-l")
PEOPLE = [name for name in RECIPES if name.startswith(("people-tokenpose", "people-distilpose-"))]


@pytest.mark.parametrize("name", [*TEACHERS, *ALONE, *STUDENTS])
def test_published_runs_are_the_published_ones(name: str) -> None:
    recipe = RECIPES[name]()
    assert (recipe.epochs, recipe.input_size, recipe.scheme) == (300, Size(192, 256), "coco")
    assert recipe.batch_size == (256 if name in STUDENTS else 512)
    assert recipe.codec == (
        Heatmap(map_size=Size(48, 64), sigma=2.0, refine="dark") if name in TEACHERS else Regression()
    )
    assert (recipe.optimisation.optimiser, recipe.optimisation.weight_decay) == ("adam", 0.0)
    assert recipe.optimisation.clip_norm is None
    assert [learning_rate(recipe.optimisation, step, 10) for step in (0, 499, 1999, 2000, 2600)] == pytest.approx(
        [1e-6, 1e-3, 1e-3, 1e-4, 1e-5]
    )
    assert recipe.data.augmentation == recipe.data.light_augmentation
    scale, degrees = (0.5, 80.0) if name == "tokenpose-w48" else (0.35, 90.0)
    assert (recipe.data.augmentation.scale, recipe.data.augmentation.rotation) == (scale, (0.6, degrees))


def test_both_students_learn_from_the_larger_teacher() -> None:
    for name in STUDENTS:
        recipe = RECIPES[name]()
        assert recipe.teacher == TEACHER == Network(model="tokenpose-w48", weights="runs/tokenpose-w48")
        assert recipe.method.name == "distilpose"
        assert dict(recipe.method.options) == {"masking": "reference"}
    assert RECIPES["distilpose-s"]().student == Network(model="distilpose-s")
    large = RECIPES["distilpose-l"]().student
    assert (large.weights, large.load) == (TEACHER.weights, "stages")


def test_networks_on_hrnet_start_from_pictures() -> None:
    for name in ("tokenpose-w48", "distilpose-l-alone"):
        student = RECIPES[name]().student
        assert (student.weights, student.load) == ("weights/hrnet_w48-8ef0771d.pth", "imagenet")


@pytest.mark.parametrize("name", PEOPLE)
def test_small_runs_share_what_they_compare(name: str) -> None:
    recipe, teacher = RECIPES[name](), RECIPES["people-tokenpose"]()
    assert (recipe.input_size, recipe.data, recipe.scheme) == (teacher.input_size, teacher.data, teacher.scheme)
    if recipe.teacher:
        assert recipe.teacher == Network(model=teacher.student.model, weights="runs/people-tokenpose")


def test_every_loss_is_looked_at_alone() -> None:
    weights = {name for left_out in LEFT_OUT.values() for name in left_out}
    assert len(weights) == 4
    alone = {variant: weights - set(left_out) for variant, left_out in LEFT_OUT.items()}
    assert alone["kt"] == {"keypoint_token_weight"}
    assert alone["vt"] == {"visual_token_weight"}
    assert alone["sh"] == {"simulated_heatmap_weight"}
    assert alone["cs"] == {"confidence_weight"}
    assert alone["sh-cs"] == alone["sh"] | alone["cs"]
    assert alone["kt-vt"] == alone["kt"] | alone["vt"]
    assert alone["all"] == weights


def test_small_networks_have_tokens_of_one_width() -> None:
    sizes = [MODELS[name](input_size=Size(96, 128)) for name in ("tokenpose-xs", "distilpose-xs")]
    widths = {network.head.encoder.keypoint_token.shape for network in sizes}  # type: ignore[union-attr]
    assert len(widths) == 1
