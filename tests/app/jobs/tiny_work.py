"""Tiny jobs that behave like generation: steps, previews, results, errors; gates instead of waiting times."""

from dataclasses import dataclass, field
from threading import Event

from app.generation.watch import Watch
from app.jobs.work import JobInput, JobOutput, ResultFile
from pose_core.errors import InvalidInput

PICTURE = b"\x89PNG picture"
PATIENCE_S = 60


def shout(given: JobInput, watch: Watch) -> JobOutput:
    """The text in capitals and every file reversed, in as many steps as asked for."""
    steps = given.document.get("steps", 2)
    for done in range(steps + 1):
        watch.step(done, steps, lambda: PICTURE)
    files = {f"{name}.bin": ResultFile(data[::-1], "image/png") for name, data in given.files.items()}
    warnings = tuple(given.document.get("warnings", ()))
    return JobOutput({"text": given.document.get("text", "").upper()}, files, warnings)


def refuse(given: JobInput, _watch: Watch) -> JobOutput:
    """Fails for a reason that the caller may read."""
    raise InvalidInput("not with me", field="text", value=str(given.document.get("text")))


def crash(_given: JobInput, _watch: Watch) -> JobOutput:
    """Fails as nobody expected, with words that only the log may have."""
    raise RuntimeError("secret")


@dataclass
class Gate:
    """A job that stands in its first step until it is let go, and then does one step after the other.

    Attributes:
        entered: it has begun.
        opened: it may go on.
        steps: how many steps have been told of since.
    """

    entered: Event = field(default_factory=Event)
    opened: Event = field(default_factory=Event)
    steps: int = 0

    def __call__(self, given: JobInput, watch: Watch) -> JobOutput:
        """Do it."""
        total = int(given.document.get("steps", 3))
        watch.step(0, total, None)
        self.entered.set()
        assert self.opened.wait(PATIENCE_S)
        for done in range(1, total + 1):
            self.steps = done
            watch.step(done, total, None)
        return JobOutput({"text": "through the gate"})
