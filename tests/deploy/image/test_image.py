"""The image, built from the Dockerfile in a fresh Debian root and run as compose and Kubernetes run it.

`make image-check` runs this with its figures; it downloads a Debian, once, and the libraries of the lock file.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import PIL.Image
import pytest
from skimage import data

from tests.deploy.image import chroot
from tests.deploy.image.chroot import Container, Image
from tests.deploy.image.dockerfile import ROOT, read_stages

pytestmark = [pytest.mark.slow, pytest.mark.image]

TARBALL = Path("/var/tmp/skelmap-image-check")
"""Packages that are kept between runs; debootstrap has compared them with what Debian signed."""
GRACE_S = 30
POST = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=30)
connection.request("POST", "/pose", open(sys.argv[1], "rb").read(), {"Content-Type": "image/jpeg"})
answer = connection.getresponse()
assert answer.status == 200, answer.read()
sys.stdout.write(answer.read().decode())
"""


def say(what: str) -> None:
    """A line for whoever watches."""
    print(f"image-check: {what}", file=sys.__stderr__, flush=True)


def megabytes(folder: Path) -> int:
    """What the files in a folder need on disk."""
    counted = subprocess.run(["du", "-sm", folder], capture_output=True, text=True, check=True)
    return int(counted.stdout.split()[0])


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh root of the Debian that the Dockerfile starts from."""
    missing = [tool for tool in ("debootstrap", "unshare", "nsenter", "ip") if shutil.which(tool) is None]
    if os.geteuid() != 0 or missing:
        pytest.skip(f"needs root and {', '.join(missing) or 'nothing else'}: apt-get install debootstrap iproute2")
    arguments, _ = read_stages((ROOT / "Dockerfile").read_text())
    suite = arguments["DEBIAN"].removeprefix("debian:").removesuffix("-slim")
    return chroot.fresh_debian(suite, tmp_path_factory.mktemp("debian"), TARBALL / f"{suite}.tar")


@pytest.fixture(scope="module")
def image(debian: Path, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The default image."""
    started = time.monotonic()
    built = chroot.build(debian, tmp_path_factory.mktemp("image"), {"RUNTIME": "cpu"})
    size = megabytes(built.root)
    say(f"built in {time.monotonic() - started:.0f} s; {size} MB, {size - megabytes(debian)} MB of it on top of Debian")
    return built


@pytest.fixture
def container(image: Image, tmp_path: Path) -> Iterator[Container]:
    """The image, started with a read-only root, and ready."""
    weights = tmp_path / "weights"
    shutil.copytree(image.root / "weights", weights)
    shutil.chown(weights, *(int(part) for part in image.user.split(":")))
    started = time.monotonic()
    with chroot.running(image, {"/tmp": "size=64m,mode=1777"}, {"/weights": weights}) as running:
        while running.call(image.healthcheck).returncode != 0:
            assert running.engine.poll() is None, running.engine.communicate()
            assert time.monotonic() - started < 60
            time.sleep(0.1)
        say(f"healthy {time.monotonic() - started:.1f} s after its start")
        yield running


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    """A public-domain photo of a person."""
    written = io.BytesIO()
    PIL.Image.fromarray(data.astronaut()).save(written, "jpeg")
    file = tmp_path / "portrait.jpg"
    file.write_bytes(written.getvalue())
    return file


def test_it_answers_and_stops_when_asked(container: Container, portrait: Path) -> None:
    posted = container.call_outside([sys.executable, "-c", POST, str(portrait)])
    assert posted.returncode == 0, posted.stderr
    assert len(json.loads(posted.stdout)["people"]) == 1
    started = time.monotonic()
    code, log = container.stop(GRACE_S)
    say(f"stopped in {time.monotonic() - started:.1f} s with exit code {code}")
    assert code == 0, log
    assert "Traceback" not in log


def test_its_first_process_may_do_nothing_special(container: Container) -> None:
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{container.process}/status").read_text().splitlines())
    assert status["NSpid"].split()[1] == "1"
    assert status["Uid"].split() == ["10001"] * 4
    assert status["Gid"].split() == ["10001"] * 4
    assert {status[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapInh")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"


def test_only_its_volume_and_tmpfs_can_be_written(container: Container) -> None:
    places = "/ /opt /opt/skelmap /usr /etc /var /home /tmp /weights"
    script = f"for place in {places}; do touch $place/x 2>&- && echo $place; done"
    assert container.call(["sh", "-c", script]).stdout.split() == ["/tmp", "/weights"]


def test_its_doctor_finds_nothing(container: Container) -> None:
    doctor = container.call(["skelmap", "doctor"])
    assert doctor.returncode == 0, doctor.stdout
    assert "TROUBLE" not in doctor.stdout


def test_it_holds_what_serves_and_nothing_that_builds(image: Image) -> None:
    (packages,) = (image.root / "opt/skelmap/lib").glob("python3.*/site-packages")
    names = {found.name.split("-")[0].lower() for found in packages.glob("*.dist-info")}
    assert {"skelmap", "onnxruntime"} <= names
    assert not {"onnxruntime_gpu", "torch", "diffusers", "pip", "setuptools"} & names
    assert not (image.root / "opt/tools").exists()
    assert not (image.root / "src").exists()
    assert not list((image.root / "usr/bin").glob("gcc*"))
    assert (packages / "pose_core/networks/LICENSE").is_file()


def test_nothing_of_it_belongs_to_the_user_but_the_volume(image: Image) -> None:
    uid, gid = image.user.split(":")
    mine = subprocess.run(
        ["find", image.root, "-xdev", "(", "-uid", uid, "-o", "-gid", gid, ")"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert mine.stdout.split() == [str(image.root / "weights")]


def test_the_debian_of_the_image_has_a_python_that_we_support(image: Image) -> None:
    version = subprocess.run(
        ["chroot", image.root, "python3", "--version"], capture_output=True, text=True, check=True
    ).stdout
    assert version.startswith("Python 3.13")
