"""What can be trained: networks that find points of a person, and networks that find people.

A new task is a file here and a line in `TASKS`; everything outside this folder is the same for all of them.
"""

from training.tasks.detection import DETECTION
from training.tasks.pose import POSE
from training.tasks.task import Measurement, Published, Task

TASKS: dict[str, Task] = {
    "pose": POSE,
    "detection": DETECTION,
}
"""By the `task` of a recipe."""

__all__ = ["TASKS", "Measurement", "Published", "Task"]
