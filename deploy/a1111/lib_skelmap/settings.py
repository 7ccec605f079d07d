"""The page "Skelmap" of the host's settings."""

from __future__ import annotations

import math
import os

import gradio
from modules import shared

from lib_skelmap.failures import ON_FAILURE, OnFailure
from lib_skelmap.remote import Server

DEFAULT_URL = "http://127.0.0.1:8000"
DEFAULT_TIMEOUT_S = 60
DEFAULT_ON_FAILURE = "error"

_SECTION = ("skelmap", "Skelmap")
_SECONDS = {"minimum": 1, "maximum": 600, "step": 1}


def add_settings() -> None:
    """Put the page's fields into the host's settings; to be called when it builds them."""
    for name, default, label, component, arguments in (
        ("skelmap_url", DEFAULT_URL, "Address of the server", gradio.Textbox, {}),
        ("skelmap_api_key", "", "API key (empty: SKELMAP_API_KEY)", gradio.Textbox, {"type": "password"}),
        ("skelmap_timeout_s", DEFAULT_TIMEOUT_S, "Seconds to wait", gradio.Slider, _SECONDS),
        ("skelmap_on_failure", DEFAULT_ON_FAILURE, "On failure", gradio.Radio, {"choices": list(ON_FAILURE)}),
    ):
        option = shared.OptionInfo(default, label, component, arguments, section=_SECTION)
        shared.opts.add_option(name, option)


def read_server() -> Server:
    """Whom to ask, as it is set now; blanks around address and key, such as a pasted newline, are dropped.

    Raises:
        RemoteFailed: a setting cannot be used.
    """
    given = shared.opts.data
    return Server(
        url=str(given.get("skelmap_url") or DEFAULT_URL).strip(),
        api_key=str(given.get("skelmap_api_key") or os.environ.get("SKELMAP_API_KEY", "")).strip(),
        timeout_s=_seconds(given.get("skelmap_timeout_s") or DEFAULT_TIMEOUT_S),
    )


def _seconds(given: object) -> float:
    try:
        return float(str(given))
    except ValueError:
        return math.nan  # which a server refuses


def read_on_failure() -> OnFailure:
    """What to do where there is no map, as it is set now."""
    return ON_FAILURE.get(shared.opts.data.get("skelmap_on_failure"), ON_FAILURE[DEFAULT_ON_FAILURE])
