"""What /docs shows of routes that read their bodies themselves."""

from typing import Any

from pydantic import BaseModel

from app.formats import FORMATS


def _properties(model: type[BaseModel]) -> dict[str, Any]:
    """Every parameter as a schema without references and without null."""
    schema = model.model_json_schema()
    plain = {}
    for name, prop in schema["properties"].items():
        options = [option for option in prop.get("anyOf", [prop]) if option.get("type") != "null"]
        plain[name] = {**options[0], "description": prop.get("description", "")}
        if prop.get("default") is not None:
            plain[name]["default"] = prop["default"]
    return plain


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


def problems() -> dict[str, Any]:
    """The error answers every route shares."""
    body = {"application/problem+json": {"schema": {"type": "object"}}}
    reasons = {
        "400": "The request is malformed",
        "413": "Too many bytes or pixels",
        "415": "Not a JPEG, PNG or WebP",
        "422": "A value cannot be used; `errors` names the field and the valid choices",
        "503": "The model is not installed, or too many requests are waiting",
    }
    return {status: {"description": reason, "content": body} for status, reason in reasons.items()}
