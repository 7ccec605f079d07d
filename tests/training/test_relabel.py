"""New labels: several answers become one, and what people drew stays."""

import json
from pathlib import Path

import numpy as np
import pytest

from pose_core.detectors import Detector
from pose_core.steps import without_networks
from pose_core.timing import Timer
from pose_core.types import Image, PersonBox, Size
from tests.training.test_scenes import box, write
from training.data import load_scenes
from training.evals.detection import Found
from training.recipe import Source
from training.relabel import fuse, look, new_records, relabel

SIZE = Size(120, 90)
BOX = (10.0, 20.0, 40.0, 60.0)
NEAR = (12.0, 20.0, 42.0, 60.0)
AWAY = (80.0, 20.0, 110.0, 60.0)


def found(*rows: tuple[tuple[float, ...], float]) -> Found:
    return Found(np.array([at for at, _ in rows]).reshape(-1, 4), np.array([score for _, score in rows]))


def detector(*people: PersonBox) -> Detector:
    """Sees people where the picture is bright, in the left or the right half."""

    def detect(image: Image, threshold: float, timer: Timer) -> list[PersonBox]:
        del threshold, timer
        left = image[:, : image.shape[1] // 2].mean() > image[:, image.shape[1] // 2 :].mean()
        return [*people] if left else []

    return Detector("half", 0.3, "", "", without_networks(detect))


def test_boxes_of_one_person_are_joined() -> None:
    both = fuse([found((BOX, 0.9), (AWAY, 0.2)), found((NEAR, 0.3))])
    np.testing.assert_allclose(both.score_D, [0.6, 0.1])
    np.testing.assert_allclose(both.box_D4[0], [10.5, 20, 40.5, 60])
    np.testing.assert_allclose(both.box_D4[1], AWAY)


def test_a_look_adds_to_a_person_once() -> None:
    one = fuse([found((BOX, 0.9)), found((NEAR, 0.3), (BOX, 0.2))])
    np.testing.assert_allclose(one.score_D, [0.55, 0.15])
    assert [len(part) for part in fuse([found(), found()])] == [0, 0]


def test_every_detector_also_looks_at_the_mirror_image() -> None:
    image = np.zeros((90, 120, 3), np.uint8)
    image[:, 60:] = 200
    straight, mirrored = look([detector(PersonBox(*BOX, 0.7))], image)
    assert len(straight.score_D) == 0
    assert mirrored.box_D4.tolist() == [[80, 20, 110, 60]]


def test_what_people_drew_stays() -> None:
    human = box(1, label_origin="human")
    assert new_records([human], found((AWAY, 0.9)), SIZE) == [human]
    assert new_records([], found((AWAY, 0.9)), SIZE) == [], "where nobody is, nobody is found"


def test_what_people_drew_is_completed_where_machines_had_to() -> None:
    records = [box(1, label_origin="human"), box(2, score=0.4, iscrowd=1, label_origin="machine")]
    kept, added = new_records(records, found((NEAR, 0.9), (AWAY, 0.6), ((0, 0, 9, 9), 0.01)), SIZE)
    assert kept == records[0]
    assert (added["bbox"], added["score"], added["iscrowd"]) == ([80.0, 20.0, 30.0, 40.0], 0.6, 0)


def test_boxes_around_points_are_moved_halfway() -> None:
    (moved,) = new_records([box(1, label_origin="joints")], found((NEAR, 0.9)), SIZE)
    assert moved["bbox"] == [11.0, 20.0, 30.0, 40.0]
    assert "score" not in moved
    kept, added = new_records([box(1, label_origin="joints")], found((AWAY, 0.9)), SIZE)
    assert kept["bbox"] == [10, 20, 30, 40]
    assert added["score"] == 0.9


def test_what_machines_drew_gives_way_and_is_cut_to_the_picture() -> None:
    records = [box(1, score=0.9, label_origin="machine")]
    (only,) = new_records(records, found(((-5.0, 10.0, 20.0, 95.0), 0.4), ((130.0, 0.0, 140.0, 9.0), 0.8)), SIZE)
    assert only["bbox"] == [0.0, 10.0, 20.0, 80.0]
    assert new_records(records, found(), SIZE) == []


def test_documents_become_one_that_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, [box(1, label_origin="human"), box(2, 2, score=0.9, label_origin="machine")])
    write(tmp_path, [box(1, score=0.5)], pictures=1, name="more.json")
    document = relabel(tmp_path, ["boxes.json", "more.json"], [detector(PersonBox(*BOX, 0.8))])
    assert [image["id"] for image in document["images"]] == [1, 2, 3]
    assert [record["id"] for record in document["annotations"]] == [1, 2, 3]
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("new.json").write_text(json.dumps(document))
    loaded = load_scenes(tmp_path, [Source(dataset="coco_boxes", annotations="new.json")])
    assert [scene.weight_M.tolist() for scene in loaded.scenes] == [[1.0], pytest.approx([0.4]), pytest.approx([0.4])]
    assert loaded.bad == ()
