"""What the distilled networks cost: parameters, multiply-adds, and time per person on the CPU through the pipeline.

    python -m benchmarks.costs [--rounds 15] [--threads 0] [--recipes distilpose-s ...] [--json FILE]

The networks are the students of recipes, with random weights: what a network takes does not depend on what it has
learnt. Each is exported with the spec of its recipe, loaded by its path like a server does, and asked for the one
person in a photo of 1024 x 1024 pixels; crop and decoding are part of the time. The networks take turns, so that
whatever else the machine does meets all alike. Multiply-adds are those of convolutions, layers and attention for one
crop. A second table sets the ratios of teachers and students beside those that the papers claim, for which they are
counted like there, without the products of tokens with tokens.
"""

import argparse
import io
import json
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import PIL.Image
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.workload import CACHE, SEED, person_boxes, photo_jpeg
from pose_core.detectors import load_detector
from pose_core.estimators import load_estimator
from pose_core.estimators.metadata import SPEC_KEY, write_spec
from pose_core.pipeline import PeopleRequest, Pipeline
from pose_core.schemes import SCHEMES
from pose_core.timing import Timer
from pose_core.types import Image
from training.export import export_onnx
from training.models import Network, build_model
from training.recipe import Recipe
from training.recipes import RECIPES

RECIPE_NAMES: Final = (
    *("hourglass-8x256", "hourglass-4x128", "hourglass-8x256-paper", "hourglass-4x128-paper"),
    *("tokenpose-w48", "distilpose-l", "tokenpose-s", "distilpose-s"),
    *("rtmpose-t-256", "rtmpose-s-256", "rtmpose-m-256", "rtmpose-l-256"),
)


ATTENTION: Final = "aten.bmm"
"""What multiplies tokens with tokens, as the counter calls it."""


class Claim(NamedTuple):
    """How many times less a student takes than its teacher, as its paper says; None where it says nothing."""

    teacher: str
    student: str
    parameters: float | None
    work: float | None
    time: float | None


CLAIMS: Final = (
    Claim("hourglass-8x256", "hourglass-4x128", None, 6, None),
    Claim("hourglass-8x256-paper", "hourglass-4x128-paper", None, 6, None),
    Claim("tokenpose-w48", "distilpose-s", 12.95, 7.16, 4.90),
    Claim("tokenpose-w48", "distilpose-l", 3.26, 1.65, 1.63),
)
"""FPD: a sixth of the work; its original first layers fit that, the released ones do not. DistilPose: 69.41 M, 17.03 G
and 7.8 pictures a second on a GPU against 5.36 M, 2.38 G and 40.2, or 21.27 M, 10.33 G and 13.4."""


class Cost(NamedTuple):
    """What a network takes.

    Attributes:
        parameters: millions.
        work: thousand millions of multiply-adds for one crop.
        attention: those of them that multiply tokens with tokens.
        times_ms: one person, a number for each round.
    """

    parameters: float
    work: float
    attention: float
    times_ms: tuple[float, ...] = ()

    @property
    def time_ms(self) -> float:
        """The median."""
        return statistics.median(self.times_ms)


def main() -> None:
    """Measure and print."""
    options = _options()
    photo = np.array(PIL.Image.open(io.BytesIO(photo_jpeg())))
    recipes = {name: RECIPES[name]() for name in options.recipes}
    pipelines = {name: load(export(recipe, options.cache), options.threads) for name, recipe in recipes.items()}
    rounds = [{name: ask(pipeline, photo) for name, pipeline in pipelines.items()} for _ in range(options.rounds + 1)]
    costs = {
        name: count(recipe)._replace(times_ms=tuple(one[name] for one in rounds[1:]))
        for name, recipe in recipes.items()
    }
    print("\n".join([*cost_table(costs), "", *claim_table(costs)]))
    if options.json:
        options.json.write_text(json.dumps({name: cost._asdict() for name, cost in costs.items()}, indent=1))


def build(recipe: Recipe) -> Network:
    """The untrained student of a recipe, the same in every run."""
    torch.manual_seed(SEED)
    return build_model(recipe.student.model, recipe.input_size, len(SCHEMES[recipe.scheme])).eval()


def count(recipe: Recipe) -> Cost:
    """Parameters and multiply-adds."""
    size = recipe.input_size
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = build(recipe)
        network(torch.empty(1, 3, size.height, size.width))
    work = {str(operation): flops / 2e9 for operation, flops in counter.get_flop_counts()["Global"].items()}
    parameters = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    return Cost(parameters, sum(work.values()), work.get(ATTENTION, 0.0))


def export(recipe: Recipe, folder: Path) -> Path:
    """The ONNX file of a recipe's student, made when it is not there yet."""
    path = folder / f"{recipe.name}-costs-seed{SEED}.onnx"
    if not path.exists():
        export_onnx(build(recipe), path, metadata={SPEC_KEY: write_spec(recipe.spec)})
    return path


def load(path: Path, threads: int) -> Pipeline:
    """The file as a server loads it; the detector is not asked, as the box is given."""
    return Pipeline(load_detector("whole-image"), load_estimator(str(path), "cpu", threads))


def ask(pipeline: Pipeline, photo: Image) -> float:
    """Milliseconds until the person's keypoints are known."""
    request = PeopleRequest(boxes=person_boxes(1))
    start = time.perf_counter()
    pipeline.estimate_poses(photo, request, Timer())
    return (time.perf_counter() - start) * 1e3


def cost_table(costs: Mapping[str, Cost]) -> Iterator[str]:
    """Markdown: a line for each network."""
    yield "| network of recipe | parameters, M | multiply-adds, G | of these attention | ms per person |"
    yield "|---" + "|---:" * 4 + "|"
    for name, cost in costs.items():
        yield f"| {name} | {cost.parameters:.2f} | {cost.work:.2f} | {cost.attention:.2f} | {cost.time_ms:.1f} |"


def claim_table(costs: Mapping[str, Cost], claims: Sequence[Claim] = CLAIMS) -> Iterator[str]:
    """Markdown: how many times less a student takes, here and as its paper says."""
    yield "| teacher / student | parameters | claimed | multiply-adds | claimed | time | claimed |"
    yield "|---" + "|---:" * 6 + "|"
    for claim in claims:
        if claim.teacher in costs and claim.student in costs:
            teacher, student = costs[claim.teacher], costs[claim.student]
            pairs = (
                (teacher.parameters / student.parameters, claim.parameters),
                ((teacher.work - teacher.attention) / (student.work - student.attention), claim.work),
                (teacher.time_ms / student.time_ms, claim.time),
            )
            cells = (f"{found:.2f} | {'' if said is None else said}" for found, said in pairs)
            yield f"| {claim.teacher} / {claim.student} | {' | '.join(cells)} |"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="of which medians are taken (15)")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads of a network run, 0: one per core (0)")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=RECIPE_NAMES, help="whose students to measure")
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"where the networks are kept ({CACHE})")
    parser.add_argument("--json", type=Path, help="write every single measurement to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
