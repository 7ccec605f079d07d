"""A second look at machines' labels of body and feet, by a network that was trained on them.

    python -m training.relabel_people FOLDER OUTPUT NETWORK [--document train.json] [--judge val.json]

How far the network can be trusted is measured first: the share of its points that lie near human labels of the judge,
by score. Then it looks at everybody in the document. A machine's label with the network nearby stays. Where the two are
apart, the one that is more likely to be right stays, and counts by how likely it is that it is right and the other one
wrong; what counts for hardly anything is dropped. A point that no machine found is added where the network is nearly
sure. Labels of people, faces and hands stay as they are.

The written document has the layout of the old one, COCO-WholeBody's with a probability as the third number of a point.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray

from pose_core.skeleton import BODY, FEET
from training.evals.ground_truth import read_ground_truth
from training.evals.networks import EvalNetwork
from training.evals.predict import predict
from training.evals.records import GroundTruth, Predictions
from training.evals.views import annotated_boxes
from training.measure import load_candidate

POINTS: Final = slice(BODY.start, FEET.stop)
"""Those of the 133 that get a second look."""

PARTS: Final[Mapping[str, slice]] = {
    "head": slice(0, 3),
    "ears": slice(3, 5),
    "body": slice(5, 17),
    "foot": FEET,
}
"""Key of a record's `label_origin` -> the points it speaks of; ears without an entry are those of the head."""

NEAR: Final = 0.1
"""Points are near if their distance is at most so much of the root of the box's area."""

SURE: Final = 0.85
"""A point without a label is added from this probability on."""

LEAST: Final = 0.2
"""A label that counts for less is dropped."""

Floats = NDArray[np.float64]


class Trust(NamedTuple):
    """How likely a network's point is near the right place, by its score; between these numbers on a straight line.

    Attributes:
        score: rising.
        share: never falling.
    """

    score: Floats
    share: Floats

    def of(self, score: Floats) -> Floats:
        """Probabilities of any scores."""
        return np.interp(score, self.score, self.share)


class Changes(NamedTuple):
    """What became of the machines' labels of a person: how many of each."""

    stayed: int
    doubted: int
    replaced: int
    dropped: int
    added: int


def measure_trust(truth: GroundTruth, predictions: Predictions, groups: int = 10) -> Trust:
    """How the share of points near human labels depends on the score, in equally large groups of points.

    Raises:
        ValueError: there are fewer human labels of body and feet than groups.
    """
    people = {person.id: person for person in truth.people}
    scores, near = [], []
    for found in predictions.people:
        person = people[found.id]
        labels, points = person.keypoints[POINTS], found.keypoints[POINTS]
        by_people = labels[:, 2] >= 1
        distance = np.linalg.norm(labels[:, :2] - points[:, :2], axis=1)
        scores.append(points[by_people, 2])
        near.append(distance[by_people] <= NEAR * np.sqrt(person.box[2] * person.box[3]))
    score, hit = np.concatenate(scores), np.concatenate(near)
    if len(score) < groups:
        raise ValueError(f"{truth.name}: {len(score)} points that people labelled, {groups} are needed")
    order = np.array_split(np.argsort(score, kind="stable"), groups)
    means = np.array([[score[group].mean(), hit[group].mean()] for group in order])
    return Trust(means[:, 0], np.maximum.accumulate(means[:, 1]))


def look_again(labels_K3: Floats, found_K3: Floats, machine_K: NDArray[np.bool_], reach_px: float) -> Floats:
    """Labels after a second look; see the module's docstring.

    Args:
        labels_K3: x, y and v of one person.
        found_K3: x and y of the network and the probability that it is right.
        machine_K: which points machines labelled, or found nothing.
        reach_px: how far apart two points may be that are near.
    """
    old_K, trust_K = labels_K3[:, 2], found_K3[:, 2]
    apart_K = np.linalg.norm(labels_K3[:, :2] - found_K3[:, :2], axis=1) > reach_px
    labelled_K = machine_K & (old_K > 0) & (old_K < 1)
    replaced_K = labelled_K & apart_K & (trust_K > old_K)
    doubted_K = labelled_K & apart_K & ~replaced_K
    added_K = machine_K & (old_K == 0) & (trust_K >= SURE)
    new_K3 = labels_K3.copy()
    new_K3[replaced_K | added_K, :2] = found_K3[replaced_K | added_K, :2]
    new_K3[replaced_K, 2] = (trust_K * (1 - old_K))[replaced_K]
    new_K3[doubted_K, 2] = (old_K * (1 - trust_K))[doubted_K]
    new_K3[added_K, 2] = trust_K[added_K]
    new_K3[(replaced_K | doubted_K) & (new_K3[:, 2] < LEAST)] = 0
    return new_K3


