"""The detector's method: what labels, doubts, regions to ignore and a teacher do to its losses."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.types import Size
from tests.training import tiny
from training.contracts import DetectionBatch, Progress
from training.data import load_scenes
from training.data.loading import Feeding
from training.data.scene_batches import plain_scene_loader
from training.evals.detection import evaluate_detection
from training.evals.detectors import find_people, torch_detector
from training.loop import train
from training.losses_detection import decode_boxes
from training.methods.blockwise import compare_maps
from training.methods.yolox import Yolox, label_cells
from training.models.yolox import build_yolox
from training.recipe import Optimisation, Source
from training.simota import cell_grid, cell_middles, contains
from training.tasks.detection import photos_of, truth_of

START = Progress(epoch=0, epochs=4, step=0)
GRID = cell_grid(tiny.SCENE_SIZE, torch.device("cpu"))


def batch() -> DetectionBatch:
    return tiny.make_scenes().prepared(torch.contiguous_format)


def method(**options: Any) -> Yolox:
    built = tiny.build_method("yolox", **options)
    assert isinstance(built, Yolox)
    return built.train()


def alone(**options: Any) -> Yolox:
    return Yolox(tiny.build_detector(), **options).train()


def objectness_gradient(built: Yolox, scenes: DetectionBatch) -> Tensor:
    """Of each cell's objectness, (B, N)."""
    kept: list[Tensor] = []

    def keep(image_B3HW: Tensor) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
        maps, rows = forward(image_B3HW)
        rows.retain_grad()
        kept.append(rows)
        return maps, rows

    forward = built.student.forward_with_maps
    built.student.forward_with_maps = keep  # type: ignore[method-assign]
    torch.autograd.backward(built(scenes, START).losses["objectness"])
    gradient = kept[0].grad
    assert gradient is not None
    return gradient[..., 4]


def test_losses_and_metrics_have_names() -> None:
    result = alone()(batch(), START)
    assert set(result.losses) == {"box", "objectness", "person"}
    assert set(result.metrics) == {"overlap", "cells"}
    result = method()(batch(), START)
    assert set(result.losses) == {"box", "objectness", "person", "teacher_score", "teacher_box"}
    assert result.metrics["decay"] == 1
    last = alone(corner_epochs=1)(batch(), Progress(3, 4, 0))
    assert set(last.losses) == {"box", "objectness", "person", "corner"}


def test_regions_to_ignore_are_neither_people_nor_background() -> None:
    scenes = batch()
    ignored = contains(scenes.ignore_BR4, cell_middles(GRID))[-1, 0]
    assert ignored.nonzero()[:, 0].tolist() == [56, 57], "the middle of the coarser cell lies on the edge"
    gradient = objectness_gradient(alone(), scenes)
    assert (gradient[-1, ignored] == 0).all(), "in the picture without people"
    assert (gradient[-1, ~ignored] > 0).all(), "everywhere else there is nobody"


def test_a_person_in_a_region_to_ignore_is_still_a_person() -> None:
    scenes = batch()
    everywhere = replace(scenes, ignore_BR4=torch.tensor([[[0.0, 0.0, 64.0, 64.0]]]).expand(4, 1, 4))
    gradient = objectness_gradient(alone(), everywhere)
    assert (gradient[0] <= 0).all()
    assert (gradient[0] < 0).any()
    assert (gradient[-1] == 0).all()


def test_doubt_is_a_weight_or_a_target() -> None:
    scenes = batch()
    by_weight, by_target, certain = (
        objectness_gradient(alone(doubt=doubt), replace(scenes, weight_BM=weight_BM))
        for doubt, weight_BM in (
            ("weight", scenes.weight_BM),
            ("target", scenes.weight_BM),
            ("weight", scenes.weight_BM.ceil()),
        )
    )
    # of the second picture's person half is known; with a fresh network's score of 0.01 the rest hardly matters
    chosen = certain[1] < 0
    assert chosen.any()
    assert (by_weight[1, chosen] / by_weight[0].min()).tolist() == pytest.approx([0.5] * int(chosen.sum()), rel=1e-3)
    assert (by_target[1, chosen] / by_target[0].min()).tolist() == pytest.approx([0.5] * int(chosen.sum()), rel=0.03)
    assert (by_weight[1, chosen] != by_target[1, chosen]).all()
    with pytest.raises(UnknownChoice, match="doubt: unknown value 'none'; valid: weight, target"):
        alone(doubt="none")


def test_cells_are_labelled_picture_by_picture() -> None:
    scenes, student = batch(), tiny.build_detector()
    rows = student.forward_logits(scenes.image_B3HW).detach()
    wanted = label_cells(rows, decode_boxes(rows[..., :4], GRID), scenes, GRID)
    assert set(wanted.picture_P.tolist()) == {0, 1, 2}
    for picture in range(3):
        here = wanted.picture_P == picture
        torch.testing.assert_close(wanted.box_P4[here], scenes.box_BM4[picture].expand(int(here.sum()), 4))
        assert set(wanted.weight_P[here].tolist()) == {1.0 if picture != 1 else 0.5}
    assert (wanted.known_BN[wanted.picture_P, wanted.cell_P] == 1).all()


