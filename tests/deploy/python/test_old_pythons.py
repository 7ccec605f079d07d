"""The client in the Pythons it is for, where they are installed with numpy, Pillow and requests."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.live_server import LiveServer

CLIENT = Path(__file__).resolve().parents[3] / "deploy" / "python"

SCRIPT = """
import asyncio, json, sys, typing
from skelmap_client import AsyncClient, Client, InvalidRequest, parameters

url, photo = sys.argv[1:]
for kind in (parameters.PoseParameters, parameters.DocumentParameters):
    typing.get_type_hints(kind)

async def ask():
    async with AsyncClient(url) as client:
        return await asyncio.gather(*(client.pose(photo) for _ in range(3)))

with Client(url) as client:
    answer = client.pose(photo, include="map")
    frames = client.convert(answer, dialect="comfy")
    try:
        client.pose(photo, style="oil")
    except InvalidRequest as error:
        refused = error.findings[0].field
print(json.dumps([len(answer.people), answer.map.size, client.render(frames).size, refused,
                  [len(one.people) for one in asyncio.run(ask())]]))
"""
"""What it does with a server, and that its annotations can be evaluated."""


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a program that sees the client and nothing of whoever runs the tests."""
    return subprocess.run(command, env={"PYTHONPATH": str(CLIENT)}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("version", ["3.9", "3.10"])
def test_it_works_there(version: str, server: LiveServer, png: bytes, tmp_path: Path) -> None:
    python = shutil.which(f"python{version}")
    if not python or run([python, "-c", "import numpy, PIL, requests"]).returncode:
        pytest.skip(f"no python{version} with numpy, Pillow and requests on the path")
    (tmp_path / "photo.png").write_bytes(png)
    ran = run([python, "-W", "error", "-c", SCRIPT, server.url, str(tmp_path / "photo.png")])
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == [3, [160, 120], [160, 120], "style", [3, 3, 3]]
