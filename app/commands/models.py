"""`skelmap models`: what there is, getting it, checking it."""

import sys
from typing import Annotated

import typer

from app.commands import options
from app.generation.folders import fetch_model, find_model
from app.generation.table import ModelRow, read_table
from pose_core.errors import PoseError, UnknownChoice
from pose_core.pull import pull, verify
from pose_core.weights import EMBEDDED, WEIGHTS, cache_folder, installed

Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of `skelmap models list`.")]


def build() -> typer.Typer:
    """The group with its subcommands."""
    group = typer.Typer(no_args_is_help=True, help="List, download and check networks.")
    group.command("list")(list_models)
    group.command("pull")(pull_models)
    group.command("verify")(verify_models)
    return group


def list_models() -> None:
    """Every named network: what it is, its terms, and where its file lies."""
    files = installed()
    for name, row in WEIGHTS.items():
        size = f"{row.input_size[0]}x{row.input_size[1]}"
        typer.echo(f"{name:24} {row.role:9} {size:8} {row.code_licence:11} {files[name] or 'not installed'}")
    typer.echo("\nTerms of the training data:")
    for terms in dict.fromkeys(row.data_terms for row in WEIGHTS.values()):
        names = [name for name, row in WEIGHTS.items() if row.data_terms == terms]
        typer.echo(f"{', '.join(names)}: {terms}")
    typer.echo(f"\nInside the package: {EMBEDDED}, with its LICENSE")
    typer.echo(f"Folder: {cache_folder()}")
    for name, model in generation_models().items():
        typer.echo(f"{name:24} pictures  {model.family:10} {_installed_at(name, model)}")


def pull_models(names: Names) -> None:
    """Download models and verify them."""
    pictures = generation_models()
    if unknown := [name for name in names if name not in WEIGHTS and name not in pictures]:
        raise UnknownChoice("NAME", unknown[0], [*WEIGHTS, *pictures])
    for name in names:
        if name in pictures:
            folders = fetch_model(name, pictures[name])
            typer.echo(f"{name}: {' and '.join(map(str, folders))}")
        else:
            typer.echo(f"{name}: {pull(name, progress=sys.stderr.isatty())}")


def generation_models() -> dict[str, ModelRow]:
    """The models that make pictures, of the table in the settings; none without one."""
    settings = options.generation_settings()
    return read_table(settings.models) if settings.models else {}


def _installed_at(name: str, row: ModelRow) -> str:
    try:
        return str(find_model(name, row).base)
    except PoseError as error:
        return f"not installed: {error}"


def verify_models(names: Annotated[list[str] | None, typer.Argument(metavar="[NAME...]")] = None) -> None:
    """Compare files with the hashes on record; without names, all that are installed."""
    chosen = names or [name for name, path in installed().items() if path or WEIGHTS[name].is_embedded]
    failed = False
    for name in chosen:
        try:
            found = verify(name)
        except PoseError as error:
            failed = True
            typer.echo(f"{name}: {error}", err=True)
        else:
            typer.echo(f"{name}: {found.sha256} agrees with the {found.compared_with}, {found.path}")
    if failed:
        raise typer.Exit(1)
