"""The error tree is the one its module draws, and every message says what would have been right."""

import re

import pytest

from pose_core import errors
from pose_core.errors import InvalidInput, ModelError, NoPersonFound, PoseError, UnknownChoice

DEFINED = {
    name: value
    for name, value in vars(errors).items()
    if isinstance(value, type) and value.__module__ == errors.__name__
}


def drawn_tree() -> dict[str, str]:
    """Each error of the docstring's tree with its parent."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for branch, name in re.findall(r"^([│├└─ ]*)([A-Z]\w*[a-z][A-Z]\w*)(?: .*)?$", errors.__doc__ or "", re.MULTILINE):
        depth = len(branch) // 4
        parents[name] = path[depth - 1] if depth else "Exception"
        path[depth:] = [name]
    return parents


def test_the_tree_in_the_docstring_is_the_real_one() -> None:
    assert drawn_tree() == {name: error.__bases__[0].__name__ for name, error in DEFINED.items()}


@pytest.mark.parametrize("error", DEFINED.values(), ids=DEFINED)
def test_every_error_explains_itself(error: type[PoseError]) -> None:
    assert issubclass(error, PoseError)
    assert error.__doc__


def test_invalid_input_names_field_and_choices() -> None:
    error = InvalidInput("unknown style 'x'", field="style", choices=(name for name in ("controlnet", "dwpose")))
    assert str(error) == "style: unknown style 'x'; valid: controlnet, dwpose"
    assert (error.field, error.choices) == ("style", ("controlnet", "dwpose"))
    assert isinstance(error, ValueError)


def test_invalid_input_without_field_or_choices_is_its_message() -> None:
    assert str(InvalidInput("no")) == "no"
    assert str(NoPersonFound("nobody", field="image")) == "image: nobody"
    assert InvalidInput("no").choices == ()


def test_unknown_choice_quotes_the_value() -> None:
    error = UnknownChoice("dialect", "xml", ["a1111", "comfy"])
    assert str(error) == "dialect: unknown value 'xml'; valid: a1111, comfy"
    assert error.choices == ("a1111", "comfy")


def test_a_broken_model_is_not_the_callers_fault() -> None:
    assert not issubclass(ModelError, ValueError)


def test_a_value_stands_before_the_choices() -> None:
    assert str(InvalidInput("unknown", field="style", value="x", choices=["dwpose"])) == (
        "style: unknown, got 'x'; valid: dwpose"
    )


def test_an_error_can_be_told_about_another_name() -> None:
    original = UnknownChoice("style", "x", ["dwpose"])
    renamed = original.about("look")
    assert str(renamed) == "look: unknown value 'x'; valid: dwpose"
    assert type(renamed) is UnknownChoice
    assert str(original) == "style: unknown value 'x'; valid: dwpose"
