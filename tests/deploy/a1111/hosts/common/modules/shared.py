"""Stand-in: the settings. `data` holds what config.json says, and defaults once the pages have been built."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class OptionInfo:
    """One field of a settings page."""

    def __init__(
        self,
        default: object = None,
        label: str = "",
        component: type | None = None,
        component_args: Mapping[str, Any] | None = None,
        *,
        section: tuple[str, str] | None = None,
    ) -> None:
        self.default = default
        self.label = label
        self.component = component
        self.component_args = component_args
        self.section = section


@dataclass
class Options:
    """All settings."""

    data: dict[str, Any] = field(default_factory=dict)
    data_labels: dict[str, OptionInfo] = field(default_factory=dict)

    def add_option(self, key: str, info: OptionInfo) -> None:
        """A further field; what config.json says wins over its default."""
        self.data_labels[key] = info
        self.data.setdefault(key, info.default)


opts = Options()
