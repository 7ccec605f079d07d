"""The `skelmap` command: one file per subcommand."""

import logging
import sys
from collections.abc import Callable

import typer

from app import __version__
from app.commands import batch, convert, doctor, generate, models, render, run, serve
from app.exits import EXIT_FAILED, EXIT_MODEL, EXIT_USAGE
from pose_core.errors import InvalidInput, PoseError

COMMANDS: dict[str, Callable[..., None]] = {
    "serve": serve.serve,
    "run": run.run,
    "batch": batch.batch,
    "render": render.render,
    "convert": convert.convert,
    "generate": generate.generate,
    "doctor": doctor.doctor,
}


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"skelmap {__version__}")
        raise typer.Exit


def build() -> typer.Typer:
    """The command line with all its subcommands."""
    command_line = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="A photo in, 133 whole-body keypoints and a ControlNet skeleton map out.",
    )

    @command_line.callback()
    def options(
        version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Show and leave."),
    ) -> None:
        del version

    for name, command in COMMANDS.items():
        command_line.command(name)(command)
    command_line.add_typer(models.build(), name="models")
    return command_line


def main() -> None:
    """Run the command line; errors of ours are one line on stderr and an exit code, never a traceback."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    try:
        build()(prog_name="skelmap")
    except InvalidInput as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(EXIT_USAGE)
    except PoseError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(EXIT_MODEL)
    except OSError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(EXIT_FAILED)
