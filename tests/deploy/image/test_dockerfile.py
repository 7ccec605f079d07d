"""The Dockerfile says what docs/deploy.md promises of the image. `test_image.py` builds and runs it."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch

import pytest

from app.main import create_app
from app.settings import Settings
from tests.deploy.image import dockerfile
from tests.deploy.image.dockerfile import ROOT, Instruction, Stage, argument, pairs, read_stages, words
from tests.deploy.programs import program

TEXT = (ROOT / "Dockerfile").read_text()
OUTSIDE, STAGES = read_stages(TEXT)
FINAL = STAGES[-1]
STEPS = ROOT / "deploy/image/steps.sh"


def instructions(word: str) -> Iterator[tuple[Stage, Instruction]]:
    for stage in STAGES:
        yield from ((stage, one) for one in stage.instructions if one.word == word)


def is_sent(path: str) -> bool:
    """Whether .dockerignore lets the engine see a path of the checkout."""
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    sent = True
    for pattern in patterns:
        bare = pattern.removeprefix("!")
        if fnmatch(path, bare) or fnmatch(path, f"{bare}/*") or (bare.startswith("**/") and fnmatch(path, bare[3:])):
            sent = pattern.startswith("!")
    return sent


def test_what_is_copied_exists_and_is_sent() -> None:
    sources = [(path, one.options.get("from")) for _, one in instructions("COPY") for path in one.text.split()[:-1]]
    mounted = re.findall(r"source=([^,\s]+)", TEXT)
    assert mounted
    for path in [*(path for path, stage in sources if stage is None), *mounted]:
        assert (ROOT / path).exists(), path
        assert is_sent(path), path
    assert {stage for _, stage in sources if stage} <= {stage.name for stage in STAGES}


@pytest.mark.parametrize("path", [".env", "deploy/.env", "deploy/secrets/api_keys", ".git/config", "tests/conftest.py"])
def test_nothing_else_is_sent(path: str) -> None:
    assert not is_sent(path)


def test_every_step_is_one_of_the_script() -> None:
    steps = [one.text.removeprefix("sh /steps/steps.sh ").split()[0] for _, one in instructions("RUN")]
    assert all(one.text.startswith("sh /steps/steps.sh ") for _, one in instructions("RUN"))
    assert sorted(steps) == sorted(re.findall(r"^step_(\w+)\(\)", STEPS.read_text(), re.MULTILINE))


def test_every_argument_has_a_default_and_is_used() -> None:
    names = [argument(one)[0] for _, one in instructions("ARG")]
    assert set(names) == {"RUNTIME", "EXTRAS", "VERSION", "REVISION"}
    for name in [*names, *OUTSIDE]:
        assert re.search(rf"\$\{{?{name}\b", TEXT), name
    defaults = OUTSIDE | dict(argument(one) for _, one in instructions("ARG"))
    assert defaults["RUNTIME"] == "cpu"
    assert defaults["EXTRAS"] == ""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert defaults["VERSION"] == project["version"]


def test_it_starts_from_plain_debian() -> None:
    assert OUTSIDE["DEBIAN"].startswith("debian:")
    assert OUTSIDE["DEBIAN"].endswith("-slim")
    assert [stage.base for stage in STAGES] == ["${DEBIAN}", "system", "system"]


def test_it_runs_as_nobody_special() -> None:
    uid, gid = FINAL.last("USER").text.split(":")
    assert int(uid) > 1000
    assert int(gid) > 1000
    assert f"\nuser={uid}\n" in STEPS.read_text()
    assert FINAL.instructions.index(FINAL.last("USER")) > max(
        place for place, one in enumerate(FINAL.instructions) if one.word in {"RUN", "COPY"}
    )


def test_its_health_is_a_route_of_the_server() -> None:
    command = words(FINAL.last("HEALTHCHECK"))
    copied = {one.text.split()[1]: one.text.split()[0] for _, one in instructions("COPY") if not one.options}
    source = (ROOT / copied[command[-1]]).read_text()
    (path,) = re.findall(r'request\("GET", "([^"]+)"\)', source)
    assert path in create_app(Settings()).openapi()["paths"]
    (port,) = re.findall(r'ADDRESS = \("127\.0\.0\.1", (\d+)\)', source)
    assert FINAL.last("EXPOSE").text == port
    assert {"interval", "timeout", "start-period", "retries"} == set(FINAL.last("HEALTHCHECK").options)


def test_it_is_stopped_by_the_signal_that_the_server_knows() -> None:
    assert FINAL.last("STOPSIGNAL").text == "SIGTERM"
    assert words(FINAL.last("ENTRYPOINT")) == ["skelmap"]
    assert words(FINAL.last("CMD"))[0] == "serve"


def test_its_environment() -> None:
    environment = pairs(FINAL.last("ENV"))
    assert environment["MALLOC_ARENA_MAX"] == "2"
    assert [environment["SKELMAP_HOME"]] == words(FINAL.last("VOLUME"))
    assert environment["PATH"].startswith("/opt/skelmap/bin:")


def test_its_labels_name_the_licences() -> None:
    labels = pairs(FINAL.last("LABEL"))
    assert labels["org.opencontainers.image.licenses"].startswith("Apache-2.0 AND ")
    assert (ROOT / labels["skelmap.networks.licence"]).is_file()
    assert labels["org.opencontainers.image.title"] == "skelmap"


def test_nothing_is_installed_without_its_hash() -> None:
    script = STEPS.read_text()
    installs = re.findall(r"(?:install_python|pip\"? install|pip\"? wheel)[^\n]*", script)
    assert len(installs) == 5
    for line in installs:
        pinned = "--require-hashes" in line or "--no-index" in line
        definition = line.startswith("install_python()") or line.endswith('"$@"')
        assert pinned or definition, line


def test_the_script_is_plain_shell() -> None:
    subprocess.run(["sh", "-n", STEPS], check=True)


def test_shellcheck_is_content() -> None:
    checked = subprocess.run([program("shellcheck"), STEPS], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_hadolint_is_content() -> None:
    # DL3059: each step stays a layer of its own, so that a changed line of code installs no library again
    checked = subprocess.run(
        [program("hadolint"), "--ignore", "DL3059", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(("step", "reason"), [([], "unknown step ''"), (["paint"], "unknown step 'paint'")])
def test_an_unknown_step_is_refused_with_the_choices(step: list[str], reason: str) -> None:
    refused = subprocess.run(["sh", STEPS, *step], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert reason in refused.stderr
    assert "valid: python, tools, dependencies, application, user" in refused.stderr


@pytest.mark.parametrize("arguments", [("tpu", ""), ("cpu", "everything"), ("../build", "")])
def test_a_runtime_that_there_is_not_is_refused_with_the_choices(arguments: tuple[str, str]) -> None:
    refused = subprocess.run(["sh", STEPS, "dependencies", *arguments], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert f"RUNTIME={arguments[0]} EXTRAS={arguments[1]}" in refused.stderr
    for name in ("cpu", "gpu", "cpu-controlnet", "gpu-controlnet"):
        assert f"requirements-{name}.txt" in refused.stderr


def test_the_reader_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match=r"'ADD' is no instruction"):
        list(dockerfile.read_instructions("ADD x y"))
    with pytest.raises(KeyError):
        dockerfile.replace_variables("$MISSING", {})


def test_the_reader_joins_lines_and_takes_options() -> None:
    text = "# comment\nARG A=b\nFROM ${A} AS c\nRUN --mount=type=bind,target=/x  echo \\\n  # note\n  $A\n"
    outside, (stage,) = read_stages(text)
    assert outside == {"A": "b"}
    assert dockerfile.replace_variables(stage.base, outside) == "b"
    run = stage.last("RUN")
    assert run.options == {"mount": "type=bind,target=/x"}
    assert run.text.split() == ["echo", "$A"]
