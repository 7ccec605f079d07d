"""Time of a whole request against the number of people, ours and rtmlib's in the same run.

    python -m benchmarks.people [--rounds 5] [--small] [--json FILE] [--plot FILE]

See `benchmarks.sides` for what is compared and docs/benchmarks.md for results. The plot shows time relative to one
person, beside the two ratios that DWPose's Table 8 gives for nine people. The paper timed trained networks and other
programs on another machine; only the slopes can be compared with it.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from benchmarks.sides import OUTSIDE, TOTAL, Measured, compare, median_ms
from benchmarks.workload import PLACES, add_options

COUNTS: Final = range(1, len(PLACES) + 1)
PAPER: Final = {"OpenPose": 3.0, "DWPose": 1.5}
"""DWPose (arXiv 2307.15880), Table 8: time for nine people relative to one person."""


def main() -> None:
    """Measure, print and plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, rounds=5)
    parser.add_argument("--plot", type=Path, help="draw the curves into this PNG or SVG file")
    options = parser.parse_args()
    measured = compare(options, COUNTS, table)
    if options.plot:
        plot(measured).savefig(options.plot, dpi=110)


def table(measured: Measured) -> Iterator[str]:
    """A Markdown table: medians in milliseconds, and relative to one person."""
    yield "| people | ours, ms | x one | rtmlib, ms | x one | rtmlib / ours | outside: ours | rtmlib | ratio |"
    yield "|---:|" + "---:|" * 8
    for count in measured:
        ours, other = (median_ms(measured[count][side], TOTAL) for side in ("ours", "rtmlib"))
        our_rest, other_rest = (median_ms(measured[count][side], OUTSIDE) for side in ("ours", "rtmlib"))
        slopes = [curve(measured, side, TOTAL)[count] for side in ("ours", "rtmlib")]
        yield (
            f"| {count} | {ours:.0f} | {slopes[0]:.2f} | {other:.0f} | {slopes[1]:.2f} | {other / ours:.2f} "
            f"| {our_rest:.1f} | {other_rest:.0f} | {other_rest / our_rest:.1f} |"
        )
    yield f"| {COUNTS[-1]}, paper | DWPose | {PAPER['DWPose']:.2f} | OpenPose | {PAPER['OpenPose']:.2f} | | | | |"


def curve(measured: Measured, side: str, stage: str) -> dict[int, float]:
    """By number of people, how many times longer a stage takes than with one person."""
    one = median_ms(measured[1][side], stage)
    return {count: median_ms(rounds[side], stage) / one for count, rounds in measured.items()}


def plot(measured: Measured) -> Figure:
    """Whole requests on the left, what is outside the networks on the right."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, stage in zip(figure.subplots(1, 2), (TOTAL, OUTSIDE), strict=True):
        for side in ("ours", "rtmlib"):
            points = curve(measured, side, stage)
            axes.plot(list(points), list(points.values()), marker="o", label=side)
        if stage == TOTAL:
            for name, ratio in PAPER.items():
                axes.plot([1, 9], [1, ratio], linestyle=":", marker="s", label=f"{name}, paper (one and nine people)")
        axes.set(title=stage, xlabel="people in the photo", ylabel="time relative to one person", ylim=(0, None))
        axes.legend()
    return figure


if __name__ == "__main__":
    main()