def count_changes(old_K3: Floats, new_K3: Floats) -> Changes:
    """What `look_again` did, in numbers of points that had a machine's label or have one now."""
    before, after = old_K3[:, 2], new_K3[:, 2]
    moved = (old_K3[:, :2] != new_K3[:, :2]).any(axis=1)
    machine = (before > 0) & (before < 1)
    return Changes(
        stayed=int((machine & (before == after) & ~moved).sum()),
        doubted=int((machine & (before != after) & ~moved).sum()),
        replaced=int((machine & (after > 0) & moved).sum()),
        dropped=int((machine & (after == 0)).sum()),
        added=int(((before == 0) & (after > 0)).sum()),
    )


def by_machine(record: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Of which points of body and feet a record's `label_origin` does not say that people labelled them."""
    origin = record.get("label_origin", {})
    human_K = np.zeros(POINTS.stop - POINTS.start, np.bool_)
    for part, points in PARTS.items():
        whose = origin.get(part, origin.get("head") if part == "ears" else None)
        human_K[points] = whose == "human"
    return ~human_K


def relabel(document: dict[str, Any], predictions: Predictions, trust: Trust) -> tuple[dict[str, Any], Changes]:
    """A document of people with new labels, and how many of each kind of change there were.

    Joints that people marked have a v of 1 or 2 and never change; of a body that people labelled, joints filled in by a
    machine do, and no joint is added.
    """
    found = {person.id: person.keypoints[POINTS] for person in predictions.people}
    changes = []
    annotations = []
    for record in document["annotations"]:
        if record["id"] not in found:
            annotations.append(record)
            continue
        old_K3 = np.array([*record["keypoints"], *record["foot_kpts"]], np.float64).reshape(-1, 3)
        answer_K3 = found[record["id"]].astype(np.float64)
        answer_K3[:, 2] = trust.of(answer_K3[:, 2])
        reach_px = NEAR * float(np.sqrt(record["bbox"][2] * record["bbox"][3]))
        machine_K = by_machine(record) | ((old_K3[:, 2] > 0) & (old_K3[:, 2] < 1))
        new_K3 = look_again(old_K3, answer_K3, machine_K, reach_px)
        changes.append(count_changes(old_K3, new_K3))
        row_K3 = np.round(new_K3, 3)
        body, feet = (row_K3[part].ravel().tolist() for part in (BODY, FEET))
        marked = int(np.count_nonzero(new_K3[BODY, 2] > 0))
        annotations.append({**record, "keypoints": body, "foot_kpts": feet, "num_keypoints": marked})
    totals = (
        Changes(*(int(total) for total in np.sum(changes, axis=0, dtype=int))) if changes else Changes(0, 0, 0, 0, 0)
    )
    return {**document, "annotations": annotations}, totals


def ask(network: EvalNetwork, folder: Path, document: str) -> tuple[GroundTruth, Predictions]:
    """A set and what the network says of everybody in it, looking at mirrored crops, too."""
    truth = read_ground_truth(folder / document)
    return truth, predict(network, annotated_boxes(truth, folder))


def main(
    folder: Path,
    output: Path,
    network: str,
    document: Annotated[str, typer.Option()] = "train.json",
    judge: Annotated[str, typer.Option()] = "val.json",
) -> None:
    """Look again at what machines labelled."""
    loaded = load_candidate(network, folder, "cpu").network
    trust = measure_trust(*ask(loaded, folder, judge))
    _, predictions = ask(loaded, folder, document)
    relabelled, changes = relabel(json.loads((folder / document).read_bytes()), predictions, trust)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(relabelled))
    for score, share in zip(*trust, strict=True):
        typer.echo(f"score {score:.2f}: {share:.2f} near")
    typer.echo(", ".join(f"{name} {count}" for name, count in changes._asdict().items()))


if __name__ == "__main__":
    typer.run(main)
