"""What is handed to Ray Serve, KubeRay and kustomize is what they take, and says the same."""

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parents[3] / "deploy" / "ray"

CLUSTER = {"rayVersion", "enableInTreeAutoscaling", "headGroupSpec", "workerGroupSpecs"}
WORKERS = {"groupName", "minReplicas", "maxReplicas", "rayStartParams", "template"}
"""Fields of ray.io/v1 that we use; source: ray-project/kuberay, ray-operator/apis/ray/v1/raycluster_types.go."""


def load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())
    return loaded


def service() -> dict[str, Any]:
    spec: dict[str, Any] = load("rayservice.yaml")["spec"]
    return spec


def pods() -> list[dict[str, Any]]:
    """The templates of head and workers."""
    cluster = service()["rayClusterConfig"]
    return [cluster["headGroupSpec"]["template"], *(group["template"] for group in cluster["workerGroupSpecs"])]


def test_ray_serve_takes_the_configuration() -> None:
    schema = pytest.importorskip("ray.serve.schema", reason="needs the extra ray")
    config = schema.ServeDeploySchema.model_validate(load("serve.yaml"))
    ((deployment,),) = [application.deployments for application in config.applications]
    assert deployment.ray_actor_options.num_gpus == 0.5
    with pytest.raises(ValueError, match="max_ongoing_requests"):
        schema.DeploymentSchema.model_validate({"name": "Skelmap", "max_ongoing_requests": 0})


def test_it_is_that_of_the_ray_service() -> None:
    assert yaml.safe_load(service()["serveConfigV2"]) == load("serve.yaml")


def test_it_names_what_the_module_holds() -> None:
    (application,) = load("serve.yaml")["applications"]
    module, name = application["import_path"].split(":")
    tree = ast.parse((FOLDER / f"{module}.py").read_text())
    assert name in {target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets}  # type: ignore[attr-defined]
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    assert {deployment["name"] for deployment in application["deployments"]} <= classes


def test_the_ray_service_uses_fields_that_kuberay_has() -> None:
    manifest = load("rayservice.yaml")
    assert (manifest["apiVersion"], manifest["kind"]) == ("ray.io/v1", "RayService")
    assert set(manifest["spec"]) == {"serveConfigV2", "rayClusterConfig"}
    cluster = manifest["spec"]["rayClusterConfig"]
    assert set(cluster) == CLUSTER
    assert set(cluster["headGroupSpec"]) == {"rayStartParams", "template"}
    for group in cluster["workerGroupSpecs"]:
        assert set(group) == WORKERS
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())


@pytest.mark.parametrize("number", range(2))
def test_its_pods_are_what_kubernetes_takes(number: int) -> None:
    schemas = pytest.importorskip("kubernetes_validate", reason="needs the schemas of Kubernetes")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, **pods()[number]}
    schemas.validate(pod, "1.33", strict=True)
    with pytest.raises(schemas.ValidationError):
        schemas.validate({**pod, "spec": {**pod["spec"], "containerz": []}}, "1.33", strict=True)


def test_replicas_fit_on_the_workers() -> None:
    (deployment,) = load("serve.yaml")["applications"][0]["deployments"]
    (group,) = service()["rayClusterConfig"]["workerGroupSpecs"]
    (container,) = group["template"]["spec"]["containers"]
    gpus, cpus = container["resources"]["limits"]["nvidia.com/gpu"], int(container["resources"]["requests"]["cpu"])
    takes, most = deployment["ray_actor_options"], deployment["autoscaling_config"]["max_replicas"]
    each = min(gpus / takes["num_gpus"], cpus / takes["num_cpus"])
    assert each * group["maxReplicas"] == most


def test_kustomize_brings_the_module_to_where_pods_look_for_it() -> None:
    (generated,) = load("kustomization.yaml")["configMapGenerator"]
    assert generated["files"] == ["serve_app.py"]
    for pod in pods():
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        (container,) = pod["spec"]["containers"]
        assert volumes["serve-app"]["configMap"]["name"] == generated["name"]
        mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert {"name": "PYTHONPATH", "value": mounted["serve-app"]} in container["env"]
