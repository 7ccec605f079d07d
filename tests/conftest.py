"""What every test may ask for."""

from pathlib import Path

import numpy as np
import pytest

from pose_core.types import Image

SHARED = Path(__file__).resolve().parents[2] / "shared"
"""Parity data and photos beside the checkout; absent on most machines."""


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of parity data and photos; tests that need it are skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("needs the parity data in ../shared, which are not part of the repository")
    return SHARED


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same in every run."""
    return np.random.default_rng(20260101)


@pytest.fixture(scope="session")
def photo() -> Image:
    """A drawn scene of 160 x 120 pixels: a gradient with a figure in it."""
    y, x = np.mgrid[:120, :160]
    image = np.stack([x, y * 2, 255 - x], axis=-1).astype(np.uint8)
    image[20:100, 60:90] = 200, 160, 120
    return image
