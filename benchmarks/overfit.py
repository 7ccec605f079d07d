"""Can every method learn a handful of people by heart? 32 people without random changes, to PCK@0.05 above 0.99.

    python -m benchmarks.overfit ../shared/data/people [--bfloat16] [--output runs/overfit]

Supervised training first; its network is the teacher of the first stage, whose student is the teacher of the second.
Every run has RTMPose-t at 256x192 and a batch of all 32. Exits with 1 if one of them does not get there.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pose_core.codecs import SimCC
from pose_core.estimators import EstimatorSpec
from training.checkpoints import find_checkpoint
from training.contracts import PoseBatch
from training.data import load_sources
from training.data.loading import Loading, plain_loader
from training.data.records import Dataset
from training.deployable import load_deployable
from training.distributed import World
from training.evals.networks import torch_network
from training.evals.pck import evaluate_pck
from training.evals.predict import predict
from training.evals.views import annotated_boxes
from training.loop import train
from training.measure import truth_of
from training.methods import METHODS
from training.models.rtmpose import RtmPose, SIZE_256x192, build_rtmpose
from training.recipe import Data, MethodRecipe, Network, Optimisation, Recipe, Source
from training.run import Run, Settings

PEOPLE = 32
STEPS_PER_EPOCH = 20
EPOCHS = {"supervised": 12, "dwpose-stage1": 8, "dwpose-stage2": 8}
TEACHERS = {"dwpose-stage1": "supervised", "dwpose-stage2": "dwpose-stage1"}
WANTED = 0.99
SOURCE = Source(dataset="coco_wholebody", annotations="train.json", options=(("confidence_weights", 1),))


@dataclass(frozen=True, slots=True)
class SameBatch:
    """The same people in every step; a `training.contracts.BatchSource`."""

    batch: PoseBatch
    steps_per_epoch: int = STEPS_PER_EPOCH

    def epoch(self, epoch: int, start: int = 0) -> Iterator[PoseBatch]:
        """One batch, again and again."""
        del epoch
        for _ in range(start, self.steps_per_epoch):
            yield self.batch


def main() -> None:
    """Train all three and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="people in the layout of COCO-WholeBody: train.json and pictures")
    parser.add_argument("--output", type=Path, default=Path("runs/overfit"), help="folder for runs; must not hold one")
    parser.add_argument("--bfloat16", action="store_true", help="faster where the processor has it")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    people = choose_people(options.folder)
    print("| method | steps | seconds | PCK@0.05, all labels | human labels |\n|---|---:|---:|---:|---:|")
    results = [learn(name, people, options.output, half=options.bfloat16) for name in EPOCHS]
    sys.exit(0 if min(results) > WANTED else 1)


def choose_people(folder: Path) -> Dataset:
    """People spread over the whole set."""
    dataset = load_sources(folder, [SOURCE]).dataset
    return dataset.subset(np.linspace(0, len(dataset) - 1, PEOPLE).astype(int).tolist())


def learn(name: str, people: Dataset, output: Path, *, half: bool) -> float:
    """Train one method, print its row and return the PCK over all labels."""
    recipe = recipe_of(name)
    loading = Loading(input_size=recipe.input_size, codec=SimCC(), batch_size=PEOPLE, seed=0)
    batches = SameBatch(next(plain_loader(people, loading).epoch(0)))
    settings = Settings(precision="bfloat16" if half else "float32", log_every=5)
    run = Run(recipe, output / name, batches, None, World(0, 1, torch.device("cpu")), settings)
    torch.manual_seed(recipe.seed)
    teacher = load_deployable(deployable(output / TEACHERS[name]))[0] if name in TEACHERS else None
    began = time.perf_counter()
    train(run, METHODS[name](build_rtmpose("t"), teacher))
    duration_s = time.perf_counter() - began
    pck = measure_pck(load_deployable(deployable(output / name))[0], people)
    print(f"| {name} | {run.last_step} | {duration_s:.0f} | {pck['known']:.4f} | {pck['human']:.4f} |", flush=True)
    return pck["known"]


def deployable(run: Path) -> Path:
    """The averaged network at the end of a run."""
    return find_checkpoint(run) / "deployable.safetensors"


def recipe_of(name: str) -> Recipe:
    """Settings that learn fast and by heart: no weight decay, a short average."""
    epochs = EPOCHS[name]
    optimisation = Optimisation(
        learning_rate=2e-3,
        weight_decay=0.0,
        warm_up_steps=20,
        flat_until_epoch=epochs // 2,
        cosine_until_epoch=epochs,
        ema_decay=0.1,
        ema_warm_up=20,
    )
    return Recipe(
        name=name,
        student=Network(model="rtmpose-t"),
        method=MethodRecipe(name=name),
        data=Data(train=(SOURCE,), val=SOURCE),
        optimisation=optimisation,
        input_size=SIZE_256x192,
        epochs=epochs,
        batch_size=PEOPLE,
    )


def measure_pck(network: RtmPose, people: Dataset) -> Mapping[str, float]:
    """PCK@0.05 of the longest side of the box, over all labels and over those of humans, without flip test."""
    truth = truth_of(people, Path())
    ready = torch_network(network, "overfit", EstimatorSpec(input_size=network.input_size))
    predictions = predict(ready, annotated_boxes(truth, Path()), flip=False, progress=False)
    results = {labels: evaluate_pck(truth, predictions, labels=labels) for labels in ("known", "human")}
    return {labels: result.parts["wholebody"][0] or 0.0 for labels, result in results.items()}


if __name__ == "__main__":
    main()
