"""Builds our Dockerfile without a container engine, and runs the result as a container would.

Each stage is a folder that starts as a copy of a fresh Debian root; RUN happens in it by chroot, COPY is a copy. A
container is that folder, read-only, in mount, process and network namespaces of its own, without any capability, with
tmpfs where the deployment has one. Needs root, debootstrap and Debian's packages.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.image.dockerfile import (
    ROOT,
    Instruction,
    Stage,
    argument,
    pairs,
    read_stages,
    replace_variables,
    words,
)

PASSED_ON = ("PIP_CERT", "PIP_DEFAULT_TIMEOUT", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "no_proxy")
"""Variables of whoever runs the tests that a build needs to reach the package index, as an engine passes them on."""

DEBIAN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Image:
    """What a build made.

    Attributes:
        root: its file system.
        environment: its variables.
        user: uid and gid that it runs as.
        folder: where its command starts.
        command: entry point and command.
        healthcheck: the command of the HEALTHCHECK.
        stop_signal: what asks it to stop.
        volumes: folders that stay writable.
    """

    root: Path
    environment: Mapping[str, str]
    user: str
    folder: str
    command: tuple[str, ...]
    healthcheck: tuple[str, ...]
    stop_signal: str
    volumes: tuple[str, ...]


def fresh_debian(suite: str, folder: Path, tarball: Path) -> Path:
    """A minimal Debian; its packages are downloaded once and kept in `tarball`."""
    mirror = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
    basic = ["debootstrap", "--variant=minbase"]
    if not tarball.is_file():
        tarball.parent.mkdir(parents=True, exist_ok=True)
        _run([*basic, f"--make-tarball={tarball}", suite, str(tarball.with_suffix(".work")), mirror])
    root = folder / "debian"
    _run([*basic, f"--unpack-tarball={tarball}", suite, str(root), mirror])
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    return root


def build(debian: Path, folder: Path, arguments: Mapping[str, str]) -> Image:
    """Run the Dockerfile on a Debian root; `arguments` are those of --build-arg."""
    outside, stages = read_stages((ROOT / "Dockerfile").read_text())
    roots: dict[str, Path] = {}
    for number, stage in enumerate(stages):
        root = folder / (stage.name or f"stage{number}")
        base = roots.get(stage.base, debian)
        if base is debian:
            replace_variables(stage.base, outside)
        _run(["cp", "--archive", "--reflink=auto", f"{base}/.", str(root)])
        _build_stage(stage, root, roots, arguments)
        roots[stage.name or f"stage{number}"] = root
    return _describe(stages[-1], root)


def _build_stage(stage: Stage, root: Path, roots: Mapping[str, Path], arguments: Mapping[str, str]) -> None:
    variables = {"PATH": DEBIAN_PATH} | {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    for one in stage.instructions:
        if one.word == "ARG":
            name, default = argument(one)
            variables[name] = arguments.get(name, default)
        elif one.word == "COPY":
            _copy(one, roots.get(one.options.get("from", ""), ROOT), root)
        elif one.word == "RUN":
            _run_in(root, one, variables)


def _copy(one: Instruction, source: Path, root: Path) -> None:
    *paths, target = one.text.split()
    for path in paths:
        origin = source / path.lstrip("/")
        aim = root / target.lstrip("/")
        if target.endswith("/"):
            aim = aim / origin.name
        aim.parent.mkdir(parents=True, exist_ok=True)
        if origin.is_dir():
            shutil.copytree(origin, aim, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(origin, aim)


def _run_in(root: Path, one: Instruction, variables: Mapping[str, str]) -> None:
    """One RUN: in namespaces of its own, so that what it mounts and starts ends with it."""
    mounts = [f"mount --bind /proc {root}/proc", f"mount --rbind /dev {root}/dev"]
    if "mount" in one.options:
        mount = dict(part.split("=", 1) for part in one.options["mount"].split(","))
        target = root / mount["target"].lstrip("/")
        target.mkdir(exist_ok=True)
        mounts += [f"mount --bind {ROOT / mount['source']} {target}", f"mount -o remount,bind,ro {target}"]
    certificate = variables.get("PIP_CERT")
    if certificate:
        place = root / "tmp/ca.crt"
        shutil.copy(certificate, place)
        variables = dict(variables) | {"PIP_CERT": "/tmp/ca.crt"}
    script = " && ".join([*mounts, 'exec chroot "$1" /bin/sh -c "$2"'])
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh", str(root), one.text]
    _run(command, environment=variables)
    if certificate:
        place.unlink()
    if "mount" in one.options:
        target.rmdir()


def _describe(stage: Stage, root: Path) -> Image:
    return Image(
        root=root,
        environment=pairs(stage.last("ENV")),
        user=stage.last("USER").text,
        folder=stage.last("WORKDIR").text,
        command=(*words(stage.last("ENTRYPOINT")), *words(stage.last("CMD"))),
        healthcheck=tuple(words(stage.last("HEALTHCHECK"))),
        stop_signal=stage.last("STOPSIGNAL").text,
        volumes=tuple(words(stage.last("VOLUME"))),
    )


def _run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=1800)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"


@dataclass(frozen=True, slots=True)
class Container:
    """A running image.

    Attributes:
        image: what runs.
        engine: the process that started it and ends with it; its exit code is that of the container.
        process: id of its first process, as seen from outside.
    """

    image: Image
    engine: subprocess.Popen[str]
    process: int

    def call(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as `docker exec` does."""
        enter = ("nsenter", f"--target={self.process}", "--mount", "--net", "--pid")
        inside = (*enter, *_as_user(self.image), *command)
        return subprocess.run(inside, capture_output=True, text=True, check=False, timeout=60)

    def call_outside(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command of this machine that sees the container's network."""
        enter = ("nsenter", f"--target={self.process}", "--net")
        return subprocess.run((*enter, *command), capture_output=True, text=True, check=False, timeout=60)

    def stop(self, grace_s: float) -> tuple[int, str]:
        """Ask it to stop; its exit code and what it logged.

        Raises:
            subprocess.TimeoutExpired: it needed longer than that.
        """
        os.kill(self.process, signal.Signals[self.image.stop_signal])
        output, _ = self.engine.communicate(timeout=grace_s)
        return self.engine.returncode, output


@contextmanager
def running(image: Image, tmpfs: Mapping[str, str], volumes: Mapping[str, Path]) -> Iterator[Container]:
    """A container: read-only but for tmpfs (folder -> options) and volumes, first process of its own namespaces."""
    root = image.root
    mounts = [f"mount --bind {root} {root}", f"mount --bind /dev {root}/dev"]
    mounts += [f"mount --bind {folder} {root}{place}" for place, folder in volumes.items()]
    mounts += [f"mount -o remount,bind,ro {root}", f"mount -t proc proc {root}/proc"]
    mounts += [f"mount -t tmpfs -o {options} tmpfs {root}{place}" for place, options in tmpfs.items()]
    script = " && ".join([*mounts, "ip link set lo up", 'exec "$@"'])
    isolated = ("unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "sh", "-c", script)
    command = (*isolated, "sh", *_as_user(image), *image.command)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as engine:
        process = _first_process(engine)
        try:
            yield Container(image, engine, process)
        finally:
            if engine.poll() is None:  # it changed its user, so that the kernel forgot to end it with its engine
                os.kill(process, signal.SIGKILL)


def _as_user(image: Image) -> tuple[str, ...]:
    """What stands before a command so that it runs in the root, as its user, without any capability."""
    uid, gid = image.user.split(":")
    user = (f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--bounding-set=-all", "--no-new-privs")
    variables = (f"{name}={value}" for name, value in image.environment.items())
    return ("chroot", str(image.root), "setpriv", *user, "env", f"--chdir={image.folder}", "-i", *variables)


def _first_process(engine: subprocess.Popen[str]) -> int:
    children = Path(f"/proc/{engine.pid}/task/{engine.pid}/children")
    while not (found := children.read_text().split()):
        assert engine.poll() is None, engine.communicate()
        time.sleep(0.01)
    return int(found[0])
