"""A recipe on the points of MPII and LSP: batches, evaluation and crops follow the scheme, with nothing else to say."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pose_core.codecs import Heatmap
from pose_core.schemes import SCHEMES
from pose_core.types import Size
from tests.training.mat_files import LSP, MPII_JSON, listed, lsp_joints, write_listed, write_lsp
from training.assemble import build_batches, build_method
from training.contracts import PoseBatch
from training.data import load_sources
from training.distributed import World
from training.measure import build_evaluate, read_validation
from training.recipe import Augmentation, Data, Recipe, Source
from training.recipes import RECIPES
from training.recipes.debug import debug_of

HERE = World(0, 1, torch.device("cpu"))
HEADS = replace(MPII_JSON, options=(("head_boxes", "gt_valid.mat"),))
UNCHANGED = Augmentation(
    flip=0, half_body=0, shift=(0, 0), scale=0, rotation=(0, 0), hue=(0, 0, 0), blur=0, dropout=(0, (0.2, 0.4))
)


def recipe_of(name: str, source: Source, headline: str) -> Recipe:
    """The recipe at debug size, on other people than stick figures."""
    data = Data(train=(source,), val=source, augmentation=UNCHANGED, light_augmentation=UNCHANGED, workers=0)
    return replace(debug_of(RECIPES[name]()), data=data, headline=headline, batch_size=2)


@pytest.fixture
def mpii(tmp_path: Path) -> Recipe:
    """FPD on two people of MPII's layout."""
    boxes = np.repeat(np.array([[60.0, 20.0], [90.0, 60.0]])[..., None], 2, axis=-1)
    write_listed(tmp_path, [listed(1), listed(2, joints_vis=[0] * 6 + [1] * 10)], boxes)
    return recipe_of("fpd-scratch", HEADS, "pckh-hrnet/mean/PCKh@0.5")


def test_batches_have_a_map_for_each_of_the_16_points(mpii: Recipe, tmp_path: Path) -> None:
    batch = next(iter(build_batches(mpii, tmp_path, HERE).epoch(0)))
    assert isinstance(batch, PoseBatch)
    assert mpii.codec == Heatmap(map_size=Size(16, 16), sigma=2.0)
    (maps,) = batch.labelled().targets
    assert maps.shape == (2, 16, 16, 16)
    labels = sorted(int(weights.sum()) for weights in batch.weight_BK)
    assert labels == [10, 16]
    assert not maps[batch.weight_BK == 0].any()


def test_a_mirrored_batch_has_left_and_right_exchanged(mpii: Recipe, tmp_path: Path) -> None:
    mirrored = replace(mpii, data=replace(mpii.data, augmentation=replace(UNCHANGED, flip=1)))
    plain, other = (next(iter(build_batches(one, tmp_path, HERE).epoch(0))) for one in (mpii, mirrored))
    assert isinstance(plain, PoseBatch)
    assert isinstance(other, PoseBatch)
    assert plain.id_B.tolist() == other.id_B.tolist()
    assert torch.equal(other.weight_BK, plain.weight_BK[:, torch.from_numpy(SCHEMES["mpii"].flip_order)])


def test_evaluation_gives_all_three_means(mpii: Recipe, tmp_path: Path) -> None:
    evaluate = build_evaluate(mpii, tmp_path, tmp_path / "scratch", progress=False)
    numbers = evaluate(build_method(mpii, tmp_path).deployable().eval())
    assert next(iter(numbers)) == mpii.headline
    assert {"pckh/mean/AUC", "pckh-pytorch-pose/mean/PCKh@0.5", "pck-torso/mean/PCK@0.2"} <= numbers.keys()
    assert all(0 <= value <= 1 for value in numbers.values())


def test_evaluation_shows_the_square_that_training_does(mpii: Recipe, tmp_path: Path) -> None:
    truth, views = read_validation(mpii, tmp_path, tmp_path / "scratch")
    assert (truth.scheme, views.scheme) == ("mpii", "mpii")
    (person, _) = load_sources(tmp_path, [mpii.data.val]).dataset
    assert views.photos[0].boxes[0] == person.box
    assert person.box.bottom - person.box.top == pytest.approx(120.0)


def test_people_of_the_133_points_teach_what_they_have(tmp_path: Path, mpii: Recipe) -> None:
    figures = Source(dataset="synthetic", annotations="", options=(("count", 2),))
    batch = next(iter(build_batches(replace(mpii, data=replace(mpii.data, train=(figures,))), tmp_path, HERE).epoch(0)))
    assert isinstance(batch, PoseBatch)
    assert batch.weight_BK.sum(dim=1).tolist() == [12.0, 12.0]
    assert not batch.weight_BK[:, 6:10].any(), "pelvis, thorax, neck and head top"


def test_leeds_has_14_points_and_its_own_headline(tmp_path: Path) -> None:
    write_lsp(tmp_path, lsp_joints(2))
    recipe = recipe_of("fpd-lsp", LSP, "pck-torso/mean/PCK@0.2")
    batch = next(iter(build_batches(recipe, tmp_path, HERE).epoch(0)))
    assert isinstance(batch, PoseBatch)
    assert batch.labelled().targets[0].shape == (2, 14, 16, 16)
    numbers = build_evaluate(recipe, tmp_path, tmp_path / "scratch", progress=False)(
        build_method(recipe, tmp_path).deployable().eval()
    )
    assert next(iter(numbers)) == recipe.headline
    assert {name.partition("/")[0] for name in numbers} == {"pck-torso"}
