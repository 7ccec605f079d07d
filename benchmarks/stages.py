"""Time of each stage of a request, ours and rtmlib's in the same run, for a few numbers of people.

    python -m benchmarks.stages [--rounds 15] [--small] [--json FILE]

See `benchmarks.sides` for what is compared and docs/benchmarks.md for results.
"""

import argparse
import json
from collections.abc import Iterator

from benchmarks.sides import NETWORKS, OUTSIDE, STAGES, TOTAL, Measured, measure, median_ms, open_sides
from benchmarks.workload import add_options, chosen_networks, conditions

COUNTS = (1, 3, 9)
OURS, OTHER = "ours", "rtmlib"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, rounds=15)
    options = parser.parse_args()
    networks = chosen_networks(options)
    measured = measure(open_sides(networks, options.cache, options.device), COUNTS, options.rounds)
    described = conditions(networks, options.rounds)
    print("\n".join([*(f"{name}: {value}" for name, value in described.items()), "", *table(measured)]))
    if options.json:
        options.json.write_text(json.dumps({"conditions": described, "seconds": measured}, indent=1))


def table(measured: Measured) -> Iterator[str]:
    """A Markdown table: medians in milliseconds and how many times longer rtmlib takes."""
    yield "| ms | " + " | ".join(f"{count}: {OURS} | {OTHER} | ratio" for count in measured) + " |"
    yield "|---|" + "---:|" * 3 * len(measured)
    rows = {stage: name for stage, name in STAGES.items() if stage not in NETWORKS}
    rows |= {OUTSIDE: f"**{OUTSIDE}**"} | {stage: STAGES[stage] for stage in NETWORKS} | {TOTAL: TOTAL}
    for stage, name in rows.items():
        yield f"| {name} | " + " | ".join(_cells(measured, count, stage) for count in measured) + " |"


def _cells(measured: Measured, count: int, stage: str) -> str:
    ours, other = (median_ms(measured[count][side], stage) for side in (OURS, OTHER))
    return f"{ours:.2f} | {other:.2f} | {other / ours:.1f}"


if __name__ == "__main__":
    main()
