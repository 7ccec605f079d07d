"""The log: complete lines survive, what a killed run wrote too much is dropped, every number is drawn."""

from pathlib import Path
from typing import Any

from training.log import Log, curves_of, plot_log, read_log


def step(number: int) -> dict[str, Any]:
    return {"step": number, "epoch": 0, "losses": {"logit": 1.0 / number}, "metrics": {"accuracy": 0.5}}


def test_lines_come_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "log.jsonl"
    with Log(path) as log:
        log.write(step(1))
        assert read_log(path) == [step(1)], "a line is on its way at once"
        log.write({"step": 1, "epoch": 0, "evaluation": {"AP": 0.1}})
    assert [sorted(record) for record in read_log(path)] == [sorted(step(1)), ["epoch", "evaluation", "step"]]


def test_lines_beyond_the_checkpoint_are_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with Log(path) as log:
        for number in (1, 2, 3):
            log.write(step(number))
    with path.open("a") as file:
        file.write('{"step": 4, "epo')
    with Log(path, step=2) as log:
        log.write(step(3))
    assert [record["step"] for record in read_log(path)] == [1, 2, 3]


def test_damaged_lines_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with Log(path) as log:
        log.write(step(1))
    with path.open("ab") as file:
        file.write(b'\x00\xff\n{"step": 2, "epo\n[3]\nnull\n{"epoch": 4}\n\n')
    with Log(path, step=9) as log:
        log.write(step(5))
    assert [record["step"] for record in read_log(path)] == [1, 5]


def test_the_old_log_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with Log(path) as log:
        log.write(step(1))
        log.write(step(2))
    with path.open() as before, Log(path, step=1):
        assert len(before.readlines()) == 2, "what somebody reads is not cut off"
    assert list(tmp_path.iterdir()) == [path]


def test_a_process_without_a_path_writes_nothing(tmp_path: Path) -> None:
    with Log(None) as log:
        log.write(step(1))
    assert list(tmp_path.iterdir()) == []


def test_every_number_is_a_curve() -> None:
    records = [
        {**step(1), "gradient_norm": 2.0},
        step(2),
        {"step": 2, "epoch": 0, "evaluation": {"AP": 0.1, "AR": 0.2}},
    ]
    assert curves_of(records) == {
        "loss logit": [(1, 1.0), (2, 0.5)],
        "metric accuracy": [(1, 0.5), (2, 0.5)],
        "gradient_norm": [(1, 2.0)],
        "evaluation AP": [(2, 0.1)],
    }


def test_curves_are_drawn(tmp_path: Path) -> None:
    with Log(tmp_path / "log.jsonl") as log:
        for number in range(1, 60):
            log.write({**step(number), "gradient_norm": 0.0})
    plot_log(tmp_path / "log.jsonl", tmp_path / "losses.png")
    assert (tmp_path / "losses.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_is_drawn_of_nothing(tmp_path: Path) -> None:
    plot_log(tmp_path / "log.jsonl", tmp_path / "losses.png")
    assert list(tmp_path.iterdir()) == []
