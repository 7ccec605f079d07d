"""Nodes as a ComfyUI with `comfy_api.latest` knows them: subclasses of ComfyNode with a Schema.

Source: Comfy-Org/ComfyUI@a125cd8 `comfy_api/latest`; only options that were there then are used.
"""

from collections.abc import Sequence
from typing import Any

from comfy_api.latest import ComfyExtension, io

from .node import CATEGORY, Input, Node

_TYPES = {
    "IMAGE": io.Image,
    "INT": io.Int,
    "FLOAT": io.Float,
    "BOOLEAN": io.Boolean,
    "STRING": io.String,
    "COMBO": io.Combo,
}
"""Types that have a class of their own; sockets of other types are custom ones."""


def node_class(name: str, node: Node) -> type:
    """The class to register for a node."""

    class Registered(io.ComfyNode):  # type: ignore[misc]  # ComfyUI is not there to be checked
        @classmethod
        def define_schema(cls) -> Any:
            return io.Schema(
                node_id=name,
                display_name=node.title,
                category=CATEGORY,
                description=node.description,
                inputs=[_input(given) for given in node.inputs()],
                # without ids, which must not be those of inputs
                outputs=[
                    _type(output.type).Output(display_name=output.name, tooltip=output.tooltip)
                    for output in node.outputs
                ],
                is_output_node=node.is_output,
            )

        @classmethod
        def execute(cls, **inputs: Any) -> Any:
            result = node.run(**inputs)
            return io.NodeOutput(*result.values, ui=dict(result.ui))

    if node.fingerprint is not None:
        fingerprint = node.fingerprint
        Registered.fingerprint_inputs = classmethod(lambda _cls, **inputs: fingerprint(**inputs))
    return Registered


def _type(name: str) -> Any:
    return _TYPES[name] if name in _TYPES else io.Custom(name)


def _input(given: Input) -> Any:
    if given.type in _TYPES:
        return _TYPES[given.type].Input(given.name, optional=given.optional, tooltip=given.tooltip, **given.widget)
    extra = {"forceInput": True} if given.widget.get("force_input") else None  # custom types know no options
    return io.Custom(given.type).Input(given.name, optional=given.optional, tooltip=given.tooltip, extra_dict=extra)


def extension(classes: Sequence[type]) -> Any:
    """What ComfyUI asks for the nodes."""

    class Extension(ComfyExtension):  # type: ignore[misc]
        async def get_node_list(self) -> list[type]:
            return list(classes)

    return Extension()
