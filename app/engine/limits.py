"""What an engine does at the most."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What an engine does at the most.

    Attributes:
        workers: threads that decode, draw and encode.
        active: requests worked on at a time, whose photos are in memory.
        queue: requests that wait beyond those.
        items: photos for detectors and people for estimators, of all requests together.
        batch_size: largest batch; 0 chooses by device.
        batch_delay_s: how long rows wait for others to join them.
        timeout_s: how long a request may take.
        niceness: of threads that compute, so that the event loop answers also when there are more than cores.
    """

    workers: int = 2
    active: int = 16
    queue: int = 32
    items: int = 256
    batch_size: int = 0
    batch_delay_s: float = 0.0
    timeout_s: float = 30.0
    niceness: int = 5
