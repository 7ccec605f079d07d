"""Stand-in for sd-webui-controlnet's registry: a dataclass named at construction, which refuses a second of a name."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple


@dataclass
class PreprocessorParameter:
    """A slider, shown unless told otherwise."""

    label: str = "EMPTY_LABEL"
    minimum: float = 0.0
    maximum: float = 1.0
    step: float = 0.01
    value: float = 0.5
    visible: bool = True

    @property
    def gradio_update_kwargs(self) -> dict[str, Any]:
        """What the slider in the UI is set to."""
        return dict(vars(self))


@dataclass(eq=False)
class Preprocessor(ABC):
    """Base class of all."""

    name: str
    _label: str | None = None
    tags: list[str] = field(default_factory=list)
    slider_1 = PreprocessorParameter(visible=False)
    slider_2 = PreprocessorParameter(visible=False)
    slider_3 = PreprocessorParameter(visible=False)
    returns_image: bool = True

    all_processors: ClassVar[dict[str, "Preprocessor"]] = {}
    all_processors_by_name: ClassVar[dict[str, "Preprocessor"]] = {}

    class Result(NamedTuple):
        """What the UI works with."""

        value: Any
        display_images: list[Any]

    @property
    def label(self) -> str:
        """Its name in the UI."""
        return self.name if self._label is None else self._label

    @classmethod
    def add_supported_preprocessor(cls, added: "Preprocessor") -> None:
        """Registered once and for all."""
        assert added.label not in cls.all_processors, f"{added.label} already registered!"
        cls.all_processors[added.label] = added
        assert added.name not in cls.all_processors_by_name, f"{added.name} already registered!"
        cls.all_processors_by_name[added.name] = added

    @classmethod
    def get_preprocessor(cls, name: str) -> "Preprocessor | None":
        """By label or name."""
        return cls.all_processors.get(name, cls.all_processors_by_name.get(name))

    def cached_call(self, input_image: Any, *args: Any, **kwargs: Any) -> "Preprocessor.Result":
        """How the UI and the API call it."""
        result = self(input_image, *args, **kwargs)
        return result if isinstance(result, Preprocessor.Result) else Preprocessor.Result(result, [result])

    @abstractmethod
    def __call__(self, input_image: Any, resolution: int, **kwargs: Any) -> Any:
        """The map."""
