"""Every knob of the jobs: one environment variable each, prefix `SKELMAP_JOBS_`, unit in the name."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.jobs.retention import Retention
from app.jobs.stores import scheme_of
from pose_core.errors import InvalidInput
from pose_core.weights import cache_folder


def _known(url: SecretStr) -> SecretStr:
    try:
        scheme_of(url.get_secret_value())
    except InvalidInput as error:  # which repeats the scheme only, the rest may hold a password
        context = {"field": "url", "reason": f"{error.reason} {error.value!r}; valid: {', '.join(error.choices)}"}
        raise PydanticCustomError("conflict", "{reason}", context) from error
    return url


def _file_in_cache_folder() -> SecretStr:
    return SecretStr(f"sqlite:///{cache_folder().absolute() / 'jobs.db'}")


class JobSettings(BaseSettings):
    """Settings of the jobs of one server process; passed on, never imported."""

    model_config = SettingsConfigDict(
        env_prefix="SKELMAP_JOBS_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    url: Annotated[SecretStr, AfterValidator(_known)] = Field(
        default_factory=_file_in_cache_folder,
        description="where jobs are kept: sqlite:////PATH, postgresql://... or redis://...; processes may share one",
    )
    max_waiting: int = Field(16, ge=1, le=10_000, description="jobs that wait; more are refused with 429")
    keep_s: int = Field(3600, ge=1, description="how long a finished job and its results are kept")
    max_kept: int = Field(200, ge=1, le=100_000, description="finished jobs kept; the oldest go")
    max_kept_bytes: int = Field(2 * 2**30, ge=2**20, description="of their results; the oldest go")
    max_wait_s: int = Field(120, ge=1, le=3600, description="how long wait=true waits before it answers 202")
    grace_s: float = Field(10, ge=0, le=3600, description="how long a running job may go on when the server ends")
    lease_s: float = Field(15, gt=0, le=3600, description="a job whose server is silent for so long has failed")
    poll_s: float = Field(0.25, gt=0, le=10, description="how often waiting clients are told of changes")
    preview_s: float = Field(1, ge=0, le=3600, description="least time between two previews")

    @property
    def retention(self) -> Retention:
        """What is kept of finished jobs."""
        return Retention(self.keep_s, self.max_kept, self.max_kept_bytes)
