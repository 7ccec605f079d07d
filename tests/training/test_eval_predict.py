"""Predictions of whole sets: the same numbers as the service, from torch and from files, mirrored or not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import nn

from pose_core.codecs import CODECS, Codec, Heatmap, Regression, SimCC
from pose_core.errors import InvalidInput, ModelError, UnknownChoice
from pose_core.estimators import EstimatorSpec, load_estimator
from pose_core.schemes import SCHEMES
from pose_core.timing import Timer
from pose_core.types import Image, Size
from tests import tiny_onnx
from tests.training.annotated import make_content, make_truth, write_photos
from training.evals.ground_truth import read_ground_truth
from training.evals.networks import EvalNetwork, evaluating, onnx_network, run_torch, torch_network
from training.evals.predict import UNMIRROR, ahead, chunks, predict, read_photo, run_flipped, unmirror
from training.evals.records import Floats, Predictions
from training.evals.views import PhotoBoxes, Views, annotated_boxes, detected_boxes
from training.export import export_onnx
from training.models.rtmpose import RtmPose, Scale, build_rtmpose

SIZE = Size(width=64, height=96)
SPEC = EstimatorSpec(input_size=SIZE)
Randomise = Callable[[nn.Module], None]


@pytest.fixture
def views(tmp_path: Path) -> Views:
    write_photos(tmp_path)
    return annotated_boxes(make_truth(), tmp_path)


@pytest.fixture
def network(randomise: Randomise) -> RtmPose:
    torch.manual_seed(0)
    model = RtmPose(Scale(deepen=0.1, widen=0.125), SIZE, 133)
    randomise(model)
    return model


def run(
    network: EvalNetwork, views: Views, *, flip: bool = False, batch_size: int = 64, workers: int = 1
) -> Predictions:
    return predict(network, views, flip=flip, batch_size=batch_size, workers=workers, progress=False)


def read(photo: PhotoBoxes) -> Image:
    image = read_photo(photo)
    assert image is not None
    return image


def stack(predictions: Predictions) -> Floats:
    return np.stack([person.keypoints for person in predictions.people])


def test_points_of_the_crop_arrive_in_the_photo(views: Views, tmp_path: Path) -> None:
    # everybody's nose in the middle of the crop, everything else at its top-left corner
    points = np.zeros((133, 2))
    points[0] = SIZE.width / 2, SIZE.height / 2
    path = tiny_onnx.simcc(tmp_path / "middle.onnx", points, np.full(133, 0.5), (SIZE.width, SIZE.height))
    said = run(onnx_network(str(path), "cpu"), views)
    assert (said.network, said.boxes, said.problems) == ("middle", "annotated", ())
    assert [(person.photo_id, person.id) for person in said.people] == [(1, 10), (1, 11), (2, 12)]
    first = said.people[0]  # box 60 x 100 at 20, 20; 125 x 1.25 high makes it 83.3 x 125
    np.testing.assert_allclose(first.keypoints[0], [50, 70, 0.5], atol=1e-4)
    np.testing.assert_allclose(first.keypoints[1], [50 - 125 / 3, 70 - 125 / 2, 0.5], atol=1e-4)
    assert first.view_area == pytest.approx(125 * 125 * 2 / 3)


def test_file_says_what_the_service_says(views: Views, network: RtmPose, tmp_path: Path) -> None:
    path = export_onnx(network, tmp_path / "model.onnx").path
    said = stack(run(onnx_network(str(path), "cpu"), views))
    served = load_estimator(str(path), "cpu").estimate
    expected = np.concatenate([served(read(photo), photo.boxes, Timer()) for photo in views.photos])
    np.testing.assert_array_equal(said, expected)


@pytest.mark.parametrize("flip", [False, True])
def test_torch_says_what_its_file_says(views: Views, network: RtmPose, tmp_path: Path, *, flip: bool) -> None:
    path = export_onnx(network, tmp_path / "model.onnx").path
    from_torch = stack(run(torch_network(network, "student", SPEC), views, flip=flip))
    from_file = stack(run(onnx_network(str(path), "cpu"), views, flip=flip))
    np.testing.assert_allclose(from_torch[..., 2], from_file[..., 2], atol=1e-3)
    assert (np.abs(from_torch - from_file).max(axis=-1) < 0.01).mean() > 0.99, "but for ties of bins"


def test_neither_batches_nor_threads_change_anything(views: Views, network: RtmPose) -> None:
    ready = torch_network(network, "student", SPEC)
    expected = stack(run(ready, views, flip=True))
    for batch_size, workers in ((1, 1), (2, 3)):
        np.testing.assert_allclose(
            stack(run(ready, views, flip=True, batch_size=batch_size, workers=workers)), expected, atol=1e-4
        )


def test_mirrored_crops_give_mirrored_answers(network: RtmPose) -> None:
    ready = torch_network(network, "student", SPEC)
    crops = np.random.default_rng(0).normal(size=(2, 3, SIZE.height, SIZE.width)).astype(np.float32)
    order = SCHEMES["coco-wholebody"].flip_order
    straight = run_flipped(ready.run, SimCC(), order, crops)
    mirrored = run_flipped(ready.run, SimCC(), order, np.ascontiguousarray(crops[..., ::-1]))
    for one, other in zip(straight, unmirror(mirrored, SimCC(), order), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert not np.allclose(straight[0], ready.run(crops)[0], atol=1e-3)


def test_unmirroring_swaps_sides_and_reverses_x_only() -> None:
    x_bins, y_bins = (np.arange(133 * 4, dtype=np.float32).reshape(1, 133, 4) for _ in "xy")
    order = SCHEMES["coco-wholebody"].flip_order
    found_x, found_y = unmirror([x_bins, y_bins], SimCC(), order)
    assert found_x[0, 1].tolist() == x_bins[0, 2, ::-1].tolist()
    assert found_y[0, 1].tolist() == y_bins[0, 2].tolist()
    said, coco = np.arange(17 * 6.0).reshape(1, 17, 2, 3), SCHEMES["coco"].flip_order
    (middles,) = unmirror([said], Heatmap(cell_offset=0.5), coco)
    assert middles[0, 5].tolist() == [[38, 37, 36], [41, 40, 39]]
    (moved,) = unmirror([said], Heatmap(), coco)
    assert moved[0, 5].tolist() == [[38, 38, 37], [41, 41, 40]], "one cell to the right, the first column stays"
    with pytest.raises(InvalidInput, match="flip: no flip test for object"):
        unmirror([x_bins, y_bins], cast("Codec", object()), order)


@pytest.mark.parametrize("codec", CODECS.values())
def test_every_codec_can_be_mirrored(codec: type[Codec]) -> None:
    assert codec in UNMIRROR


def test_unmirroring_points_swaps_their_scores_or_not() -> None:
    fractions = np.linspace(0, 1, 34, dtype=np.float32).reshape(1, 17, 2)
    scores = np.arange(17, dtype=np.float32).reshape(1, 17, 1)
    coco = SCHEMES["coco"].flip_order
    intended, reference = (
        unmirror([fractions, scores], Regression(mirrored_scores=which), coco) for which in ("intended", "reference")
    )
    for found in (intended[0], reference[0]):
        np.testing.assert_allclose(found[0, 5], [1 - fractions[0, 6, 0], fractions[0, 6, 1]])
    assert (intended[1][0, 5], intended[1][0, 6]) == (6, 5), "the left shoulder's score is the right one's"
    assert (reference[1][0, 5], reference[1][0, 6]) == (5, 6)


@pytest.mark.shared
def test_maps_are_unmirrored_as_the_released_code_does(shared: Path) -> None:
    """FPD; with cells that stand for their middle nothing is moved, which is the code's map before its shift."""
    about = torch.load(shared / "oracles" / "fpd_distilpose" / "fpd_data_eval.pt", weights_only=True)["decode"]
    maps, order = about["heatmaps"].numpy(), SCHEMES["mpii"].flip_order
    for codec, name in ((Heatmap(cell_offset=0.5), "flip_back"), (Heatmap(), "flip_back_shifted")):
        np.testing.assert_array_equal(unmirror([maps], codec, order)[0], about[name])


