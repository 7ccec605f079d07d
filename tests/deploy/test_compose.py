"""deploy/compose.yaml: valid for every profile, closed by default, and explained in .env.example."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import Settings
from tests.deploy.image.dockerfile import read_stages, words
from tests.deploy.programs import program

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
TEXT = (DEPLOY / "compose.yaml").read_text()
EXAMPLE = (DEPLOY / ".env.example").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SERVERS = ("cpu", "gpu", "generate")
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|KEY")


def resolve(*profiles: str, variables: str = "/dev/null") -> subprocess.CompletedProcess[str]:
    """What docker compose makes of the file, as JSON."""
    chosen = [part for profile in profiles for part in ("--profile", profile)]
    command = [program("docker-compose"), "--file", str(DEPLOY / "compose.yaml"), "--env-file", variables, *chosen]
    return subprocess.run(
        [*command, "config", "--format", "json"], capture_output=True, text=True, check=False, env={"PATH": ""}
    )


@pytest.mark.parametrize("profiles", [(), ("cpu",), ("gpu", "monitoring"), ("generate",), ("models",)], ids="+".join)
def test_docker_compose_accepts_it(profiles: tuple[str, ...]) -> None:
    resolved = resolve(*profiles)
    assert resolved.returncode == 0, resolved.stderr
    assert resolved.stderr == ""
    expected = {"proxy", *(set(profiles) - {"monitoring"})}
    expected |= {"prometheus", "grafana"} if "monitoring" in profiles else set()
    assert set(json.loads(resolved.stdout)["services"]) == expected


def test_the_check_of_docker_compose_can_fail(tmp_path: Path) -> None:
    broken = tmp_path / "compose.yaml"
    broken.write_text(TEXT.replace("read_only: true", "read_only: perhaps", 1))
    command = [program("docker-compose"), "--file", str(broken), "--profile", "cpu", "config", "--quiet"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "read_only" in refused.stderr


def test_the_example_changes_nothing_but_the_profile(tmp_path: Path) -> None:
    changed = tmp_path / ".env"
    changed.write_text(EXAMPLE)
    assert json.loads(resolve(variables=str(changed)).stdout) == json.loads(resolve("cpu").stdout)


def test_its_examples_are_the_defaults() -> None:
    read = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", TEXT))
    assert set(re.findall(r"\$\{(\w+)", TEXT)) == set(read)
    shown = dict(re.findall(r"^#?([A-Z][A-Z_]*)=(.*)$", EXAMPLE, re.MULTILINE))
    ours = {name: value for name, value in shown.items() if not name.startswith(("SKELMAP_", "COMPOSE_"))}
    assert ours == read


def test_every_variable_has_a_word_of_explanation() -> None:
    lines = EXAMPLE.splitlines()
    for number, line in enumerate(lines):
        if re.match(r"#?[A-Z_]+=", line):
            block = lines[number - 1 :: -1]
            above = next(one for one in block if not re.match(r"#?[A-Z_]+=", one))
            assert re.match(r"# \w|# :80", above), line


@pytest.mark.parametrize("name", SERVICES)
def test_services_can_do_no_more_than_they_must(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"cpus", "memory", "pids"} == set(service["deploy"]["resources"]["limits"])
    assert not {"privileged", "network_mode", "pid", "ipc", "devices"} & set(service)
    assert "cap_add" not in service
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"models"}))
def test_services_start_again_and_tell_whether_they_work(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", SERVICES)
def test_secrets_are_files(name: str) -> None:
    for variable, value in SERVICES[name].get("environment", {}).items():
        if SECRET.search(variable):
            assert variable.endswith("_FILE"), variable
            assert value.removeprefix("/run/secrets/") in SERVICES[name]["secrets"]


def test_secrets_and_private_files_are_kept_out_of_git() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"/deploy/.env", "/deploy/secrets/", "/deploy/proxy/certificates/", "/deploy/generation/"} <= set(ignored)
    for secret in COMPOSE["secrets"].values():
        assert ":-./secrets/" in secret["file"]


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_open_to_this_machine_alone(name: str) -> None:
    ports = SERVICES[name].get("ports", [])
    assert all(re.match(r"\$\{\w*BIND:-127\.0\.0\.1\}:", port) for port in ports)
    assert bool(ports) == (name in {"proxy", "grafana"})


@pytest.mark.parametrize("name", SERVERS)
def test_servers_have_no_way_out(name: str) -> None:
    assert set(SERVICES[name]["networks"]) == {"inside"}
    assert COMPOSE["networks"]["inside"]["internal"] is True
    (upstream,) = re.findall(r"server (\w+):8000 resolve", (DEPLOY / "proxy/upstream.conf").read_text())
    assert SERVICES[name]["networks"]["inside"]["aliases"] == [upstream]


@pytest.mark.parametrize("name", SERVERS)
def test_servers_are_the_image(name: str) -> None:
    _, stages = read_stages((ROOT / "Dockerfile").read_text())
    final = stages[-1]
    assert SERVICES[name]["healthcheck"]["test"][1:] == words(final.last("HEALTHCHECK"))
    assert SERVICES[name]["volumes"][0].split(":")[1:] == words(final.last("VOLUME"))
    arguments = SERVICES[name]["build"]["args"]
    assert SERVICES[name]["image"].split(":")[-1] == "-".join(arguments.values())
    assert (DEPLOY / f"image/requirements-{'-'.join(arguments.values())}.txt").is_file()


@pytest.mark.parametrize("name", SERVERS)
def test_servers_have_time_to_end_their_requests(name: str) -> None:
    needed_s = sum(Settings.model_fields[field].default for field in ("drain_delay_s", "shutdown_timeout_s"))
    grace_s = int(SERVICES[name]["stop_grace_period"].removesuffix("s"))
    assert grace_s >= needed_s + 5
    assert int(SERVICES["proxy"]["stop_grace_period"].removesuffix("s")) > grace_s


@pytest.mark.parametrize("name", ["gpu", "generate"])
def test_servers_with_a_gpu_insist_on_it(name: str) -> None:
    (device,) = SERVICES[name]["deploy"]["resources"]["reservations"]["devices"]
    assert device["driver"] == "nvidia"
    assert {"gpu", "compute", "utility"} == set(device["capabilities"])
    assert SERVICES[name]["environment"]["SKELMAP_DEVICE"] == "cuda"


def test_mounted_files_exist() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    for source in (mount.replace("${TLS:-off}", "on").split(":")[0] for mount in mounts if mount.startswith("./")):
        assert (DEPLOY / source).exists(), source
