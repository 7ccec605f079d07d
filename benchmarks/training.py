"""Samples per second of the data pipeline alone, of a training step alone, and of both together.

    python -m benchmarks.training [--data FOLDER] [--recipes folder-t folder-s1-s-t] [--precision bfloat16]

`FOLDER` holds a `train.json` in the layout of COCO-WholeBody whose file names are relative to it; without one, stick
figures in memory are used, which costs no decoding. Every sample goes through the published augmentation. The step is
everything after the batch: targets, losses, gradients, AdamW, running average. Networks are fresh; a recipe's teacher
needs no weights here. The last column says what the pipeline costs: `both` divided by `step`.
"""

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import torch

from pose_core.codecs import SimCC
from pose_core.types import Size
from training.assemble import build_method
from training.checkpoints import TrainingState
from training.contracts import PoseBatch
from training.data import load_sources
from training.data.loading import Loader, Loading, training_loader
from training.data.records import Dataset
from training.distributed import World
from training.loop import start
from training.recipe import Data, Recipe, Source
from training.recipes import find_recipe
from training.run import Run, Settings
from training.step import take_step

PEOPLE = Source(dataset="coco_wholebody", annotations="train.json", options=(("confidence_weights", 1),))
FIGURES = Source(dataset="synthetic", annotations="", options=(("count", 512),))


def pipeline_rate(loader: Loader, seconds: float) -> float:
    """Samples per second of a loader, measured over whole batches once it runs.

    The batches that were made in advance before the clock started, about `workers * prefetch`, count as well; they
    weigh little when `seconds` is much longer than what they take.
    """
    batches = _endless(loader)
    next(batches)
    samples, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds or not samples:
        samples += len(next(batches).id_B)
    return samples / elapsed


def processor_ms(loader: Loader, batches: int = 8) -> float:
    """Processor time of one sample in milliseconds, of a loader without workers; says more on a busy machine."""
    made = _endless(loader)
    next(made)
    start = time.process_time()
    samples = sum(len(batch.id_B) for batch in itertools.islice(made, batches))
    return (time.process_time() - start) / samples * 1000


def _endless(loader: Loader) -> Iterator[PoseBatch]:
    for epoch in itertools.count():
        yield from loader.epoch(epoch)


def step_rate(run: Run, state: TrainingState, batch: PoseBatch, seconds: float) -> float:
    """Samples per second of steps on one and the same batch, after two to warm up."""
    return steps_over(run, state, itertools.repeat(batch), seconds)


def both_rate(run: Run, state: TrainingState, loader: Loader, seconds: float) -> float:
    """Samples per second of steps on batches as the workers make them, after two to warm up."""
    return steps_over(run, state, _endless(loader), seconds)


def steps_over(run: Run, state: TrainingState, batches: Iterator[PoseBatch], seconds: float) -> float:
    """Take steps for some time."""
    for batch in itertools.islice(batches, 2):
        take_step(run, state, state.method, batch, epoch=0)
    samples, start_s = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start_s) < seconds or not samples:
        batch = next(batches)
        take_step(run, state, state.method, batch, epoch=0)
        samples += len(batch.id_B)
    return samples / elapsed


def measure_recipe(name: str, dataset: Dataset, options: argparse.Namespace) -> str:
    """One line: pipeline, step, both, and both as a share of the step."""
    recipe = fresh(find_recipe(name))
    loading = Loading(
        input_size=recipe.input_size,
        codec=recipe.codec,
        batch_size=options.batch_size,
        seed=0,
        workers=options.workers,
    )
    world = World(0, 1, torch.device("cpu"))
    method = build_method(recipe, Path())
    settings = Settings(precision=options.precision, progress=False)
    with tempfile.TemporaryDirectory() as folder:
        loader = training_loader(dataset, recipe.data, loading)
        run = Run(recipe, Path(folder), loader, None, world, settings)
        state = start(run, method)
        pipeline = pipeline_rate(loader, options.seconds)
        step = step_rate(run, state, next(loader.epoch(0)), options.seconds)
        both = both_rate(run, state, loader, options.seconds)
    return f"{name:20} {pipeline:8.0f} {step:8.1f} {both:8.1f} {both / step:8.0%}"


def fresh(recipe: Recipe) -> Recipe:
    """The recipe without files to start from."""
    teacher = recipe.teacher and replace(recipe.teacher, weights=None)
    return replace(recipe, student=replace(recipe.student, weights=None), teacher=teacher)


def main() -> None:
    """Measure and print."""
    options = _options()
    torch.set_num_threads(options.threads)
    source = PEOPLE if options.data else FIGURES
    dataset = load_sources(options.data or Path(), [source]).dataset
    print(f"{len(dataset)} people of {dataset.name}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
    print(f"{options.threads} threads for the step, {options.workers} workers, {options.precision}, batch of ", end="")
    print(options.batch_size)
    cv2.setNumThreads(1)
    alone = Loading(input_size=Size(192, 256), codec=SimCC(), batch_size=options.batch_size, seed=0)
    data = Data(train=(source,), val=source)
    spent_ms = processor_ms(training_loader(dataset, data, alone))
    print(f"{spent_ms:.1f} ms of one core for each sample of 192 x 256\n")
    print(f"{'samples/s':20} {'pipeline':>8} {'step':>8} {'both':>8} {'share':>8}")
    for name in options.recipes:
        print(measure_recipe(name, dataset, options), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of annotated photos")
    parser.add_argument("--recipes", nargs="+", default=["folder-t", "folder-s1-s-t", "folder-s2-t"])
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--workers", type=int, default=1, help="processes that prepare batches")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of the step")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each number")
    parser.add_argument("--batch-size", type=int, default=32)
    return parser.parse_args()


if __name__ == "__main__":
    main()
