"""Every knob of the server: one environment variable each, prefix `SKELMAP_`, unit in the name."""

from typing import Annotated, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.images import ImageLimits
from app.problems import describe, sentence
from pose_core.detectors import ChannelOrder
from pose_core.errors import InvalidInput
from pose_core.session import Device
from pose_core.weights import DEFAULT_DETECTOR, DEFAULT_ESTIMATOR


class Settings(BaseSettings):
    """Settings of one server process; passed to `create_app`, never imported."""

    model_config = SettingsConfigDict(env_prefix="SKELMAP_", frozen=True, extra="ignore")

    estimator: str = Field(DEFAULT_ESTIMATOR, description="default estimator: a name, or the path of an ONNX file")
    detector: str = Field(DEFAULT_DETECTOR, description="default detector: a name, or the path of an ONNX file")
    device: Device = Field("auto", description="cuda refuses to start where it would run on the CPU")
    threads: int = Field(0, ge=0, le=256, description="CPU threads of one network run; 0: one per core")
    detector_channels: ChannelOrder = Field(
        "bgr", description="bgr as the public detectors were trained; rgb as the WebUI and ComfyUI feed them"
    )
    detector_size_px: int = Field(
        640, ge=32, le=4096, multiple_of=32, description="input side of detectors whose file leaves it open"
    )
    max_loaded_models: int = Field(4, ge=2, le=64, description="networks kept in memory")

    workers: int = Field(2, ge=1, le=64, description="photos worked on at the same time")
    max_queue: int = Field(32, ge=0, le=10_000, description="photos waiting beyond those; more are refused with 503")

    max_bytes: int = Field(20 * 2**20, ge=1024, description="largest upload")
    max_pixels: int = Field(50_000_000, ge=1, description="largest photo")
    max_side_px: int = Field(16384, ge=1, le=32_000, description="longest side of a photo")
    max_canvas_pixels: int = Field(50_000_000, ge=1, description="largest map")
    max_people: Annotated[int, Field(ge=1, le=1000)] = Field(64, description="people per photo at the most")

    @property
    def image_limits(self) -> ImageLimits:
        """What an upload may be."""
        return ImageLimits(max_bytes=self.max_bytes, max_pixels=self.max_pixels, max_side=self.max_side_px)


Knobs = TypeVar("Knobs", bound=BaseSettings)


def read_settings(kind: type[Knobs]) -> Knobs:
    """Settings of the environment alone.

    Raises:
        InvalidInput: names the variable.
    """
    try:
        return kind()
    except ValidationError as error:
        finding = describe(error)[0]
        variable = f"{kind.model_config.get('env_prefix', '')}{finding['field']}".upper()
        raise InvalidInput(sentence({**finding, "field": variable})) from error