def test_seventeen_points_leave_the_others_unknown(views: Views, tmp_path: Path) -> None:
    cells = np.tile([[24, 32]], (17, 1))
    path = tiny_onnx.heatmaps(tmp_path / "body.onnx", cells, np.full(17, 0.7))
    said = run(onnx_network(str(path), "cpu"), views, flip=True)
    assert said.scheme == "coco"
    assert (stack(said)[:, :17, 2] > 0).all()
    assert not stack(said)[:, 17:].any()


def test_fixed_batch_is_filled_up(views: Views, tmp_path: Path) -> None:
    points, scores = np.full((133, 2), 10.0), np.full(133, 0.5)
    size = (SIZE.width, SIZE.height)
    free, fixed = (tiny_onnx.simcc(tmp_path / f"{b}.onnx", points, scores, size, b) for b in ("batch", 2))
    expected = stack(run(onnx_network(str(free), "cpu"), views))
    np.testing.assert_array_equal(stack(run(onnx_network(str(fixed), "cpu"), views)), expected)


def test_spec_of_the_caller_wins(views: Views, tmp_path: Path) -> None:
    path = tiny_onnx.heatmaps(tmp_path / "body.onnx", np.tile([[24, 32]], (17, 1)), np.full(17, 0.7))
    spec = EstimatorSpec(codec=Heatmap(cell_offset=0.5), scheme="coco")
    plain, moved = (stack(run(onnx_network(str(path), "cpu", spec=one), views)) for one in (None, spec))
    assert (moved[:, :17, :2] > plain[:, :17, :2]).all()


