"""What commands have in common: where results go, and how they end when somebody is tired of waiting."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from pose_core.errors import InvalidInput
from training.checkpoints import list_checkpoints

DATA: Final = Path("data")

Data = Annotated[Path, typer.Option(help="Folder with annotations, pictures and weights; docs/training.md fills it.")]
Chosen = Annotated[
    str, typer.Option(help="Where to compute: cpu, cuda, cuda:1 or auto, which is cuda if there is one.")
]

INTERRUPTED: Final = 130
"""Exit code of a program that Ctrl-C ended."""


@contextmanager
def interrupt_explained(folder: Path, *, talks: bool) -> Iterator[None]:
    """Let Ctrl-C end the command with the usual code, after saying how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        if talks and list_checkpoints(folder):
            newest = list_checkpoints(folder)[-1].name
            typer.echo(f"stopped at {newest}; go on with: python -m training resume {folder}", err=True)
        raise typer.Exit(INTERRUPTED) from None


def require_place(path: Path, *, folder: bool = False) -> None:
    """Make sure that a result can be written, before it is computed.

    Args:
        path: of the result; the folder it lies in is made.
        folder: whether it is a folder itself.

    Raises:
        InvalidInput: something of another kind is there, or the folder cannot be made.
    """
    if path.exists() and path.is_dir() != folder:
        raise InvalidInput(f"{path} is {'no' if folder else 'a'} folder", field="output")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"{path.parent} cannot be made: {error.strerror}", field="output") from error
    if not os.access(path.parent, os.W_OK):
        raise InvalidInput(f"{path.parent} cannot be written to", field="output")
