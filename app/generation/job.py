"""A generation as a job: what the queue keeps of a request, and what it does when its turn comes."""

from dataclasses import dataclass
from typing import Protocol

import orjson

from app.generation.generator import Generated, Generator
from app.generation.limits import GenerationLimits
from app.generation.request import GenerationRequest
from app.generation.settings import GenerationSettings
from app.generation.sources import Source
from app.generation.watch import Watch
from app.images import ImageLimits, decode_image
from app.jobs.settings import JobSettings
from app.jobs.work import JobInput, JobOutput, ResultFile, Work
from app.service import PoseService
from app.settings import read_settings
from pose_core.dialects import read_scene
from pose_core.errors import InvalidInput, InvalidPoseData

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


def generation_of_environment(service: PoseService) -> Generation | None:
    """Generation as the environment says; None where it is switched off.

    Raises:
        InvalidInput: a variable or the table of models that cannot be used.
        ModelError: diffusers is not installed.
    """
    settings = read_settings(GenerationSettings)
    if not settings.enabled:
        return None
    return Generation(Generator(settings, service), settings.limits, read_settings(JobSettings))


def check_source(source: Source, limits: ImageLimits) -> None:
    """Refuse files that cannot be read, before they are queued.

    Raises:
        PoseError: names the field.
    """
    for field, data in ((source.kind, source.data), ("init_image", source.init_image)):
        try:
            if field == "pose":
                _read_pose(source.data)
            elif data is not None:
                decode_image(data, limits)
        except InvalidInput as error:
            raise error.about(field) from error


def _read_pose(data: bytes) -> None:
    try:
        read_scene(orjson.loads(data))
    except orjson.JSONDecodeError as error:
        raise InvalidPoseData(f"is no JSON: {error}") from error


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
