"""A detector's data: boxes, regions to ignore, folds, and what is said of mistakes."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pose_core.errors import InvalidInput, UnknownChoice
from tests.training.data_folder import gradient, image_record, jpeg, write_document
from training.data import load_scenes
from training.data.coco_boxes import fold_of, load_coco_boxes
from training.data.scenes import NO_BOXES, box_overlap, rows_of
from training.recipe import Source

FIGURES = Source(dataset="synthetic", annotations="", options=(("count", 9), ("width", 80), ("height", 100)))


def box(number: int, image_id: int = 1, bbox: Sequence[float] = (10, 20, 30, 40), **more: object) -> dict[str, Any]:
    return {"id": number, "image_id": image_id, "category_id": 1, "iscrowd": 0, "bbox": [*bbox], **more}


def write(folder: Path, records: Sequence[object], pictures: int = 2, name: str = "boxes.json") -> None:
    (folder / "images").mkdir(exist_ok=True)
    for number in range(1, pictures + 1):
        (folder / "images" / f"{number}.jpg").write_bytes(jpeg(gradient()))
    images = [image_record(number, file_name=f"images/{number}.jpg") for number in range(1, pictures + 1)]
    write_document(folder / name, images, records)


def source(**options: str | float) -> Source:
    return Source(dataset="coco_boxes", annotations="boxes.json", options=tuple(options.items()))


# ---- reading


def test_people_regions_and_empty_pictures(tmp_path: Path) -> None:
    records = [
        box(1),
        box(2, bbox=(100, 80, 50, 50), score=0.6),
        box(3, bbox=(60, 10, 20, 20), iscrowd=1, score=0.3),
        box(4, bbox=(11, 21, 30, 40), iscrowd=1, score=0.3),
    ]
    write(tmp_path, records)
    loaded = load_scenes(tmp_path, [source()])
    assert loaded.bad == ()
    full, empty = loaded.scenes
    assert full.box_M4.tolist() == [[10, 20, 40, 60], [100, 80, 120, 90]], "cut to the picture of 120 x 90"
    assert full.weight_M.tolist() == pytest.approx([1.0, 0.6])
    assert full.ignore_R4.tolist() == [[60, 10, 80, 30]], "the other one is the first person again"
    assert (empty.box_M4.shape, empty.ignore_R4.shape) == ((0, 4), (0, 4))
    assert load_scenes(tmp_path, [source(weight=0.5)]).scenes[0].weight_M.tolist() == pytest.approx([0.5, 0.6])


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (box(7, bbox=(200, 0, 10, 10)), "no area inside the picture of 120 x 90"),
        (box(7, bbox=(0, 0, 10)), "bbox should be 4 numbers, is 3"),
        (box(7, score=0), "score should be above 0 and at most 1, is 0"),
        (box(7, score="high"), "score should be .*'high'"),
        (box(7, image_id=99), "picture 99 is not listed"),
    ],
)
def test_a_box_that_cannot_be_used_is_named(record: dict[str, Any], reason: str, tmp_path: Path) -> None:
    write(tmp_path, [box(1), record])
    loaded = load_scenes(tmp_path, [source()])
    assert len(loaded.scenes[0].box_M4) == 1
    with pytest.raises(ValueError, match=reason):
        raise ValueError(str(loaded.bad[0]))
    assert loaded.bad[0].annotation_id == 7


def test_missing_pictures_are_named(tmp_path: Path) -> None:
    write(tmp_path, [box(1)])
    (tmp_path / "images" / "2.jpg").unlink()
    loaded = load_scenes(tmp_path, [source()])
    assert (len(loaded.scenes), loaded.bad[0].reason) == (1, "the picture's file is missing")


def test_unknown_options_list_the_known_ones(tmp_path: Path) -> None:
    write(tmp_path, [])
    with pytest.raises(UnknownChoice, match="labels: unknown value 'mine'; valid: all, human"):
        load_scenes(tmp_path, [source(labels="mine")])
    with pytest.raises(InvalidInput, match="fold: there is no fold 3 of 3"):
        load_scenes(tmp_path, [source(fold=3, folds=3)])
    with pytest.raises(UnknownChoice, match="dataset: unknown value 'ubody'; valid: coco_boxes, synthetic"):
        load_scenes(tmp_path, [Source(dataset="ubody", annotations="")])
    with pytest.raises(InvalidInput, match="at least one data set"):
        load_scenes(tmp_path, [])


def test_folds_divide_some_pictures_and_leave_the_others(tmp_path: Path) -> None:
    write(tmp_path, [], pictures=19)
    chosen: dict[str, str | float] = {"folds": 2, "folded": "images/1"}
    parts = {
        (part, fold): {
            scene.picture.file.name for scene in load_scenes(tmp_path, [source(part=part, fold=fold, **chosen)]).scenes
        }
        for part in ("train", "held")
        for fold in (0, 1)
    }
    everything = {f"{number}.jpg" for number in range(1, 20)}
    divided = {name for name in everything if name.startswith("1")}
    assert parts["held", 0] | parts["held", 1] == divided
    for fold in (0, 1):
        assert parts["held", fold] == {name for name in divided if fold_of(f"images/{name}", 2) == fold} != set()
        assert parts["train", fold] == everything - parts["held", fold]
    assert len(load_scenes(tmp_path, [source(fold=-1, part="held", **chosen)]).scenes) == 19


def test_pictures_that_machines_labelled_can_be_left_out(tmp_path: Path) -> None:
    write(tmp_path, [box(1), box(2, 2, score=0.9)], pictures=3)
    write(tmp_path, [box(1, 3)], pictures=3, name="more.json")
    names = [
        scene.picture.file.name for scene in load_scenes(tmp_path, [source(labels="human", also="more.json")]).scenes
    ]
    assert names == ["1.jpg", "3.jpg", "1.jpg", "2.jpg", "3.jpg"]
    assert [len(scene.box_M4) for scene in load_scenes(tmp_path, [source(below="images/2")]).scenes] == [1]


def test_a_document_where_we_are_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, [box(1)])
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("boxes.json").write_text(json.dumps({"images": [image_record(file_name="images/1.jpg")], "annotations": []}))
    loaded = load_coco_boxes(tmp_path, source())
    assert [len(scene.box_M4) for scene in loaded.scenes] == [0]


def test_drawn_people_are_scenes() -> None:
    loaded = load_scenes(Path(), [FIGURES])
    assert len(loaded.scenes) == 9
    for scene in loaded.scenes:
        ((left, top, right, bottom),) = scene.box_M4.tolist()
        assert 0 <= left < right <= 80
        assert 0 <= top < bottom <= 100


def test_overlap_of_boxes() -> None:
    boxes = rows_of([(0, 0, 10, 10), (0, 0, 10, 20)])
    np.testing.assert_allclose(box_overlap(boxes, boxes), [[1, 0.5], [0.5, 1]])
    assert box_overlap(boxes, NO_BOXES).shape == (2, 0)
