"""What /docs shows of routes that read their bodies themselves."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from app.formats import FORMATS


def _properties(model: type[BaseModel]) -> dict[str, Any]:
    """Every parameter as a schema without references and without null."""
    schema = model.model_json_schema()
    plain = {}
    for name, prop in _resolved(schema["properties"], schema.get("$defs", {})).items():
        options = [option for option in prop.get("anyOf", [prop]) if option.get("type") != "null"]
        plain[name] = {**options[0], "description": prop.get("description", "")}
        if prop.get("default") is not None:
            plain[name]["default"] = prop["default"]
    return plain


def _resolved(schema: Any, defined: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    """The same with what it refers to in place."""
    if isinstance(schema, list):
        return [_resolved(entry, defined) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _resolved(defined[schema["$ref"].rpartition("/")[2]], defined)
    return {name: _resolved(entry, defined) for name, entry in schema.items()}


def query_of(model: type[BaseModel]) -> list[dict[str, Any]]:
    """The parameters as query parameters; lists with commas."""
    return [
        {"name": name, "in": "query", "required": False, "schema": schema, "explode": False, "style": "form"}
        for name, schema in _properties(model).items()
    ]


def photo_route(model: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` of a route that takes a photo."""
    fields = _properties(model)
    form = {"image": {"type": "string", "format": "binary", "description": "JPEG, PNG or WebP"}, **fields}
    text = {"image": {"type": "string", "description": "base64 or a data URL"}, **fields}
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {
        "parameters": query_of(model),
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": {"type": "object", "required": ["image"], "properties": form}},
                "application/json": {"schema": {"type": "object", "required": ["image"], "properties": text}},
                **{f"image/{kind}": binary for kind in ("jpeg", "png", "webp")},
            },
        },
        "responses": {
            "200": {
                "description": "The answer in the asked-for format",
                "content": {form.media_type: {} for form in FORMATS.values()},
            },
            **problems(),
        },
    }


def document_route(model: type[BaseModel], *media_types: str) -> dict[str, Any]:
    """`openapi_extra` of a route that takes a pose document."""
    body = {"schema": {"description": "a pose document in any dialect"}}
    return {
        "parameters": query_of(model),
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {
            "200": {"description": "The result", "content": {media_type: {} for media_type in media_types}},
            **problems(),
        },
    }


def generate_route(files: Sequence[str], *models: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` of `POST /generate`.

    Args:
        files: names of the files that it takes.
        models: its parameters.
    """
    fields = {name: schema for model in models for name, schema in _properties(model).items()}
    form = {name: {"type": "string", "format": "binary"} for name in files}
    text = {name: {"description": "base64, a data URL, or for a pose its JSON"} for name in files}
    return {
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": _object({**form, **fields})},
                "application/json": {"schema": _object({**text, **fields})},
            },
        },
        "responses": {
            "200": {"description": "With `wait`: the job or its first picture"},
            "202": {"description": "The job"},
            **problems("409", "429", "501"),
        },
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": ["prompt"], "properties": properties}


def problems(*more: str) -> dict[int | str, dict[str, Any]]:
    """The error answers every route shares, and further statuses."""
    body = {"application/problem+json": {"schema": {"type": "object"}}}
    reasons = {
        "400": "The request is malformed",
        "413": "Too many bytes or pixels",
        "415": "Not a JPEG, PNG or WebP",
        "422": "A value cannot be used; `errors` names the field and the valid choices",
        "503": "The model is not installed, or too many requests are waiting",
    }
    further = {
        "403": "Jobs are listed by API key, and the request has none",
        "404": "No such job, or it is somebody else's, or has expired",
        "409": "The job was cancelled",
        "429": "Too many jobs are waiting",
        "501": "This server makes no pictures",
    }
    reasons |= {status: further[status] for status in more}
    return {status: {"description": reason, "content": body} for status, reason in reasons.items()}
