"""Where the server is and how to talk to it: environment variables first, ComfyUI's settings page second.

Never a widget: widgets are saved into workflows and pictures. The address is none either, because whoever sends you a
workflow could then have your key sent to a server of his own.
"""

import json
import logging
import os
from collections.abc import Collection, Mapping
from pathlib import Path

import folder_paths
import nodes as host_nodes

from .server import Server

SETTINGS = {
    "POSE_SERVER_URL": "Skelmap.Server.URL",
    "POSE_API_KEY": "Skelmap.Server.Key",
    "POSE_TIMEOUT_S": "Skelmap.Server.Timeout",
    "POSE_DWPREPROCESSOR": "Skelmap.Server.DWPreprocessor",
}
"""Environment variable -> id of the setting, which `web/settings.js` puts on ComfyUI's page."""

DEFAULT_URL = "http://127.0.0.1:8000"
DEFAULT_TIMEOUT_S = 120.0

logger = logging.getLogger(__name__)


def read_server() -> Server:
    """The server as the settings are now.

    Raises:
        ValueError: a setting that cannot be used; the key is not repeated.
    """
    timeout = _setting("POSE_TIMEOUT_S")
    return Server(
        url=_setting("POSE_SERVER_URL") or DEFAULT_URL,
        api_key=_setting("POSE_API_KEY"),
        timeout_s=_seconds(timeout) if timeout else DEFAULT_TIMEOUT_S,
    )


def opted_in(names: Collection[str]) -> list[str]:
    """Node names of other packs under which ours shall be registered: none unless asked for, taken ones if replaced."""
    if not replaces() and _setting("POSE_DWPREPROCESSOR").lower() not in {"1", "true", "yes", "on"}:
        return []
    taken = [name for name in names if name in host_nodes.NODE_CLASS_MAPPINGS]
    for name in taken:
        logger.warning("%s of another pack %s", name, "is replaced" if replaces() else "stays that one's")
    return list(names) if replaces() else [name for name in names if name not in taken]


def replaces() -> bool:
    """Whether ours shall also take the place of another pack's nodes."""
    return _setting("POSE_DWPREPROCESSOR").lower() == "replace"


def _setting(variable: str) -> str:
    chosen = _user_settings().get(SETTINGS[variable])  # None: absent, or cleared in the browser
    return os.environ.get(variable, "").strip() or ("" if chosen is None else str(chosen).strip())


def _user_settings() -> Mapping[str, object]:
    """What the default user chose on ComfyUI's settings page; nothing where there is no such file."""
    if not hasattr(folder_paths, "get_user_directory"):  # before ComfyUI had users
        return {}
    path = Path(folder_paths.get_user_directory(), "default", "comfy.settings.json")
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        logger.warning("%s cannot be read and is ignored: %s", path, error)
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError(f"POSE_TIMEOUT_S: expected seconds above 0, got {text!r}")
    return seconds
