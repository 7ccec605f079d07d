"""Programs that check what is in deploy/: packages of the extra `test` bring them."""

import shutil
import sysconfig
from pathlib import Path

import pytest


def program(name: str) -> str:
    """Its path: that of the package, else one of this machine; the test is skipped where there is none."""
    own = Path(sysconfig.get_path("scripts")) / name
    found = str(own) if own.is_file() else shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name} of the extra `test`")
    return found
