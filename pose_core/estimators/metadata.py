"""A spec inside the file it belongs to, so that a network we trained is served by its path alone."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pose_core.codecs import CODECS, Codec
from pose_core.errors import ModelError
from pose_core.estimators.estimator import EstimatorSpec
from pose_core.schemes import SCHEMES
from pose_core.types import Size

SPEC_KEY = "skelmap.estimator"
"""Key of the ONNX metadata entry that holds the spec as JSON."""


def write_spec(spec: EstimatorSpec) -> str:
    """A spec as JSON, the codec by its name in `CODECS` with its parameters."""
    return json.dumps({**asdict(spec), "codec": describe_codec(spec.codec)})


def read_spec(text: str) -> EstimatorSpec:
    """The spec that `write_spec` wrote.

    Raises:
        ModelError: the text is no such spec, or names a codec or scheme that this version does not know.
    """
    try:
        stored = json.loads(text)
        if stored["scheme"] not in SCHEMES:
            raise ValueError(f"scheme {stored['scheme']!r}; known: {', '.join(SCHEMES)}")  # noqa: TRY301
        return EstimatorSpec(
            input_size=Size(**stored["input_size"]),
            codec=read_codec(stored["codec"]),
            scheme=stored["scheme"],
            mean=_three(stored["mean"]),
            std=_three(stored["std"]),
            threshold=float(stored["threshold"]),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"metadata {SPEC_KEY} cannot be used: {error!r}") from error


def describe_codec(codec: Codec) -> dict[str, Any]:
    """A codec as JSON can hold it: its name in `CODECS` and its parameters."""
    parameters: Any = codec  # every codec is a dataclass
    name = next(name for name, kind in CODECS.items() if isinstance(codec, kind))
    return {"name": name, **asdict(parameters)}


def read_codec(stored: Mapping[str, Any]) -> Codec:
    """The codec that `describe_codec` described.

    Raises:
        ValueError: no codec is called so.
        KeyError: it has no name.
        TypeError: it has a parameter that does not exist.
    """
    parameters = dict(stored)
    name = parameters.pop("name")
    if name not in CODECS:
        raise ValueError(f"codec {name!r}; known: {', '.join(CODECS)}")
    if "map_size" in parameters:
        parameters["map_size"] = Size(**parameters["map_size"])
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in parameters.items()}
    return CODECS[name](**fields)


def _three(values: list[float]) -> tuple[float, float, float]:
    red, green, blue = map(float, values)
    return red, green, blue