def test_a_batch_without_anybody_trains() -> None:
    scenes = batch()
    nobody = replace(scenes, box_BM4=torch.zeros(4, 0, 4), weight_BM=torch.zeros(4, 0), ignore_BR4=torch.zeros(4, 0, 4))
    result = method()(nobody, START)
    assert all(loss.isfinite() for loss in result.losses.values())
    assert result.losses["box"] == 0


def test_who_says_what_the_teacher_says_has_nothing_to_learn_from_it() -> None:
    built = Yolox(tiny.build_detector(), tiny.build_detector(), teacher_least=0.0).eval()
    losses = built(batch(), START).losses
    assert losses["teacher_score"].item() == pytest.approx(0, abs=1e-4)
    assert losses["teacher_box"].item() == pytest.approx(0, abs=1e-4)


def test_what_the_teacher_says_fades_and_is_weighted() -> None:
    names = ("teacher_score", "teacher_box")
    options = {"teacher_least": 0.0}
    first, later, constant, double = (
        method(**options, **changes)(batch(), Progress(epoch, 4, 0)).losses
        for epoch, changes in (
            (0, {}),
            (3, {}),
            (3, {"decay": False}),
            (0, {"teacher_score_weight": 2.0, "teacher_box_weight": 5.0}),
        )
    )
    for name in names:
        assert first[name] > 0
        assert later[name].item() == pytest.approx(first[name].item() / 4, rel=1e-4)
        assert constant[name].item() == pytest.approx(first[name].item(), rel=1e-4)
        assert double[name].item() == pytest.approx(2 * first[name].item(), rel=1e-4)


def test_maps_of_a_teacher_of_the_same_shape_are_compared() -> None:
    same, other = (
        Yolox(tiny.build_detector(), tiny.build_detector(seed), map_weight=2.0, decay=False).eval() for seed in (0, 1)
    )
    scenes = batch()
    assert same(scenes, START).losses["teacher_map"].item() == 0
    loss = other(scenes, START).losses["teacher_map"]
    assert other.teacher is not None
    with torch.no_grad():
        maps = zip(other.student.backbone(scenes.image_B3HW), other.teacher.backbone(scenes.image_B3HW), strict=True)
        wanted = sum(compare_maps(*pair).loss for pair in maps)
    torch.testing.assert_close(loss, 2.0 * torch.as_tensor(wanted))
    with pytest.raises(InvalidInput, match="teacher: its block"):
        Yolox(tiny.build_detector(), build_yolox("tiny", input_size=tiny.SCENE_SIZE), map_weight=1.0)


def test_the_teacher_never_changes() -> None:
    built = method()
    assert built.teacher is not None
    assert not any(part.training for part in built.teacher.modules())
    assert not any(parameter.requires_grad for parameter in built.teacher.parameters())
    before = {name: tensor.clone() for name, tensor in built.teacher.state_dict().items()}
    built(batch(), START)
    assert all(torch.equal(tensor, before[name]) for name, tensor in built.teacher.state_dict().items())


def test_a_teacher_of_another_size_is_refused() -> None:
    other = build_yolox("nano", input_size=Size(96, 96))
    with pytest.raises(InvalidInput, match=r"teacher: sees Size\(width=96, height=96\), the student Size\(width=64"):
        Yolox(tiny.build_detector(), other)


def test_drawn_people_are_learnt_by_heart(tmp_path: Path) -> None:
    size = Size(96, 96)
    options = (("count", 6), ("width", 160), ("height", 160))
    loaded = load_scenes(Path(), [Source(dataset="synthetic", annotations="", options=options)])
    scenes = next(plain_scene_loader(loaded, Feeding(input_size=size, batch_size=6, seed=0)).epoch(0))

    class SameSource:
        steps_per_epoch = 60

        def epoch(self, epoch: int, start: int = 0) -> Any:
            del epoch
            yield from (scenes for _ in range(start, self.steps_per_epoch))

    torch.manual_seed(0)
    student = build_yolox("nano", classes=1, input_size=size)
    optimisation = Optimisation(learning_rate=4e-3, warm_up_steps=5, clip_norm=10.0, ema_decay=0.2, ema_warm_up=5)
    run = tiny.make_run(tmp_path, recipe=tiny.make_recipe(optimisation=optimisation, epochs=2), batches=SameSource())
    state = train(run, Yolox(student))
    with state.average.applied():
        found = find_people(torch_detector(student, size, "heart"), photos_of(loaded))
    numbers = {(score.part, score.name): score.value for score in evaluate_detection(truth_of(loaded), found).scores()}
    assert numbers["all", "AP50"] == pytest.approx(1.0)
    assert numbers["all", "R@0.3"] == 1.0
