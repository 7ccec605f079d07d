"""The pages for users of other programs: each has its three steps, and its examples run as they are written."""

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from pose_core.types import Image
from tests.live_server import LiveServer

DOCS = Path(__file__).resolve().parents[2] / "docs"
INDEX = DOCS / "clients.md"
PAGES = sorted((DOCS / "clients").glob("*.md"))
BASH = shutil.which("bash")


def blocks(page: Path, kind: str) -> list[str]:
    """The blocks of code of one kind in a page."""
    return re.findall(rf"```{kind}\n(.*?)```", page.read_text(), re.DOTALL)


def commands(page: Path) -> list[str]:
    """What a page types into a shell: lines after a `$`, with those that a backslash continues."""
    return [
        found.removeprefix("$ ")
        for block in blocks(page, "console")
        for found in re.findall(r"^\$ (?:.*\\\n)*.*", block, re.MULTILINE)
    ]


@pytest.fixture
def folder(photo: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a photo in it."""
    monkeypatch.chdir(tmp_path)
    PillowImage.fromarray(photo).save("astronaut.jpg")
    return tmp_path


def test_the_index_leads_to_every_page() -> None:
    assert set(re.findall(r"\]\(clients/(.*?)\)", INDEX.read_text())) == {page.name for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_three_steps_and_an_example_with_its_picture(page: Path) -> None:
    _, install, rest = re.split(r"^## (?:Install|Example)$", page.read_text(), flags=re.MULTILINE)
    assert re.findall(r"^(\d)\. ", install, re.MULTILINE) == ["1", "2", "3"]
    assert "```" in rest
    assert "![" in rest


@pytest.mark.parametrize("page", [INDEX, *PAGES], ids=lambda page: page.stem)
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    targets = [target.partition("#")[0] for target in re.findall(r"\]\((?!http)(.*?)\)", page.read_text())]
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.skipif(not (BASH and shutil.which("curl")), reason="needs bash and curl")
@pytest.mark.parametrize("page", [page for page in [INDEX, *PAGES] if commands(page)], ids=lambda page: page.stem)
def test_its_commands_run(page: Path, server: LiveServer, folder: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for command in commands(page):
        ran = subprocess.run(
            [str(BASH), "-e", "-o", "pipefail", "-c", command.replace("http://127.0.0.1:8000", server.url)],
            cwd=folder,
            env={"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, f"{command}\n{ran.stderr}"
        assert '"status":5' not in ran.stdout
    for map_file in folder.glob("*.png"):
        assert PillowImage.open(map_file).getbbox(), f"{map_file.name} is black"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.stem)
def test_its_program_runs(page: Path, server: LiveServer) -> None:
    (program,) = blocks(page, "python")
    port = server.url.rpartition(":")[2]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(program.replace("127.0.0.1:8000", f"127.0.0.1:{port}").replace("port=8000", f"port={port}"), {})  # noqa: S102 - our own text
    assert said.getvalue()
