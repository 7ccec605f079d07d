"""The few things of a recipe that the command line may change; whoever wants more writes a recipe."""

from dataclasses import dataclass, replace

from pose_core.errors import InvalidInput
from training.recipe import Network, Recipe


@dataclass(frozen=True, kw_only=True, slots=True)
class Overrides:
    """What to change; None leaves the recipe's value.

    Attributes:
        epochs: length of the run; the phases of schedule and augmentation keep their share of it.
        batch_size: samples per step over all devices. The learning rate stays.
        seed: of everything random.
        workers: processes that prepare batches, for each device.
        teacher_weights: see `training.assemble.find_weights`.
        student_weights: likewise; of the student only the backbone is taken where the recipe says so.
    """

    epochs: int | None = None
    batch_size: int | None = None
    seed: int | None = None
    workers: int | None = None
    teacher_weights: str | None = None
    student_weights: str | None = None


def apply_overrides(recipe: Recipe, overrides: Overrides) -> Recipe:
    """The recipe with the wanted changes.

    Raises:
        InvalidInput: weights for a teacher that the recipe does not have.
    """
    if overrides.teacher_weights and recipe.teacher is None:
        raise InvalidInput(f"{recipe.name} has no teacher", field="teacher_weights")
    changed = recipe if overrides.epochs is None else with_epochs(recipe, overrides.epochs)
    workers = recipe.data.workers if overrides.workers is None else overrides.workers
    return replace(
        changed,
        batch_size=recipe.batch_size if overrides.batch_size is None else overrides.batch_size,
        seed=recipe.seed if overrides.seed is None else overrides.seed,
        data=replace(changed.data, workers=workers),
        student=with_weights(recipe.student, overrides.student_weights),
        teacher=recipe.teacher and with_weights(recipe.teacher, overrides.teacher_weights),
    )


def with_weights(network: Network, weights: str | None) -> Network:
    """A network that starts from other weights, if there are any."""
    return network if weights is None else replace(network, weights=weights)


def with_epochs(recipe: Recipe, epochs: int) -> Recipe:
    """A recipe of another length whose phases keep their share of the run; warm-ups are counted in steps and stay."""

    def scaled(epoch: int) -> int:
        return round(epoch * epochs / recipe.epochs)

    optimisation, data = recipe.optimisation, recipe.data
    return replace(
        recipe,
        epochs=epochs,
        optimisation=replace(
            optimisation,
            flat_until_epoch=scaled(optimisation.flat_until_epoch),
            cosine_until_epoch=scaled(optimisation.cosine_until_epoch),
            drop_epochs=tuple(map(scaled, optimisation.drop_epochs)),
        ),
        data=replace(data, light_from_epoch=scaled(data.light_from_epoch)),
        evaluate_every=min(recipe.evaluate_every, epochs),
    )
