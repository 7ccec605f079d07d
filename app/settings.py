"""Every knob of the server: one environment variable each, prefix `SKELMAP_`, unit in the name."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.engine import Limits
from app.images import ImageLimits
from pose_core.detectors import ChannelOrder
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

    workers: int = Field(2, ge=1, le=64, description="threads that decode, draw and encode")
    max_active: int = Field(16, ge=1, le=1024, description="requests worked on at a time, photos in memory")
    max_queue: int = Field(32, ge=0, le=10_000, description="requests waiting beyond those; more are refused with 503")
    max_queue_items: int = Field(
        256, ge=1, le=100_000, description="people and photos waiting for networks, of all requests together"
    )
    max_batch_size: int = Field(
        0, ge=0, le=1024, description="people in one network run, of whatever requests; 0: 16 on CUDA, 4 on the CPU"
    )
    max_batch_delay_s: float = Field(0, ge=0, le=1, description="how long people wait for others to join their run")
    request_timeout_s: float = Field(
        30, gt=0, le=3600, description="a request that takes longer gets 504; X-Request-Timeout may ask for less"
    )
    drain_delay_s: float = Field(
        2, ge=0, le=300, description="serving on after SIGTERM while /readyz says 503, until nobody sends more"
    )
    shutdown_timeout_s: int = Field(20, ge=1, le=3600, description="for requests that are still open then")

    max_bytes: int = Field(20 * 2**20, ge=1024, description="largest upload")
    max_pixels: int = Field(50_000_000, ge=1, description="largest photo")
    max_side_px: int = Field(16384, ge=1, le=32_000, description="longest side of a photo")
    max_canvas_pixels: int = Field(50_000_000, ge=1, description="largest map")
    max_people: Annotated[int, Field(ge=1, le=1000)] = Field(64, description="people per photo at the most")

    @property
    def limits(self) -> Limits:
        """What the engine does at the most."""
        return Limits(
            workers=self.workers,
            active=self.max_active,
            queue=self.max_queue,
            items=self.max_queue_items,
            batch_size=self.max_batch_size,
            batch_delay_s=self.max_batch_delay_s,
            timeout_s=self.request_timeout_s,
        )

    @property
    def image_limits(self) -> ImageLimits:
        """What an upload may be."""
        return ImageLimits(max_bytes=self.max_bytes, max_pixels=self.max_pixels, max_side=self.max_side_px)
