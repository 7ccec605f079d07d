"""The walk-through: everything between annotated photos and the answer of a server, by the commands a user types."""

import json
from pathlib import Path

import pytest

from pose_core.errors import InvalidInput
from tests.training.data_folder import annotation, image_record, write_document, write_folder
from training.walkthrough import kill_in_the_middle, main, walk


def small_folder(folder: Path) -> Path:
    records = [annotation(number, image_id=number) for number in range(1, 5)]
    write_folder(folder, records, pictures=4)
    images = [image_record(number, file_name=f"images/{number}.jpg") for number in range(1, 5)]
    for name in ("train.json", "val.json"):
        write_document(folder / name, images, records)
    return folder


def test_from_a_folder_of_people_to_an_answer(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Trained, killed, resumed, distilled twice, exported, served, asked."""
    data, output = small_folder(tmp_path), tmp_path / "runs"
    main([str(data), "--steps", "7", "--batch-size", "2", "--output", str(output)])
    lines = capfd.readouterr().out
    assert "killed; the newest checkpoint is of step" in lines
    assert "resumed to step 7 of 7" in lines
    (person,) = json.loads((output / "answer.json").read_text())["people"]
    assert len(person["keypoints"]) == 133
    assert (output / "map.png").read_bytes().startswith(b"\x89PNG")


def test_a_folder_without_annotations_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"has no train\.json"):
        walk(tmp_path, tmp_path / "runs", 10, 2)


def test_earlier_runs_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    with pytest.raises(SystemExit, match="exists already"):
        main([str(small_folder(tmp_path)), "--output", str(tmp_path / "runs")])


def test_a_run_too_short_to_be_killed_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path), "--steps", "5"])
    assert "more than 5" in capsys.readouterr().err


def test_a_run_that_ends_by_itself_was_not_killed(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="not killed in the middle: exit code 3"):
        kill_in_the_middle(["sh", "-c", "exit 3"], tmp_path)
