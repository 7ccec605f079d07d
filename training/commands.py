"""The command line of `python -m training`."""

import inspect
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import TypeAdapter

from pose_core.errors import InvalidInput, PoseError
from training.assemble import build_batches, build_method
from training.checkpoints import find_checkpoint, list_checkpoints, read_snapshot, remove_newer
from training.cluster import train_on_ray
from training.distributed import join_world
from training.loop import train
from training.measure import build_evaluate
from training.overrides import Overrides, apply_overrides
from training.recipe import Recipe
from training.recipes import RECIPES, find_recipe
from training.recipes.debug import DEBUG_SUFFIX, debug_of
from training.results import eval_, export
from training.run import Run, Settings
from training.terminal import DATA, Chosen, Data, interrupt_explained, require_place

RUNS = Path("runs")

Name = Annotated[str, typer.Argument(metavar="RECIPE", help="A name that `list` shows.", show_default=False)]
Steps = Annotated[
    int | None, typer.Option(min=1, help="Stop after this many steps, to be continued with `resume`. Default: all.")
]
SaveEvery = Annotated[int, typer.Option(min=1, help="Steps between checkpoints; evaluations leave one, too.")]
Precision = Annotated[
    Literal["auto", "float32", "bfloat16"],
    typer.Option(help="Of convolutions and products; auto is bfloat16 on GPUs and float32 on CPUs."),
]
Fastest = Annotated[
    bool,
    typer.Option("--fastest", help="Let a GPU choose its algorithms by speed; repeated runs then differ a little."),
]
Ray = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Let a Ray cluster start the processes: host:port, auto, or local."),
]
RayWorkers = Annotated[
    int | None, typer.Option(min=1, help="With --ray: how many processes. [default: one per GPU, or one]")
]
AS_BEFORE = "[default: as before]"
Workers = Annotated[int | None, typer.Option(min=0, help="Processes that prepare batches, for each device.")]


def build() -> typer.Typer:
    """The command line with all its subcommands."""
    command_line = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="Train whole-body pose networks, from a teacher to a file that `skelmap serve` can use.",
    )
    commands: dict[str, Callable[..., None]] = {
        "list": list_,
        "run": run,
        "resume": resume,
        "eval": eval_,
        "export": export,
    }
    for name, command in commands.items():
        command_line.command(name)(command)
    return command_line


def list_(name: Annotated[str | None, typer.Argument(metavar="[RECIPE]", help="Show all of this one.")] = None) -> None:
    """Show every recipe in a line, or one with its published number and every value."""
    if name is None:
        for key, function in RECIPES.items():
            typer.echo(f"{key:24} {(inspect.getdoc(function) or '').splitlines()[0]}")
        return
    recipe = find_recipe(name)
    typer.echo(inspect.getdoc(RECIPES[name]) if name in RECIPES else f"{name}: the same, shrunk to try things out.")
    typer.echo(TypeAdapter(Recipe).dump_json(recipe, indent=2).decode())


def run(
    name: Name,
    *,
    data: Data = DATA,
    output: Annotated[Path | None, typer.Option(help="Folder of the run. [default: runs/RECIPE]")] = None,
    debug: Annotated[
        bool, typer.Option("--debug", help="Try it out in a minute: stick figures, small networks.")
    ] = False,
    steps: Steps = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Length of the run; all phases keep their share.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Samples per step over all devices.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Another seed gives another run of the same recipe.")] = None,
    workers: Workers = None,
    device: Chosen = "auto",
    precision: Precision = "auto",
    fastest: Fastest = False,
    save_every: SaveEvery = 1000,
    ray: Ray = None,
    ray_workers: RayWorkers = None,
    teacher_weights: Annotated[
        str | None, typer.Option(help="What the teacher knows: a checkpoint file, or the folder of a run.")
    ] = None,
    student_weights: Annotated[
        str | None, typer.Option(help="What the student starts from: a checkpoint file, or the folder of a run.")
    ] = None,
) -> None:
    """Train a recipe. On several GPUs: torchrun --nproc-per-node 8 -m training run RECIPE ..."""
    found = debug_of(find_recipe(name)) if debug else find_recipe(name)
    overrides = Overrides(
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        workers=workers,
        teacher_weights=teacher_weights,
        student_weights=student_weights,
    )
    recipe = apply_overrides(found, overrides)
    folder = output or RUNS / recipe.name
    require_place(folder, folder=True)
    if list_checkpoints(folder):
        raise InvalidInput(f"{folder} holds a run; `resume` it, or name another folder", field="output")
    settings = Settings(stop_after=steps, precision=precision, fastest=fastest, save_every=save_every)
    if ray is None:
        carry_out(recipe, folder, data, device=device, settings=settings)
    else:
        carry_out_on_ray(recipe, folder, data, device=device, settings=settings, cluster=(ray, ray_workers))


