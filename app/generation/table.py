"""Which models a server offers: a TOML file, one table per name.

    [portrait]
    family = "sd15"
    base = "stable-diffusion-v1-5/stable-diffusion-v1-5"
    controlnet = "lllyasviel/control_v11p_sd15_openpose"

`base` and `controlnet` are ids of the Hugging Face hub, or folders in diffusers' format if they start with `/`, `./`,
`../` or `~`. Without `controlnet`, `base` is a whole pipeline with its ControlNet inside.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.generation.families import FAMILIES
from app.parameters import one_of
from app.problems import describe, sentence
from pose_core.errors import InvalidInput

_FOLDER = r"^(/|\./|\.\./|~)."
_HUB_ID = r"^[\w-][\w.-]*/[\w-][\w.-]*$"

Place = Annotated[str, Field(pattern=f"{_FOLDER}|{_HUB_ID}", max_length=1000)]


class ModelRow(BaseModel):
    """Where one model's files are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: Annotated[str, one_of(FAMILIES)]
    base: Place
    controlnet: Place | None = None
    base_revision: str | None = Field(None, description="commit, branch or tag of a hub id; a commit stays what it is")
    controlnet_revision: str | None = Field(None, description="the same of the ControlNet")
    variant: str | None = Field(None, pattern=r"^\w+$", description="of the base's file names, such as fp16")
    controlnet_variant: str | None = Field(None, pattern=r"^\w+$", description="of the ControlNet's file names")


def read_table(path: Path) -> dict[str, ModelRow]:
    """The models of a TOML file in its order; the first one is the default.

    Raises:
        InvalidInput: it cannot be read, or an entry cannot be used.
    """
    try:
        entries = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}", field="SKELMAP_GENERATION_MODELS") from error
    if not entries:
        raise InvalidInput(f"{path} names no model", field="SKELMAP_GENERATION_MODELS")
    return {name: _row(path, name, entry) for name, entry in entries.items()}


def _row(path: Path, name: str, entry: object) -> ModelRow:
    try:
        row = ModelRow.model_validate(entry)
    except ValidationError as error:
        raise InvalidInput(f"[{name}] {sentence(describe(error)[0])}", field=str(path)) from error
    return row.model_copy(update=_absolute(row, path.parent))


def _absolute(row: ModelRow, folder: Path) -> Mapping[str, str]:
    """The row's folders as seen from the table's own."""
    places = {"base": row.base, "controlnet": row.controlnet}
    return {key: str(folder / Path(place).expanduser()) for key, place in places.items() if place and is_folder(place)}


def is_folder(place: str) -> bool:
    """Whether a place is a folder and no id of the hub."""
    return place.startswith(("/", "./", "../", "~"))
