"""The examples of the client's README run as they are written."""

import re
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from pose_core.types import Image
from tests.app.scenery import read_png
from tests.live_server import LiveServer

README = Path(__file__).resolve().parents[3] / "deploy" / "python" / "README.md"


def test_its_examples(
    server: LiveServer,
    photo: Image,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    PillowImage.fromarray(photo).save("photo.jpg")
    examples = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(examples) == 2
    names: dict[str, object] = {}
    for example in examples:
        exec(example.replace("http://127.0.0.1:8000", server.url), names)  # noqa: S102 - our own text
    assert capsys.readouterr().out.count("\n") == 3
    assert len(names["answers"]) == 4  # type: ignore[arg-type]
    written = {path.name: read_png(path.read_bytes()).shape[1::-1] for path in tmp_path.glob("*.png")}
    assert written == {"map.png": (160, 120), "thick.png": (1024, 768), "again.png": (160, 120)}
