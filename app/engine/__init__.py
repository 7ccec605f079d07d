"""The server under load: who is let in, whose rows share a network run, and what happens when something fails.

limits = Limits(workers=2)
engine = Engine(limits, Observe(batch=print))
engine.lanes.open(session, time.monotonic())
result = await engine.run(pipeline.steps(image, PeopleRequest(), timer), timer)
"""

from app.engine.engine import Engine
from app.engine.errors import ClientGone, DeadlineExceeded, EngineError, Overloaded, Unavailable
from app.engine.limits import Limits
from app.engine.observe import BatchRun, ModelLoaded, Observe, both
from app.engine.readiness import Readiness

__all__ = [
    "BatchRun",
    "ClientGone",
    "DeadlineExceeded",
    "Engine",
    "EngineError",
    "Limits",
    "ModelLoaded",
    "Observe",
    "Overloaded",
    "Readiness",
    "Unavailable",
    "both",
]
