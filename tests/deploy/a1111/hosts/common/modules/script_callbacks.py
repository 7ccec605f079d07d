"""Stand-in: functions that the web UI calls while it starts."""

from collections.abc import Callable

ui_settings_callbacks: list[Callable[[], None]] = []


def on_ui_settings(callback: Callable[[], None]) -> None:
    """To be called when the settings pages are built."""
    ui_settings_callbacks.append(callback)
