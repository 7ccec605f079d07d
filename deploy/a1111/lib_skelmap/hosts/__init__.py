"""What differs between the web UIs: one file each, with the same three names.

`NamedPreprocessor(name)` is the host's base class, `find(name)` a registered preprocessor or None, and
`register(preprocessor)` puts one into the ControlNet UI.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType


def running_host() -> ModuleType:
    """The web UI around this extension."""
    return import_module(f"lib_skelmap.hosts.{'forge' if find_spec('modules_forge') else 'webui'}")
