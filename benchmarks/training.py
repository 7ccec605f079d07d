"""Samples per second of the data pipeline.

    python -m benchmarks.training [--data FOLDER] [--workers 0 1 2] [--seconds 10] [--size 192x256]

`FOLDER` holds a `train.json` in the layout of COCO-WholeBody whose file names are relative to it; without one, stick
figures in memory are used, which costs no decoding. Every sample goes through the published augmentation and gets
SimCC targets.
"""

import argparse
import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2

from pose_core.codecs import SimCC
from pose_core.types import Size
from training.contracts import Batch
from training.data import load_sources
from training.data.loading import Loader, Loading, training_loader
from training.recipe import Data, Source

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


def _endless(loader: Loader) -> Iterator[Batch]:
    for epoch in itertools.count():
        yield from loader.epoch(epoch)


def main() -> None:
    """Measure and print."""
    options = _options()
    source = PEOPLE if options.data else FIGURES
    dataset = load_sources(options.data or Path(), [source]).dataset
    width, height = (int(side) for side in options.size.split("x"))
    loading = Loading(input_size=Size(width, height), codec=SimCC(), batch_size=options.batch_size, seed=0)
    cv2.setNumThreads(1)
    print(f"{len(dataset)} people of {dataset.name}, crops of {width} x {height}, {os.cpu_count()} cores")
    data = Data(train=(source,), val=source)
    print(f"{processor_ms(training_loader(dataset, data, loading)):.1f} ms of one core for each sample")
    for workers in options.workers:
        loader = training_loader(dataset, data, replace(loading, workers=workers))
        rate = pipeline_rate(loader, options.seconds)
        print(f"{workers} workers: {rate:.0f} samples/s; load average {os.getloadavg()[0]:.1f}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of annotated photos")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2], help="0 is the calling process itself")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each number of workers")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--size", default="192x256", help="width x height of the crops")
    return parser.parse_args()


if __name__ == "__main__":
    main()
