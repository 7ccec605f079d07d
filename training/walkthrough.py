"""Both stages in small, on your own photos: from annotated people to an answer of the service, in a few minutes.

    python -m training.walkthrough FOLDER [--steps 30] [--output runs/walkthrough]

`FOLDER` holds `train.json` and `val.json` in the layout of COCO-WholeBody, file names relative to it. A teacher is
trained for some steps; the first stage is killed in the middle and resumed; the second stage follows; its network is
exported, served, and asked about a photo of `val.json`. Every command is printed before it runs, and is one that a user
would type. So few steps teach nothing of use: what is shown is that all parts fit.
"""

import argparse
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import typer

from pose_core.errors import InvalidInput, PoseError
from training.checkpoints import find_checkpoint, list_checkpoints, read_snapshot

SAVE_EVERY: Final = 5
"""Steps between checkpoints of the run that is killed."""

PATIENCE_S: Final = 300
"""Seconds until something that should have happened counts as failed."""

TRAINING: Final = (sys.executable, "-m", "training")
SKELMAP: Final = str(Path(sys.executable).with_name("skelmap"))


class WalkthroughError(PoseError):
    """A command of the walk-through did not do what it should."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Walk through; an error is one line and exit code 1."""
    options = read_options(arguments)
    try:
        walk(options.data, options.output, options.steps, options.batch_size)
    except PoseError as error:
        sys.exit(f"error: {error}")


def walk(data: Path, output: Path, steps: int, batch_size: int) -> None:
    """Train, kill, resume, train, export, serve and ask.

    Args:
        data: the folder of people.
        output: where runs and files go; must not exist.
        steps: of each run, more than `SAVE_EVERY`.
        batch_size: people per step.

    Raises:
        InvalidInput: a folder that is not there, or is there already.
        WalkthroughError: a command failed.
    """
    for name in ("train.json", "val.json"):
        if not (data / name).is_file():
            raise InvalidInput(f"{data} has no {name}", field="data")
    if output.exists():
        raise InvalidInput(f"{output} exists already; name another folder", field="output")
    teacher, first, second = (output / name for name in ("teacher", "stage-1", "stage-2"))
    common = ["--data", str(data), "--steps", str(steps), "--workers", "1"]
    sized = [*common, "--batch-size", str(batch_size)]
    call(*TRAINING, "run", "folder-s", *sized, "--output", str(teacher))
    learn = ["run", "folder-s1-s-t", *sized, "--teacher-weights", str(teacher), "--output", str(first)]
    kill_in_the_middle([*TRAINING, *learn, "--save-every", str(SAVE_EVERY)], first)
    call(*TRAINING, "resume", str(first), *common)
    say(f"resumed to step {read_snapshot(find_checkpoint(first)).step} of {steps}")
    call(*TRAINING, "run", "folder-s2-t", *sized, "--teacher-weights", str(first), "--output", str(second))
    network = output / "network.onnx"
    call(*TRAINING, "export", str(second), "--output", str(network), "--data", str(data))
    ask(network, first_photo(data), output)


def kill_in_the_middle(command: Sequence[str], run: Path) -> None:
    """Start a run and kill it, without a warning, after its first checkpoint.

    Raises:
        WalkthroughError: it ended by itself, or left no checkpoint in time.
    """
    say(f"$ {shlex.join(command)}   # to be killed")
    process = subprocess.Popen(command, start_new_session=True)  # noqa: S603 - our own commands
    deadline = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < deadline and not list_checkpoints(run):
        time.sleep(0.05)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    code = process.wait()
    if code != -signal.SIGKILL or not list_checkpoints(run):
        raise WalkthroughError(f"the run was not killed in the middle: exit code {code}")
    say(f"killed; the newest checkpoint is of step {read_snapshot(find_checkpoint(run)).step}")


def ask(network: Path, photo: Path, output: Path) -> None:
    """Serve a network, post a photo, and write the answer and the map beside the runs.

    Raises:
        WalkthroughError: the server does not start, or answers without 133 keypoints.
    """
    with serving(network) as address:
        answer = json.loads(post(f"{address}/pose?detector=whole-image", photo))
        picture = post(f"{address}/pose?detector=whole-image&format=png", photo)
    (output / "answer.json").write_text(json.dumps(answer, indent=2))
    (output / "map.png").write_bytes(picture)
    points = [len(person["keypoints"]) for person in answer["people"]]
    if points != [133] or not picture.startswith(b"\x89PNG"):
        raise WalkthroughError(f"expected one person of 133 keypoints and a PNG, got people of {points}")
    say(f"served: {points[0]} keypoints of {photo}; see {output / 'answer.json'} and {output / 'map.png'}")


@contextmanager
def serving(network: Path) -> Iterator[str]:
    """`skelmap serve` with a network as its estimator, for as long as the block lasts; yields its address.

    Raises:
        WalkthroughError: it ends, or is not ready in time.
    """
    port = free_port()
    command = [SKELMAP, "serve", "--port", str(port)]
    chosen = {"SKELMAP_ESTIMATOR": str(network.absolute()), "SKELMAP_DETECTOR": "whole-image"}
    say("$ " + " ".join([*(f"{name}={value}" for name, value in chosen.items()), shlex.join(command)]))
    process = subprocess.Popen(command, env={**os.environ, **chosen})  # noqa: S603 - our own command
    try:
        wait_until_ready(f"http://127.0.0.1:{port}/readyz", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def wait_until_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    """Ask until the server says that it can work.

    Raises:
        WalkthroughError: see `serving`.
    """
    deadline = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url) as response:  # noqa: S310 - our own address
                if response.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    raise WalkthroughError(f"the server is not ready, exit code {process.poll()}")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def post(url: str, photo: Path) -> bytes:
    """What the server answers to a photo."""
    request = urllib.request.Request(url, photo.read_bytes(), {"Content-Type": "image/jpeg"})  # noqa: S310 - ours
    with urllib.request.urlopen(request) as response:  # noqa: S310 - our own address
        content: bytes = response.read()
        return content


def first_photo(data: Path) -> Path:
    """The first photo of `val.json`."""
    document: dict[str, Any] = json.loads((data / "val.json").read_bytes())
    return data / str(document["images"][0]["file_name"])


def call(*command: str) -> None:
    """Run a command to its end.

    Raises:
        WalkthroughError: it failed.
    """
    say(f"$ {shlex.join(command)}")
    code = subprocess.run(command, check=False).returncode  # noqa: S603 - our own commands
    if code:
        raise WalkthroughError(f"exit code {code} of {shlex.join(command)}")


def say(line: str) -> None:
    """Print at once, in order with what the commands print."""
    typer.echo(line)
    sys.stdout.flush()


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with train.json, val.json and the photos")
    parser.add_argument("--steps", type=int, default=30, help=f"of each of the three runs, more than {SAVE_EVERY}")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--output", type=Path, default=Path("runs/walkthrough"))
    options = parser.parse_args(arguments)
    if options.steps <= SAVE_EVERY:
        parser.error(f"--steps {options.steps}: more than {SAVE_EVERY}, so that there is a middle to be killed in")
    return options


if __name__ == "__main__":
    main()
