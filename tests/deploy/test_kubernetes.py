"""deploy/kubernetes: what kustomize makes of it is what the API takes, hangs together, and may do little."""

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from app.main import create_app
from app.settings import Settings
from tests.deploy.image.dockerfile import read_stages
from tests.deploy.programs import program

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy/kubernetes"
VERSIONS = ("1.33", "1.37")
"""The oldest and the newest API that is checked."""

TARGETS = ("base", "gpu")
Manifest = dict[str, Any]


@cache
def build(target: str) -> tuple[Manifest, ...]:
    """What `kubectl apply -k` would send."""
    built = subprocess.run(
        [program("kubectl"), "kustomize", FOLDER / target], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    return tuple(yaml.safe_load_all(built.stdout))


def of(target: str, kind: str) -> Manifest:
    """The only manifest of a kind."""
    (found,) = (one for one in build(target) if one["kind"] == kind)
    return found


def written() -> Iterator[Any]:
    """Every manifest in the files that is one by itself."""
    for file in sorted(FOLDER.rglob("*.yaml")):
        for one in yaml.safe_load_all(file.read_text()):
            if one.get("kind") and "kustomize" not in one["apiVersion"] and file.parent.name != "gpu":
                yield pytest.param(one, id=str(file.relative_to(FOLDER)))


def check(manifest: Manifest, version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


def pods(target: str) -> list[Manifest]:
    """The templates of the pods."""
    return [one["spec"]["template"] for one in build(target) if one["kind"] in {"Deployment", "Job"}]


def selects(selector: Manifest, labels: Manifest) -> bool:
    return selector.items() <= labels.items()


@pytest.mark.parametrize("manifest", [*written()])
def test_each_file_is_what_the_api_takes(manifest: Manifest) -> None:
    check(manifest, VERSIONS[-1])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("target", TARGETS)
def test_everything_together_is_what_the_api_takes(target: str, version: str) -> None:
    for manifest in build(target):
        check(manifest, version)


def test_the_check_can_fail() -> None:
    wrong = yaml.safe_load((FOLDER / "base/deployment.yaml").read_text())
    wrong["spec"]["template"]["spec"]["containers"][0]["imagee"] = "skelmap"
    with pytest.raises(kubernetes_validate.ValidationError, match="imagee"):
        check(wrong, VERSIONS[-1])


@pytest.mark.parametrize("target", TARGETS)
def test_it_has_all_its_parts(target: str) -> None:
    kinds = {one["kind"] for one in build(target)}
    base = {"Namespace", "ConfigMap", "Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"}
    weights = {"PersistentVolumeClaim", "Job"} if target == "gpu" else set()
    assert kinds == base | {"NetworkPolicy"} | weights
    assert all(one["metadata"]["namespace"] == "skelmap" for one in build(target) if one["kind"] != "Namespace")


@pytest.mark.parametrize("target", TARGETS)
def test_what_names_another_finds_it(target: str) -> None:
    deployment = of(target, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert selects(deployment["spec"]["selector"]["matchLabels"], labels)
    assert selects(of(target, "Service")["spec"]["selector"], labels)
    assert selects(of(target, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"], labels)
    assert selects(of(target, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"], labels)
    scaled = of(target, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert (scaled["kind"], scaled["name"]) == ("Deployment", deployment["metadata"]["name"])
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert container["envFrom"] == [{"configMapRef": {"name": of(target, "ConfigMap")["metadata"]["name"]}}]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": 8000}
    assert of(target, "Service")["spec"]["ports"][0]["targetPort"] in ports


@pytest.mark.parametrize("target", TARGETS)
def test_nobody_else_is_selected(target: str) -> None:
    others = [pod for pod in pods(target) if pod["spec"]["containers"][0]["name"] != "server"]
    for pod in others:
        for kind in ("Service", "NetworkPolicy"):
            spec = of(target, kind)["spec"]
            selector = spec["selector"] if kind == "Service" else spec["podSelector"]["matchLabels"]
            assert not selects(selector, pod["metadata"]["labels"])
    assert len(others) == (1 if target == "gpu" else 0)


@pytest.mark.parametrize("target", TARGETS)
def test_probes_are_routes(target: str) -> None:
    container = of(target, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    probed = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
    routes = create_app(Settings()).openapi()["paths"]
    assert {probe["path"] for probe in probed.values()} <= set(routes)
    assert probed["readiness"]["path"] == "/readyz"
    assert probed["liveness"]["path"] != "/readyz"  # missing weights are no reason to start again
    assert all(probe["port"] == "http" for probe in probed.values())


@pytest.mark.parametrize("target", TARGETS)
def test_pods_can_do_no_more_than_they_must(target: str) -> None:
    _, stages = read_stages((ROOT / "Dockerfile").read_text())
    uid, gid = (int(part) for part in stages[-1].last("USER").text.split(":"))
    assert of(target, "Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for pod in pods(target):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        context = spec["securityContext"]
        assert (context["runAsNonRoot"], context["runAsUser"], context["runAsGroup"]) == (True, uid, gid)
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert "memory" in container["resources"]["limits"]
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])


@pytest.mark.parametrize("target", TARGETS)
def test_folders_that_are_written_are_volumes(target: str) -> None:
    for pod in pods(target):
        volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
        mounts = {mount["mountPath"]: mount["name"] for mount in pod["spec"]["containers"][0]["volumeMounts"]}
        assert {"/tmp", "/weights"} <= set(mounts)
        assert set(mounts.values()) == volumes


def test_the_cache_of_weights_is_filled_by_a_job_and_read_by_servers() -> None:
    claim = of("gpu", "PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    server, job = of("gpu", "Deployment"), of("gpu", "Job")
    name = claim["metadata"]["name"]
    found = {one["kind"]: one["spec"]["template"]["spec"]["volumes"] for one in (server, job)}
    assert {"name": "weights", "persistentVolumeClaim": {"claimName": name, "readOnly": True}} in found["Deployment"]
    assert {"name": "weights", "persistentVolumeClaim": {"claimName": name}} in found["Job"]
    settings = of("gpu", "ConfigMap")["data"]
    pulled = job["spec"]["template"]["spec"]["containers"][0]["args"]
    assert pulled == ["models", "pull", settings["SKELMAP_DETECTOR"], settings["SKELMAP_ESTIMATOR"]]


def test_each_gpu_replica_has_a_gpu_of_its_own_and_insists_on_it() -> None:
    container = of("gpu", "Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "skelmap:gpu"
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert of("gpu", "ConfigMap")["data"]["SKELMAP_DEVICE"] == "cuda"
    assert of("base", "ConfigMap")["data"]["SKELMAP_DEVICE"] == "cpu"


@pytest.mark.parametrize("target", TARGETS)
def test_keys_come_from_a_secret(target: str) -> None:
    pod = of(target, "Deployment")["spec"]["template"]["spec"]
    (volume,) = [volume for volume in pod["volumes"] if "secret" in volume]
    (mount,) = [mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == volume["name"]]
    file = Path(of(target, "ConfigMap")["data"]["SKELMAP_API_KEYS_FILE"])
    assert str(file.parent) == mount["mountPath"]
    assert not any(one["kind"] == "Secret" for one in build(target))


@pytest.mark.parametrize("target", TARGETS)
def test_servers_have_no_way_out(target: str) -> None:
    policy = of(target, "NetworkPolicy")["spec"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert policy["egress"] == []


@pytest.mark.parametrize("target", TARGETS)
def test_servers_have_time_to_end_their_requests(target: str) -> None:
    grace_s = of(target, "Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    drain_s = float(of(target, "ConfigMap")["data"]["SKELMAP_DRAIN_DELAY_S"])
    assert grace_s >= drain_s + Settings.model_fields["shutdown_timeout_s"].default + 5


@pytest.mark.parametrize("target", TARGETS)
def test_the_autoscaler_reads_the_metric_that_the_adapter_makes(target: str) -> None:
    (rule,) = yaml.safe_load((FOLDER / "monitoring/prometheus-adapter.yaml").read_text())["rules"]["custom"]
    (metric,) = of(target, "HorizontalPodAutoscaler")["spec"]["metrics"]
    assert metric["type"] == "Pods"
    assert metric["pods"]["metric"]["name"] == rule["name"]["as"]
    assert set(rule["resources"]["overrides"]) == {"namespace", "pod"}
