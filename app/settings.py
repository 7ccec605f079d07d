"""Every knob of the server: one environment variable each, prefix `SKELMAP_`, unit in the name.

A file in /run/secrets, named like the variable in small letters, counts like the variable.
"""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.engine import Limits
from app.images import ImageLimits
from app.logs import LogFormat, LogLevel
from app.problems import describe, sentence
from app.security.keys import Key, parse_keys
from pose_core.detectors import ChannelOrder
from pose_core.errors import InvalidInput
from pose_core.session import Device
from pose_core.weights import DEFAULT_DETECTOR, DEFAULT_ESTIMATOR

PREFIX = "SKELMAP_"
SECRETS = Path("/run/secrets")

OTHER_VARIABLES = re.compile(r"SKELMAP_(HOME|API_KEY|SERVICE_(HOST|PORT).*|PORT(_.*)?)")
"""Variables of ours that are no settings: the folder of weights, the key of clients, and what Kubernetes and Docker
set in a container beside a service named skelmap."""

Metrics = Literal["key", "open", "off"]
_ORIGIN = re.compile(r"\*|https?://[A-Za-z0-9.\-\[\]:]+")


def _split(value: object) -> object:
    """A comma-separated list as a tuple; anything else as it is."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


class Settings(BaseSettings):
    """Settings of one server process; passed to `create_app`, never imported."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", secrets_dir=SECRETS if SECRETS.is_dir() else None
    )

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
    compute_niceness: int = Field(
        5, ge=0, le=19, description="of threads that compute, so that the rest answers at once when all cores are busy"
    )
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
    result_cache_bytes: int = Field(0, ge=0, description="answers kept in memory to be given again; 0: none")

    api_keys: SecretStr | None = Field(None, description="keys as name:key, with commas; none: no key is needed")
    api_keys_file: Path | None = Field(None, description="file with such keys, one a line")
    max_requests_per_minute: int = Field(
        0, ge=0, le=1_000_000, description="for one key, or one client where there are no keys; 0: any number"
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), description="web pages of other origins that may call, as https://host, with commas; * for all"
    )
    allow_urls: bool = Field(False, description="JSON may name photos by web address")  # noqa: FBT003 - the default
    url_timeout_s: float = Field(10, gt=0, le=300, description="for loading one of those, redirects included")
    log_format: LogFormat = Field("auto", description="json, text, or auto: text on a terminal, else json")
    log_level: LogLevel = Field("info", description="the least that is logged; requests are info")
    telemetry: bool = Field(False, description="spans over OTLP, see OTEL_EXPORTER_OTLP_ENDPOINT")  # noqa: FBT003 - the default
    metrics: Metrics = Field("key", description="/metrics: needs a key where there are some, open to all, or off")

    @model_validator(mode="after")
    def _origins_are_origins(self) -> Self:
        for origin in self.cors_origins:
            if not _ORIGIN.fullmatch(origin):
                raise _refused("cors_origins", f"{origin!r} is no origin; valid: https://host, http://host:port or *")
        return self

    @model_validator(mode="after")
    def _keys_can_be_read(self) -> Self:
        if self.api_keys is not None and self.api_keys_file is not None:
            raise _refused("api_keys_file", "cannot be combined with api_keys")
        _ = self.keys
        return self

    @property
    def keys(self) -> tuple[Key, ...]:
        """The API keys; none where no key is needed."""
        try:
            if self.api_keys is not None:
                return parse_keys(self.api_keys.get_secret_value())
            return () if self.api_keys_file is None else parse_keys(self.api_keys_file.read_text("utf-8"))
        except (ValueError, OSError) as error:
            field = "api_keys" if self.api_keys_file is None else "api_keys_file"
            reason = "is not UTF-8 text" if isinstance(error, UnicodeError) else str(error)
            raise _refused(field, reason) from None

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
            niceness=self.compute_niceness,
        )

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


def _refused(field: str, reason: str) -> PydanticCustomError:
    """An error that names its setting and never its value."""
    return PydanticCustomError("conflict", "{reason}", {"field": field, "reason": reason})


def variables(*kinds: type[BaseSettings]) -> list[str]:
    """The environment variables of these settings."""
    return [f"{kind.model_config.get('env_prefix', '')}{name.upper()}" for kind in kinds for name in kind.model_fields]


def similar_variables(name: str, known: Sequence[str]) -> Sequence[str]:
    """What a variable may have been meant to be, the likeliest first; all known ones where none is similar."""
    return get_close_matches(name.upper(), known) or known


def unknown_variables(environment: Iterable[str], known: Sequence[str]) -> list[str]:
    """Names that look like settings and are none: a slip of the pen would leave a default in place unnoticed."""
    ours = (name for name in environment if name.upper().startswith(PREFIX))
    return sorted(name for name in ours if name.upper() not in known and not OTHER_VARIABLES.fullmatch(name.upper()))
