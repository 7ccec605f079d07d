"""Taking a node's name from another pack, where the user asks for it.

ComfyUI loads packs in the order in which the disk lists them, and of two nodes of one name the last one stays. So the
name is taken when all packs are loaded, which they are when the web server starts.
Source: Comfy-Org/ComfyUI@a125cd8 `main.py`, `nodes.py` (init_external_custom_nodes), `server.py`.
"""

import logging
from collections.abc import Mapping

import nodes as host_nodes
from server import PromptServer

logger = logging.getLogger(__name__)


def replace_when_all_are_loaded(classes: Mapping[str, type]) -> None:
    """Register classes under their names, whoever has these by then; for packs that are loaded in the same start."""

    async def replace(_app: object) -> None:
        for name, ours in classes.items():
            if host_nodes.NODE_CLASS_MAPPINGS.get(name) is not ours:
                logger.warning("%s of another pack is replaced", name)
                host_nodes.NODE_CLASS_MAPPINGS[name] = ours

    PromptServer.instance.app.on_startup.append(replace)
