"""Stand-in: Forge's base class takes nothing, and its sliders are hidden unless told otherwise."""

from typing import Any


class PreprocessorParameter:
    """A slider."""

    def __init__(
        self,
        minimum: float = 0.0,
        maximum: float = 1.0,
        step: float = 0.01,
        label: str = "Parameter 1",
        value: float = 0.5,
        visible: bool = False,
        **kwargs: Any,
    ) -> None:
        self.gradio_update_kwargs = {
            "minimum": minimum,
            "maximum": maximum,
            "step": step,
            "label": label,
            "value": value,
            "visible": visible,
            **kwargs,
        }


class Preprocessor:
    """Base class of all."""

    def __init__(self) -> None:
        self.name = "PreprocessorBase"
        self.tags: list[str] = []
        self.model_filename_filters: list[str] = []
        self.slider_1 = PreprocessorParameter()
        self.slider_2 = PreprocessorParameter()
        self.slider_3 = PreprocessorParameter()

    def __call__(self, input_image: Any, resolution: int, **kwargs: Any) -> Any:
        """The map."""
        return input_image
