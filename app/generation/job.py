"""A generation as a job: what the queue keeps of a request, and what it does when its turn comes."""

from dataclasses import dataclass
from typing import Protocol

import orjson

from app.generation.generator import Generated
from app.generation.limits import GenerationLimits
from app.generation.request import GenerationRequest
from app.generation.sources import Source
from app.generation.watch import Watch
from app.jobs.settings import JobSettings
from app.jobs.work import JobInput, JobOutput, ResultFile, Work

KIND = "generate"

SWITCHED_OFF = (
    "this server makes no pictures: install 'skelmap[controlnet]' and name a table of models in"
    " SKELMAP_GENERATION_MODELS, see docs/generation.md"
)


class PictureMaker(Protocol):
    """What the server needs of a `Generator`."""

    def check(self, request: GenerationRequest, source: Source) -> None:
        """See `Generator.check`."""

    def generate(self, request: GenerationRequest, source: Source, watch: Watch) -> Generated:
        """See `Generator.generate`."""

    def close(self) -> None:
        """See `Generator.close`."""


@dataclass(frozen=True, slots=True)
class Generation:
    """All that a server needs to make pictures.

    Attributes:
        generator: makes them.
        limits: of one request.
        jobs: settings of the queue.
    """

    generator: PictureMaker
    limits: GenerationLimits
    jobs: JobSettings


def job_input(request: GenerationRequest, source: Source) -> JobInput:
    """A request as the queue keeps it."""
    document = {"request": request.model_dump(mode="json", exclude_unset=True), "source": source.kind}
    init_image = {} if source.init_image is None else {"init_image": source.init_image}
    return JobInput(document, {"source": source.data, **init_image})


def generation_work(generator: PictureMaker) -> Work:
    """The function that does such jobs."""

    def generate(given: JobInput, watch: Watch) -> JobOutput:
        request = GenerationRequest.model_validate(given.document["request"])
        source = Source(given.document["source"], given.files["source"], given.files.get("init_image"))
        return job_output(generator.generate(request, source, watch))

    return generate


def job_output(made: Generated) -> JobOutput:
    """The pictures, the map and the pose as named files; the parameters as the document."""
    files = {f"image-{number}.png": ResultFile(png, "image/png") for number, png in enumerate(made.images, 1)}
    files["map.png"] = ResultFile(made.map, "image/png")
    if made.pose is not None:
        files["pose.json"] = ResultFile(orjson.dumps(made.pose), "application/json")
    return JobOutput({"seed": made.seed, "parameters": dict(made.parameters)}, files, made.warnings)
