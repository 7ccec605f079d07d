"""A server process without the web: opens a store and does its jobs until it is ended.

`python process.py URL LOG`: every job appends a line to the file LOG when it begins.
"""

import os
import sys
import time
from pathlib import Path

from pydantic import SecretStr

from app.generation.watch import Watch
from app.jobs.jobs import Jobs
from app.jobs.settings import JobSettings
from app.jobs.work import JobInput, JobOutput
from tests.app.jobs.tiny_work import shout


def main(url: str, log: str) -> None:
    """Serve."""

    def noted(given: JobInput, watch: Watch) -> JobOutput:
        with Path(log).open("a") as file:
            file.write(f"{given.document['text']} {os.getpid()}\n")
        return shout(given, watch)

    def stuck(given: JobInput, watch: Watch) -> JobOutput:
        """Come to the end of its steps, and never to its own."""
        noted(given, watch)
        time.sleep(1000)
        return JobOutput()

    jobs = Jobs.open({"noted": noted, "stuck": stuck}, JobSettings(url=SecretStr(url), lease_s=0.4))
    print("ready", flush=True)  # noqa: T201 - its parent waits for it
    sys.stdin.read()
    jobs.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
