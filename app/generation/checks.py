"""What a family of models cannot do, found before anything is loaded."""

from app.generation.families import FAMILIES, Family
from app.generation.plan import DEFAULT_STRENGTH
from app.generation.request import GenerationRequest
from app.generation.sources import Source
from pose_core.errors import InvalidInput, UnknownChoice


def check_family(request: GenerationRequest, name: str, source: Source) -> None:
    """Refuse what models of this family cannot do.

    Raises:
        InvalidInput: names the field, its value and what would do.
    """
    family = FAMILIES[name]
    _check_sides(request, name, family)
    if request.scheduler is not None and request.scheduler not in family.schedulers:
        raise UnknownChoice("scheduler", request.scheduler, family.schedulers)
    if request.negative_prompt and not family.negative_prompt:
        raise InvalidInput(f"models of family {name} read none; leave it empty", field="negative_prompt")
    if source.init_image is None:
        if request.strength is not None:
            raise InvalidInput("needs an init image", field="strength")
        return
    if family.init_map_argument is None:
        makers = [other for other, record in FAMILIES.items() if record.init_map_argument is not None]
        raise InvalidInput(f"models of family {name} start from noise only", field="init_image", choices=makers)
    strength = DEFAULT_STRENGTH if request.strength is None else request.strength
    if int((request.steps or family.steps) * strength) < 1:
        raise InvalidInput(f"{strength} of {request.steps or family.steps} steps is less than one", field="strength")


def _check_sides(request: GenerationRequest, name: str, family: Family) -> None:
    multiple = family.size_multiple
    for field in ("width", "height"):
        side: int | None = getattr(request, field)
        if side is not None and side % multiple:
            below = side // multiple * multiple
            choices = [str(near) for near in (below, below + multiple) if near]
            message = f"sides of family {name} are multiples of {multiple}"
            raise InvalidInput(message, field=field, value=str(side), choices=choices)
