"""What sharing runs is worth on an accelerator: a lane with a stub whose runs cost much each and little per row."""

import asyncio
import time
from pathlib import Path
from typing import Final, cast

import numpy as np

from app.engine import Engine, Limits
from pose_core.session import Session, Stop
from pose_core.steps import NetworkRun, Outputs, Steps
from pose_core.timing import Timer

RUN_S: Final = 0.006
ROW_S: Final = 0.001
CLIENTS: Final = 16


class Accelerator:
    """Takes 6 ms per run and 1 ms per row, off the CPU; what an engine needs of a session."""

    path, sha256, provider = Path("stub.onnx"), "", ""
    batch_sizes = (1, 2, 4, 8, 16)

    def blank(self, batch_size: int) -> np.ndarray:
        """Zeros."""
        return np.zeros((batch_size, 3, 1, 1), np.float32)

    def run(self, tensor: np.ndarray, stop: Stop | None = None) -> Outputs:
        """The rows themselves."""
        del stop
        time.sleep(RUN_S + ROW_S * len(tensor))
        return {"rows": tensor}


def one_person(network: Accelerator) -> Steps[float]:
    """A request that needs one row."""
    outputs = yield NetworkRun(network, network.blank(1), "stub")
    return float(outputs["rows"].sum())


async def requests_per_second(batch_size: int, seconds: float) -> float:
    """What 16 clients get from a lane of batches up to that size."""
    network = Accelerator()
    engine = Engine(Limits(active=CLIENTS, batch_size=batch_size))
    engine.lanes.open(cast("Session", network), time.monotonic())
    until = time.monotonic() + seconds

    async def work() -> int:
        done = 0
        while time.monotonic() < until:
            await engine.run(one_person(network), Timer())
            done += 1
        return done

    try:
        return sum(await asyncio.gather(*(work() for _ in range(CLIENTS)))) / seconds
    finally:
        engine.close()


def lane_ratio(seconds: float) -> float:
    """How many times as many requests batches of 8 serve as batches of 1."""
    single = asyncio.run(requests_per_second(1, seconds))
    return asyncio.run(requests_per_second(8, seconds)) / single
