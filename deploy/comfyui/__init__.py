"""Remote pose nodes for ComfyUI: a Skelmap server finds people, this pack brings photos there and poses back.

Needs nothing but what ComfyUI brings along. New ComfyUI gets nodes in the schema V3, older ones in V1.
"""

from typing import Any

from . import settings
from .nodes import NODES, OPT_IN

WEB_DIRECTORY = "./web"

_REGISTERED = NODES | {name: OPT_IN[name] for name in settings.opted_in(OPT_IN)}

try:
    from comfy_api.latest import ComfyExtension, io  # noqa: F401 - asks for V3; some releases have the module without it
except ImportError:
    from .v1 import node_class

    _CLASSES = {name: node_class(node) for name, node in _REGISTERED.items()}
    NODE_CLASS_MAPPINGS = _CLASSES
    NODE_DISPLAY_NAME_MAPPINGS = {name: node.title for name, node in _REGISTERED.items()}
else:
    from . import v3

    _CLASSES = {name: v3.node_class(name, node) for name, node in _REGISTERED.items()}

    async def comfy_entrypoint() -> Any:
        """ComfyUI calls this once, after start."""
        return v3.extension(list(_CLASSES.values()))


if settings.replaces():
    from .replacing import replace_when_all_are_loaded

    replace_when_all_are_loaded({name: _CLASSES[name] for name in OPT_IN})
