"""What a recipe's task decides, beside what its method does: networks, data, metrics and the exported file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from torch import Tensor

from training.contracts import BatchSource, Evaluate
from training.deployable import Description
from training.distributed import World
from training.evals.report import Report
from training.export import ExportReport
from training.models import Network
from training.recipe import Recipe


class Measurement(NamedTuple):
    """How to measure: boxes of a detector instead of annotated ones, flip test, a bar. The first two are of poses."""

    detections: Path | None = None
    flip: bool = True
    progress: bool = False


@dataclass(frozen=True, slots=True)
class Published:
    """A file and how it compares with the network it came from.

    Attributes:
        export: the file.
        crops: how many pictures were compared.
        sure: how many of their points or boxes have a score of at least the threshold.
        near: share of these within a pixel of where torch puts them; 1 if there are none.
        farthest_px: the largest distance among them.
    """

    export: ExportReport
    crops: int
    sure: int
    near: float
    farthest_px: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One kind of network that can be trained, from its data to its file.

    Attributes:
        called: what its networks are, with an article.
        models: its networks, see `training.models`.
        role: what the service calls them, see `pose_core.weights.Weights`.
        batches: the training data of one process, of a recipe and a data folder.
        evaluation: what the loop calls after every few epochs; of a recipe, a data folder, a folder for pictures that
            are no files yet, and whether to show a bar.
        from_file: a network to measure, of an ONNX file or a known name, and a device.
        from_weights: the same of a torch network on its device, with a name and its description.
        measure: all metrics of such a network; of a recipe, a data folder, a folder for pictures, and how.
        metadata: what an exported file says of itself.
        compare: how far an exported file is from the network it came from on prepared pictures.
        real_pictures: prepared pictures of a recipe's validation set, spread over all of it, at most so many.
    """

    called: str
    models: Mapping[str, Callable[..., Network]]
    role: Literal["estimator", "detector"]
    batches: Callable[[Recipe, Path, World], BatchSource]
    evaluation: Callable[[Recipe, Path, Path, bool], Evaluate]
    from_file: Callable[[str, str], Any]
    from_weights: Callable[[Any, str, Description], Any]
    measure: Callable[[Any, Recipe, Path, Path, Measurement], Report]
    metadata: Callable[[Description], Mapping[str, str]]
    compare: Callable[[Any, ExportReport, Description, Tensor], Published]
    real_pictures: Callable[[Recipe, Path, int], Tensor]