def resume(
    path: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, or of one of its checkpoints.")],
    *,
    data: Annotated[Path | None, typer.Option(help=f"Folder with annotations and pictures. {AS_BEFORE}")] = None,
    steps: Steps = None,
    workers: Workers = None,
    device: Chosen = "auto",
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"] | None, typer.Option(help=f"See `run`. {AS_BEFORE}")
    ] = None,
    fastest: Fastest = False,
    save_every: SaveEvery = 1000,
    ray: Ray = None,
    ray_workers: RayWorkers = None,
) -> None:
    """Go on with a run from its newest checkpoint, as if it had never been stopped; newer ones are deleted."""
    checkpoint = find_checkpoint(path)
    snapshot = read_snapshot(checkpoint)
    recipe, before = apply_overrides(snapshot.recipe, Overrides(workers=workers)), snapshot.conditions
    precision = precision or before.precision or "auto"
    settings = Settings(stop_after=steps, precision=precision, fastest=fastest, save_every=save_every)
    folder = checkpoint.absolute().parent.parent
    where = data or (Path(before.data) if before.data else DATA)
    if ray is None:
        carry_out(recipe, folder, where, device=device, settings=settings, checkpoint=checkpoint)
    else:
        remove_newer(folder, snapshot.step)
        carry_out_on_ray(recipe, folder, where, device=device, settings=settings, cluster=(ray, ray_workers))


def carry_out_on_ray(
    recipe: Recipe, folder: Path, data: Path, *, device: str, settings: Settings, cluster: tuple[str, int | None]
) -> None:
    """Train in processes of a cluster, and say where the results are."""
    folder = folder.absolute()
    work = partial(carry_on, recipe, folder, data.absolute(), device=device, settings=settings)
    train_on_ray(*cluster, device, folder / "ray", work)
    typer.echo(f"{folder}: {read_snapshot(find_checkpoint(folder)).step} steps")


def carry_on(recipe: Recipe, folder: Path, data: Path, *, device: str, settings: Settings) -> None:
    """Train from the newest checkpoint, or from the start where there is none."""
    newest = next(reversed(list_checkpoints(folder)), None)
    carry_out(recipe, folder, data, device=device, settings=settings, checkpoint=newest)


def carry_out(
    recipe: Recipe, folder: Path, data: Path, *, device: str, settings: Settings, checkpoint: Path | None = None
) -> None:
    """Train in this process, alone or as one of several, and say where the results are."""
    with join_world(device) as world:
        method = build_method(recipe if checkpoint is None else without_weights(recipe), data)
        batches = build_batches(recipe, data, world)
        bar = world.is_first and sys.stderr.isatty()
        evaluate = build_evaluate(recipe, data, folder / "pictures", progress=bar) if world.is_first else None
        every = 1 if recipe.name.endswith(DEBUG_SUFFIX) else settings.log_every
        settings = replace(settings, log_every=every, data=str(data.absolute()))
        whole = Run(recipe, folder, batches, evaluate, world, settings)
        with interrupt_explained(folder, talks=world.is_first):
            state = train(whole, method, checkpoint)
        if world.is_first:
            typer.echo(f"{folder}: {state.step} of {recipe.epochs * whole.steps_per_epoch} steps")
            if state.best is not None:
                typer.echo(f"best {recipe.headline}: {state.best:.4f}, in {folder / 'best.safetensors'}")


def without_weights(recipe: Recipe) -> Recipe:
    """A recipe whose networks get their weights from a checkpoint."""
    teacher = recipe.teacher and replace(recipe.teacher, weights=None)
    return replace(recipe, student=replace(recipe.student, weights=None), teacher=teacher)


def main() -> None:
    """Run the command line; errors of ours are one line on stderr and an exit code, never a traceback."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    try:
        build()()
    except PoseError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2 if isinstance(error, InvalidInput) else 3)
    except OSError as error:
        typer.echo(f"error: {error.filename or 'the system'}: {error.strerror or error}", err=True)
        sys.exit(3)
