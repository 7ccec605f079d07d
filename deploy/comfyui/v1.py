"""Nodes as a ComfyUI without `comfy_api.latest` knows them: classes with INPUT_TYPES, RETURN_TYPES and FUNCTION.

Source: Comfy-Org/ComfyUI@a125cd8 `execution.py`, `nodes.py`.
"""

from typing import Any

from .node import CATEGORY, Input, Node

_OPTIONS = {"force_input": "forceInput"}
"""Options that have another name here."""


def node_class(node: Node) -> type:
    """The class to register for a node."""

    class Registered:
        CATEGORY = CATEGORY
        DESCRIPTION = node.description
        FUNCTION = "run"
        OUTPUT_NODE = node.is_output
        RETURN_TYPES = tuple(output.type for output in node.outputs)
        RETURN_NAMES = tuple(output.name for output in node.outputs)
        OUTPUT_TOOLTIPS = tuple(output.tooltip for output in node.outputs)

        @classmethod
        def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:  # noqa: N802 - ComfyUI's name
            inputs = node.inputs()
            return {
                "required": {given.name: _input(given) for given in inputs if not given.optional},
                "optional": {given.name: _input(given) for given in inputs if given.optional},
            }

        def run(self, **inputs: Any) -> dict[str, Any]:
            result = node.run(**inputs)
            return {"ui": dict(result.ui), "result": result.values}

    if node.fingerprint is not None:
        fingerprint = node.fingerprint
        Registered.IS_CHANGED = classmethod(lambda _cls, **inputs: fingerprint(**inputs))  # type: ignore[attr-defined]
    return Registered


def _input(given: Input) -> tuple[Any, dict[str, Any]]:
    """Type and options; the type of a COMBO is the list to choose from."""
    options = {_OPTIONS.get(name, name): value for name, value in given.widget.items() if name != "options"}
    return given.widget.get("options", given.type), {**options, "tooltip": given.tooltip}
