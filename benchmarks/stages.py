"""Time of each stage of a request, ours and rtmlib's in the same run, for a few numbers of people.

    python -m benchmarks.stages [--rounds 15] [--small] [--json FILE]

See `benchmarks.sides` for what is compared and docs/benchmarks.md for results.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence

from benchmarks.sides import NETWORKS, OUTSIDE, STAGES, TOTAL, Measured, Seconds, compare, fastest_ms, median_ms
from benchmarks.workload import add_options

COUNTS = (1, 3, 9)
OURS, OTHER = "ours", "rtmlib"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, rounds=15)
    compare(parser.parse_args(), COUNTS, table)


def table(measured: Measured) -> Iterator[str]:
    """A Markdown table: medians in milliseconds and how many times longer rtmlib takes."""
    yield "| ms | " + " | ".join(f"{count}: {OURS} | {OTHER} | ratio" for count in measured) + " |"
    yield "|---|" + "---:|" * 3 * len(measured)
    rows = {stage: name for stage, name in STAGES.items() if stage not in NETWORKS} | {OUTSIDE: f"**{OUTSIDE}**"}
    for stage, name in rows.items():
        yield _row(name, measured, stage, median_ms)
    yield _row(f"{OUTSIDE}, fastest round", measured, OUTSIDE, fastest_ms)
    for stage in NETWORKS:
        yield _row(STAGES[stage], measured, stage, median_ms)
    yield _row(TOTAL, measured, TOTAL, median_ms)


def _row(name: str, measured: Measured, stage: str, summary: Callable[[Sequence[Seconds], str], float]) -> str:
    cells = []
    for rounds in measured.values():
        ours, other = summary(rounds[OURS], stage), summary(rounds[OTHER], stage)
        cells.append(f"{ours:.2f} | {other:.2f} | {other / ours:.1f}")
    return f"| {name} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
