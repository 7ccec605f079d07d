"""Which models can be steered, and in what they differ; one file per family."""

from typing import Final

from app.generation.families import flux, flux_union, sd3, sd15, sdxl, sdxl_union
from app.generation.families.family import Family

FAMILIES: Final[dict[str, Family]] = {
    "sd15": sd15.FAMILY,
    "sdxl": sdxl.FAMILY,
    "sdxl-union": sdxl_union.FAMILY,
    "sd3": sd3.FAMILY,
    "flux": flux.FAMILY,
    "flux-union": flux_union.FAMILY,
}

__all__ = ["FAMILIES", "Family"]
