"""Where a model's files lie on this machine, and getting them there; a request never waits for a download.

huggingface_hub comes with diffusers and is imported when it is needed.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from app.generation.families import FAMILIES, Family
from app.generation.table import ModelRow, is_folder
from pose_core.errors import DownloadFailed, ModelError, WeightsMissing

_PIPELINE, _NETWORK = "model_index.json", "config.json"
_CONTROLNET_FILE = "diffusion_pytorch_model"


@dataclass(frozen=True, slots=True)
class ModelFolders:
    """A model on this machine.

    Attributes:
        base: folder of the pipeline.
        controlnet: folder of the ControlNet, inside `base` where that is a whole pipeline.
        is_whole: whether the pipeline in `base` has its ControlNet inside.
    """

    base: Path
    controlnet: Path
    is_whole: bool


def check_installed() -> None:
    """Refuse to go on without diffusers.

    Raises:
        ModelError: says what to install.
    """
    if missing := [name for name in ("torch", "diffusers", "transformers") if find_spec(name) is None]:
        raise ModelError(f"generation needs {' and '.join(missing)}: pip install 'skelmap[controlnet]'")


def find_model(name: str, row: ModelRow) -> ModelFolders:
    """The folders of a model, which have to be what its family says.

    Raises:
        WeightsMissing: a part is not on this machine; says how to get it.
        ModelError: a part belongs to another family.
    """
    base = _find(name, row.base, row.base_revision, _PIPELINE)
    whole = row.controlnet is None
    controlnet = base / "controlnet" if whole else _find(name, str(row.controlnet), row.controlnet_revision, _NETWORK)
    family = FAMILIES[row.family]
    _check_kind(base / _PIPELINE, family.whole if whole else family.base, row.family)
    _check_kind(controlnet / _NETWORK, family.controlnet, row.family)
    if _has_modes(_read(controlnet / _NETWORK)) != bool(family.control):
        raise ModelError(f"{controlnet} {'has no modes' if family.control else 'has modes'}, so it is no {row.family}")
    return ModelFolders(base, controlnet, whole)


def recognise(folder: Path) -> ModelRow:
    """The row of a whole pipeline in a folder, its family found by its files.

    Raises:
        ModelError: no pipeline of a known family.
    """
    kind = _read(folder / _PIPELINE).get("_class_name")
    network = _read(folder / "controlnet" / _NETWORK)
    for name, family in FAMILIES.items():
        if _fits(family, kind, network):
            return ModelRow(family=name, base=str(folder.resolve()))
    known = ", ".join(dict.fromkeys(family.whole for family in FAMILIES.values()))
    raise ModelError(f"{folder} holds a {kind} with a {network.get('_class_name')}; known pipelines: {known}")


def _fits(family: Family, kind: object, network: Mapping[str, Any]) -> bool:
    classes = kind == family.whole and network.get("_class_name") == family.controlnet
    return classes and _has_modes(network) == bool(family.control)


def _has_modes(network: Mapping[str, Any]) -> bool:
    """Whether a ControlNet has to be told what its map shows: FLUX counts its modes, SDXL's union its types."""
    return bool(network.get("num_mode") or network.get("num_control_type"))


def _find(name: str, place: str, revision: str | None, marker: str) -> Path:
    folder = Path(place) if is_folder(place) else _cached(place, revision, marker)
    if folder is None:
        raise WeightsMissing(f"{place} is not on this machine; its owner can run: skelmap models pull {name}")
    if not (folder / marker).is_file():
        raise WeightsMissing(f"{folder} has no {marker}, so it is no model in diffusers' format")
    return folder


def _cached(repository: str, revision: str | None, marker: str) -> Path | None:
    """The folder of a hub id in the local cache; None where it is not there.

    Not by the hub's `snapshot_download`, which misses files of the repository that were left out on purpose.
    """
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - part of an extra

    found = try_to_load_from_cache(repository, marker, revision=revision)
    return Path(found).parent if isinstance(found, str) else None


def _check_kind(path: Path, expected: str, family: str) -> None:
    kind = _read(path).get("_class_name")
    if kind != expected:
        raise ModelError(f"{path} is of a {kind}; family {family} needs a {expected}")


def _read(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise ModelError(f"{path} holds no JSON object")
    return document


def fetch_model(name: str, row: ModelRow) -> list[Path]:
    """Download what a model still lacks, to the cache of the Hugging Face hub; the folders it lies in.

    Raises:
        DownloadFailed: the hub cannot be reached, or has no such files.
    """
    check_installed()
    folders = [_fetch(name, row.base, lambda: _fetch_pipeline(row))]
    if row.controlnet is not None:
        folders.append(_fetch(name, row.controlnet, lambda: _fetch_controlnet(row)))
    return folders


def _fetch(name: str, place: str, download: Callable[[], str]) -> Path:
    if is_folder(place):
        return Path(place)
    try:
        return Path(download())
    except Exception as error:  # of the hub, of the network and of the disk, in many classes
        raise DownloadFailed(f"{name}: {place} cannot be downloaded: {error}") from error


def _fetch_pipeline(row: ModelRow) -> str:
    from diffusers import DiffusionPipeline  # noqa: PLC0415 - part of an extra, and slow to import

    folder = DiffusionPipeline.download(row.base, revision=row.base_revision, variant=row.variant, use_safetensors=True)
    return str(folder)


def _fetch_controlnet(row: ModelRow) -> str:
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - part of an extra

    stem = f"{_CONTROLNET_FILE}.{row.controlnet_variant}" if row.controlnet_variant else _CONTROLNET_FILE
    return snapshot_download(
        str(row.controlnet),
        revision=row.controlnet_revision,
        allow_patterns=[_NETWORK, f"{stem}.safetensors", f"{stem}-*.safetensors", "*.safetensors.index*.json"],
    )
