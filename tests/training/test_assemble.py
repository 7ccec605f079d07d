"""From recipes to networks and validation data."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from safetensors.torch import save_file
from torch.autograd import backward

from pose_core.codecs import Codec, Heatmap, Regression, SimCC
from pose_core.errors import InvalidInput, ModelError, UnknownChoice, WeightsMissing
from pose_core.types import PersonBox, Size
from tests.training import tiny
from tests.training.data_folder import SOURCE, annotation, write_folder
from training.assemble import build_batches, build_method, build_network, find_weights
from training.checkpoints import save_checkpoint
from training.data import load_sources
from training.deployable import (
    KEY,
    Description,
    load_deployable,
    read_description,
    save_deployable,
    save_tensors,
)
from training.distributed import World
from training.loop import start
from training.measure import read_validation, truth_of
from training.models import MODELS
from training.models.rtmpose import RtmPose
from training.recipe import MethodRecipe, Network, Recipe, Source, StoredCodec, StoredRecipe
from training.recipes import RECIPES
from training.recipes.debug import debug_of

FIGURES = Source(dataset="synthetic", annotations="", options=(("count", 3),))
SMALL = Size(64, 64)


def test_equal_seeds_build_equal_networks(tmp_path: Path) -> None:
    recipe = debug_of(RECIPES["folder-s1-s-t"]())
    one, other = (build_method(recipe, tmp_path).state_dict() for _ in range(2))
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())
    another = build_method(replace(recipe, seed=1), tmp_path).state_dict()
    assert not torch.equal(another["student.head.cls_x.weight"], one["student.head.cls_x.weight"])


@pytest.mark.parametrize(
    ("name", "codec", "message"),
    [
        ("fpd", SimCC(), "codec: SimCC is of simcc_x, simcc_y; hourglass-2x16 answers heatmaps"),
        ("distilpose-s", Heatmap(), "codec: Heatmap is of heatmaps; distilpose-xs answers keypoints, scores"),
        (
            "dwpose-s1-l-s-256",
            Regression(),
            "codec: Regression is of keypoints, scores; rtmpose-t answers simcc_x, simcc_y",
        ),
        ("fpd", Heatmap(map_size=Size(16, 12)), "map_size: 16 x 12 cells, hourglass-2x16 answers maps of 16 x 16"),
        ("tokenpose-s", Heatmap(map_size=Size(8, 8)), "map_size: 8 x 8 cells, tokenpose-xs answers maps of 24 x 24"),
    ],
)
def test_a_codec_must_be_the_network_s(name: str, codec: Codec, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        build_method(replace(debug_of(RECIPES[name]()), codec=codec), tmp_path)
    assert str(caught.value) == message


def test_options_must_be_the_method_s(tmp_path: Path) -> None:
    recipe = debug_of(RECIPES["fpd"]())
    with pytest.raises(UnknownChoice, match="options of fpd: unknown value 'beta'; valid: alpha, mask_teacher"):
        build_method(replace(recipe, method=MethodRecipe(name="fpd", options=(("beta", 1.0),))), tmp_path)


def test_weights_are_loaded_all_or_the_backbone(tmp_path: Path) -> None:
    torch.manual_seed(3)
    trained = MODELS["rtmpose-t"](input_size=SMALL)
    save_file(trained.state_dict(), tmp_path / "w.safetensors")
    whole = build_network(Network(model="rtmpose-t", weights="w.safetensors"), SMALL, tmp_path)
    part = build_network(Network(model="rtmpose-t", weights="w.safetensors", load="backbone"), SMALL, tmp_path)
    for name, tensor in trained.state_dict().items():
        assert torch.equal(whole.state_dict()[name], tensor)
        if name.startswith("backbone."):
            assert torch.equal(part.state_dict()[name], tensor)
    assert isinstance(part, RtmPose)
    assert isinstance(whole, RtmPose)
    assert not torch.equal(part.head.cls_x.weight, whole.head.cls_x.weight)


def test_a_student_sees_the_recipe_s_crops(tmp_path: Path) -> None:
    recipe = debug_of(RECIPES["folder-t"]())
    with pytest.raises(InvalidInput, match="input_size: a student's crops are the recipe's"):
        build_method(replace(recipe, student=Network(model="rtmpose-t", input_size=SMALL)), tmp_path)


def test_frozen_stages_learn_nothing(tmp_path: Path) -> None:
    built = build_network(Network(model="rtmpose-t", frozen_stages=2), SMALL, tmp_path)
    assert isinstance(built, RtmPose)
    before = {name: tensor.clone() for name, tensor in built.backbone.state_dict().items()}
    optimiser = torch.optim.SGD([parameter for parameter in built.parameters() if parameter.requires_grad], lr=1.0)
    loss = built.train()(torch.randn(2, 3, SMALL.height, SMALL.width))[0].square().mean()
    backward([loss])
    optimiser.step()
    after = built.backbone.state_dict()
    changed = {name.split(".")[0] for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert changed == {"stage2", "stage3", "stage4"}


@pytest.mark.parametrize(
    ("model", "stages", "reason"), [("rtmpose-t", 6, "between 0 and 5"), ("yolox-nano", 1, "no stages")]
)
def test_what_cannot_be_frozen_is_refused(model: str, stages: int, reason: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=f"frozen_stages: .*{reason}"):
        build_network(Network(model=model, frozen_stages=stages), SMALL, tmp_path)


def test_weights_are_a_file_or_a_run_here_or_in_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "teacher.pth").touch()
    assert find_weights("teacher.pth", Path("data")) == Path("data/teacher.pth")
    state = start(tiny.make_run(tmp_path), tiny.build_method("supervised"))
    checkpoint = save_checkpoint(Path("runs/teacher"), state, tiny.make_recipe(), 5, keep=1)
    for name in ("runs/teacher", str(checkpoint)):
        assert find_weights(name, Path("data")) == checkpoint / "deployable.safetensors"
    with pytest.raises(WeightsMissing, match=r"lost\.pth: no such file or run, neither here nor in data"):
        find_weights("lost.pth", Path("data"))


def test_unknown_names_list_the_known_ones(tmp_path: Path) -> None:
    recipe = debug_of(RECIPES["folder-t"]())
    with pytest.raises(UnknownChoice, match="method: unknown value 'magic'; valid: mimic, supervised, "):
        build_method(replace(recipe, method=MethodRecipe(name="magic")), tmp_path)
    with pytest.raises(UnknownChoice, match="model: unknown value 'magic'; valid: rtmpose-t, "):
        build_network(Network(model="magic"), SMALL, tmp_path)
    with pytest.raises(InvalidInput, match="yolox-nano is no pose estimator"):
        build_method(replace(recipe, student=Network(model="yolox-nano")), tmp_path)


def test_processes_share_a_batch(tmp_path: Path) -> None:
    recipe = debug_of(RECIPES["folder-t"]())
    ids = []
    for world in ((0, 1), (0, 2), (1, 2)):
        batches = build_batches(recipe, tmp_path, World(*world, torch.device("cpu")))
        assert batches.steps_per_epoch == 4
        ids.append(next(batches.epoch(0)).id_B.tolist())
    assert sorted(ids[1] + ids[2]) == sorted(ids[0])


def test_a_described_file_is_rebuilt(tmp_path: Path) -> None:
    network = MODELS["rtmpose-t"](input_size=SMALL)
    description = Description(model="rtmpose-t", input_size=SMALL, codec=SimCC(sigma=(1.0, 2.0)), recipe="r", step=7)
    save_deployable(network.state_dict(), description, tmp_path / "w.safetensors")
    rebuilt, found = load_deployable(tmp_path / "w.safetensors")
    assert found == description
    assert not rebuilt.training
    assert all(torch.equal(tensor, network.state_dict()[name]) for name, tensor in rebuilt.state_dict().items())
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_older_words_are_understood(tmp_path: Path) -> None:
    """A version that knew SimCC alone wrote down its sigma, in files of weights and in recipes."""
    size = {"width": 64, "height": 64}
    older = {"model": "rtmpose-t", "input_size": size, "sigma": [1.0, 2.0], "recipe": "r", "step": 7}
    path = tmp_path / "w.safetensors"
    save_tensors(MODELS["rtmpose-t"](input_size=SMALL).state_dict(), path, {KEY: json.dumps(older)})
    about = Description(model="rtmpose-t", input_size=SMALL, codec=SimCC(sigma=(1.0, 2.0)), recipe="r", step=7)
    assert read_description(path) == about
    recipes: TypeAdapter[Recipe] = TypeAdapter(StoredRecipe)
    recipe = RECIPES["dwpose-s2-l-384"]()
    words = json.loads(recipes.dump_json(recipe))
    assert recipes.validate_python(words) == recipe
    before = {key: value for key, value in words.items() if key not in {"codec", "scheme"}} | {"sigma": [6.0, 6.93]}
    assert recipes.validate_python(before) == recipe


@pytest.mark.parametrize("codec", [{"name": "bins"}, {}, {"name": "simcc", "width": 3}])
def test_a_codec_that_does_not_exist_is_refused(codec: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="codec"):
        TypeAdapter(StoredCodec).validate_python(codec)


def test_codecs_come_back_from_json() -> None:
    codecs: TypeAdapter[Codec] = TypeAdapter(StoredCodec)
    for codec in (SimCC(sigma=(6.0, 6.93)), Heatmap(map_size=Size(64, 64), refine="dark"), Regression()):
        assert codecs.validate_json(codecs.dump_json(codec)) == codec


def test_a_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text("no tensors")
    with pytest.raises(InvalidInput, match=r"text\.safetensors cannot be read"):
        load_deployable(tmp_path / "text.safetensors")
    description = Description(model="rtmpose-s", input_size=SMALL, codec=SimCC(sigma=(1.0, 2.0)), recipe="r", step=7)
    save_deployable(MODELS["rtmpose-t"](input_size=SMALL).state_dict(), description, tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match="does not fit the network"):
        load_deployable(tmp_path / "w.safetensors")


def test_drawn_people_become_ground_truth(tmp_path: Path) -> None:
    dataset = load_sources(tmp_path, [FIGURES]).dataset
    truth = truth_of(dataset, tmp_path / "scratch")
    assert [person.id for person in truth.people] == dataset.id_N.tolist()
    assert len({person.photo_id for person in truth.people}) == 3
    assert all(Path(photo.file_name).is_file() for photo in truth.photos)
    first, person = truth.people[0], dataset[0]
    assert first.box == pytest.approx((person.box.left, person.box.top, *box_size(person.box)))
    assert first.area == pytest.approx(0.53 * person.box.area)
    np.testing.assert_allclose(first.keypoints, person.keypoints)


def box_size(box: PersonBox) -> tuple[float, float]:
    return box.right - box.left, box.bottom - box.top


def test_validation_honours_the_options_of_its_source(tmp_path: Path) -> None:
    records = [annotation(number, number) for number in (1, 2)]
    write_folder(tmp_path, records, pictures=2)
    recipe = RECIPES["folder-t"]()

    def read(*options: tuple[str, str | int]) -> tuple[int, ...]:
        val = replace(SOURCE, options=options)
        truth, views = read_validation(replace(recipe, data=replace(recipe.data, val=val)), tmp_path, tmp_path)
        assert len(truth.people) == len(views.photos)
        return tuple(person.id for person in truth.people)

    assert read() == (1, 2)
    assert read(("below", "2"), ("confidence_weights", 1)) == (2,)
    with pytest.raises(UnknownChoice, match="unknown value 'above'; valid: below, confidence_weights"):
        read(("above", "2"))


def test_validation_reads_annotations_as_they_are(tmp_path: Path) -> None:
    recipe = RECIPES["folder-t"]()
    (tmp_path / "val.json").write_text('{"images": [], "annotations": []}')
    truth, views = read_validation(recipe, tmp_path, tmp_path / "scratch")
    assert (truth.photos, views.photos, views.kind) == ((), (), "annotated")
    (tmp_path / "boxes.json").write_text("[]")
    assert read_validation(recipe, tmp_path, tmp_path, tmp_path / "boxes.json")[1].kind == "detected"