def test_unreadable_photos_are_named(views: Views, network: RtmPose) -> None:
    views.photos[0].path.write_bytes(b"no picture")
    views.photos[1].path.unlink()
    said = run(torch_network(network, "student", SPEC), views)
    assert said.people == ()
    assert [problem.partition(" is no ")[2] for problem in said.problems] == [
        "readable photo: annotations 10, 11 left out",
        "readable photo: annotations 12 left out",
    ]
    assert said.problems[1].startswith(str(views.photos[1].path))


def test_a_photo_of_another_size_is_a_problem_and_not_looked_at(network: RtmPose, tmp_path: Path) -> None:
    write_photos(tmp_path)
    content = make_content()
    content["images"][0] |= {"width": 400, "height": 320}
    said = run(torch_network(network, "student", SPEC), annotated_boxes(read_ground_truth(content), tmp_path))
    assert [person.id for person in said.people] == [12]
    assert said.problems == (
        f"{tmp_path / '1.png'} has 200 x 160 pixels, the annotations say 400 x 320: annotations 10, 11 left out",
    )


def test_detections_keep_their_scores(network: RtmPose, tmp_path: Path) -> None:
    write_photos(tmp_path)
    listed = [{"image_id": n, "category_id": 1, "bbox": [10, 10, 50, 90], "score": n / 4} for n in (2, 1)]
    said = run(torch_network(network, "student", SPEC), detected_boxes(make_truth(), tmp_path, listed))
    assert [(person.photo_id, person.id, person.box.score) for person in said.people] == [(1, 1, 0.25), (2, 0, 0.5)]
    assert said.boxes == "detected"


def test_modes_of_a_partly_frozen_network_survive(views: Views, network: RtmPose) -> None:
    network.train()
    network.backbone.eval()
    before = [module.training for module in network.modules()]
    mean = network.state_dict()["backbone.stem.0.bn.running_mean"].clone()
    with evaluating(network):
        assert not any(module.training for module in network.modules())
    run(torch_network(network, "student", SPEC), views)
    assert [module.training for module in network.modules()] == before
    assert torch.equal(mean, network.state_dict()["backbone.stem.0.bn.running_mean"])


def test_bar_shows_only_when_asked(views: Views, network: RtmPose, capfd: pytest.CaptureFixture[str]) -> None:
    run(torch_network(network, "student", SPEC), views)
    assert capfd.readouterr() == ("", "")
    predict(torch_network(network, "student", SPEC), views, flip=False, workers=1)
    assert "student: 100%" in capfd.readouterr().err


def test_nobody_to_look_at(network: RtmPose) -> None:
    assert run(torch_network(network, "student", SPEC), Views("annotated", ())).people == ()


def test_wrong_number_of_points_and_unknown_names_are_refused(views: Views) -> None:
    torch.manual_seed(0)
    model = RtmPose(Scale(deepen=0.1, widen=0.125), SIZE, 5)
    with pytest.raises(ModelError, match="answers 5 points"):
        run(torch_network(model, "student", SPEC), views)
    with pytest.raises(UnknownChoice, match="estimator: unknown value 'rtmpose-z'"):
        onnx_network("rtmpose-z")


def test_threads_stay_a_few_items_ahead() -> None:
    started = []

    def double(item: int) -> int:
        started.append(item)
        return 2 * item

    results = ahead(double, range(100), workers=2)
    assert [next(results) for _ in range(3)] == [0, 2, 4]
    assert len(started) < 10
    assert list(results) == [*range(6, 200, 2)]
    assert list(chunks(range(5), 2)) == [[0, 1], [2, 3], [4]]


@pytest.mark.shared
def test_flip_test_is_the_reference_s(
    dwpose_oracle: Path, detw: Any, load_recorded: Callable[[nn.Module], nn.Module]
) -> None:
    model = build_rtmpose("t")
    load_recorded(model)
    crops = detw.det_input("x", (2, 3, 256, 192))
    order = SCHEMES["coco-wholebody"].flip_order
    found = run_flipped(lambda batch: run_torch(model, batch), SimCC(), order, crops)
    with np.load(dwpose_oracle / "model_t.npz") as recorded:
        for name, array in zip(("tta_x", "tta_y"), found, strict=True):
            np.testing.assert_allclose(array, recorded[name], atol=1e-5 * np.abs(recorded[name]).max())
