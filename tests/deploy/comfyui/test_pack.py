"""The pack as a whole: what it registers, what it may import, and what lies beside the code."""

import ast
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch

from pose_core.dialects import DIALECTS
from pose_core.skeleton import PARTS
from pose_core.styles import STYLES
from tests.deploy.comfyui.host import PACK, Host, running

ROOT = PACK.parents[1]
SOURCES = sorted(PACK.rglob("*.py"))
OF_THE_HOST = {"comfy", "comfy_api", "folder_paths", "nodes", "numpy", "PIL", "server", "torch"}
TITLES = {
    "SkelmapRemotePose": "Remote Pose",
    "SkelmapRenderPose": "Render Pose",
    "SkelmapConvertPose": "Convert Pose",
    "SkelmapSavePoseJSON": "Save Pose JSON",
    "SkelmapLoadPoseJSON": "Load Pose JSON",
}
"""Saved into the workflows of users: names may be added, never changed."""


def test_what_is_registered(host: Host) -> None:
    assert host.titles == TITLES
    assert host.outputs("SkelmapRemotePose") == [
        ("IMAGE", "map"),
        ("POSE_KEYPOINT", "pose"),
        ("BOUNDING_BOX", "boxes"),
        ("STRING", "json"),
    ]


def test_a_comfyui_between_the_schemas_gets_the_old_nodes(tmp_path: Path) -> None:
    with running("V1 with the first comfy_api", tmp_path) as host:
        assert host.titles == TITLES


def test_old_and_new_nodes_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSE_DWPREPROCESSOR", "1")
    seen = []
    for schema in ("V1", "V3"):
        with running(schema, tmp_path) as host:
            seen.append({name: (host.sockets(name), host.outputs(name)) for name in host.classes})
    assert seen[0] == seen[1]
    assert len(seen[0]) == 6


def test_a_workflow_may_end_with_a_saved_file(host: Host, schema: str) -> None:
    ends = [
        name
        for name, node in host.classes.items()
        if (node.define_schema().is_output_node if schema == "V3" else node.OUTPUT_NODE)
    ]
    assert ends == ["SkelmapSavePoseJSON"]


def test_choices_are_those_of_the_server(host: Host) -> None:
    assert host.sockets("SkelmapRemotePose")["style"].type == list(STYLES)
    assert set(host.sockets("SkelmapConvertPose")["dialect"].type) == set(DIALECTS)
    assert set(PARTS) <= set(host.sockets("SkelmapRenderPose"))


# Beside the code


def test_every_node_has_a_help_page_that_names_its_sockets(
    tmp_path: Path, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSE_DWPREPROCESSOR", "1")
    with running(schema, tmp_path) as host:
        for name in host.classes:
            page = (PACK / "web/docs" / f"{name}.md").read_text()
            named = {*host.sockets(name), *(output for _, output in host.outputs(name))}
            assert [socket for socket in named if f"`{socket}`" not in page] == []


def test_the_registry_takes_the_metadata() -> None:
    project = tomllib.loads((PACK / "pyproject.toml").read_text())["project"]
    assert "comfyui" not in project["name"].lower()
    assert re.fullmatch(r"\d+\.\d+\.\d+", project["version"])
    assert project["dependencies"] == []
    assert (PACK / project["license"]["file"]).read_text() == (ROOT / "LICENSE").read_text()
    assert (PACK / project["readme"]).is_file()


def test_what_only_a_publisher_knows_is_left_open_and_explained() -> None:
    metadata = tomllib.loads((PACK / "pyproject.toml").read_text())
    values = {**metadata["project"]["urls"], **metadata["tool"]["comfy"]}
    still_open = {name for name, value in values.items() if not value}
    assert still_open <= {"Repository", "PublisherId"}
    _, _, explained = (ROOT / "docs/clients/comfyui.md").read_text().partition("## Publish it")
    assert [name for name in still_open if f"`{name}`" not in explained] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACK)))
def test_it_needs_nothing_but_the_host(path: Path) -> None:
    oldest = ast.parse(path.read_text(), feature_version=(3, 10))
    absolute = set()
    for node in ast.walk(oldest):
        if isinstance(node, ast.Import):
            absolute |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            absolute.add(node.module.partition(".")[0])
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"eval", "exec", "compile", "__import__"}, "the registry forbids it"
    assert absolute <= OF_THE_HOST | sys.stdlib_module_names - {"subprocess", "ctypes"}


# Example workflows


def core(kind: str, image: torch.Tensor, inputs: dict[str, Any]) -> tuple[Any, ...]:
    """ComfyUI's own nodes, as far as the examples use them."""
    if kind == "LoadImage":
        return (image, torch.zeros(1, 64, 64))
    assert kind == "PreviewImage"
    assert inputs["images"].ndim == 4
    return ()


def run_workflow(host: Host, workflow: dict[str, Any], image: torch.Tensor) -> dict[str, tuple[Any, ...]]:
    """Run a workflow as the browser saves it: nodes, widgets by position, links; values by type of node."""
    values: dict[int, tuple[Any, ...]] = {}
    links = {number: (node, slot, kind) for number, node, slot, _, _, kind in workflow["links"]}
    for node in sorted(workflow["nodes"], key=lambda node: node["order"]):
        linked = {given["name"]: links[given["link"]] for given in node["inputs"] if given["link"]}
        inputs = {name: values[source][slot] for name, (source, slot, _) in linked.items()}
        if node["type"] not in host.classes:
            values[node["id"]] = core(node["type"], image, inputs)
            continue
        sockets = host.sockets(node["type"])
        assert {name: kind for name, (_, _, kind) in linked.items()} == {name: sockets[name].type for name in linked}
        assert [(output["type"], output["name"]) for output in node["outputs"]] == host.outputs(node["type"])
        widgets = [name for name, socket in sockets.items() if socket.is_widget]
        chosen = dict(zip(widgets, node["widgets_values"], strict=True))
        values[node["id"]] = host.run(node["type"], **inputs, **chosen).values
    return {node["type"]: values[node["id"]] for node in workflow["nodes"]}


@pytest.mark.usefixtures("front")
def test_the_example_workflows_run_one_after_the_other(host: Host, image: torch.Tensor) -> None:
    first, second = (
        json.loads((PACK / "example_workflows" / name).read_text())
        for name in ("remote_pose.json", "draw_saved_poses.json")
    )
    assert len(list((PACK / "example_workflows").iterdir())) == 2
    saved = run_workflow(host, first, image)["SkelmapSavePoseJSON"]
    assert Path(*saved).name == "pose_00001_.json"
    values = run_workflow(host, second, image)
    assert values["SkelmapRenderPose"][0].shape == (1, 1024, 1024, 3)
    assert len(json.loads(Path(*values["SkelmapSavePoseJSON"]).read_text())["people"][0]["pose_keypoints_2d"]) == 75


# Workflows on the pages for users, as other programs send them


def run_prompt(host: Host, prompt: dict[str, Any], image: torch.Tensor) -> dict[str, tuple[Any, ...]]:
    """Run a workflow of the API's format; links are a node's number and that of its output."""
    values: dict[str, tuple[Any, ...]] = {}
    for number, node in prompt.items():
        given = node["inputs"].items()
        inputs = {name: values[value[0]][value[1]] if isinstance(value, list) else value for name, value in given}
        kind = node["class_type"]
        values[number] = host.run(kind, **inputs).values if kind in host.classes else core(kind, image, inputs)
    return values


@pytest.mark.usefixtures("front")
@pytest.mark.parametrize("page", ["comfyui", "krita"])
def test_the_workflows_of_the_pages_run(
    schema: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: torch.Tensor, page: str
) -> None:
    (text,) = re.findall(r"```json\n(.*?)```", (ROOT / f"docs/clients/{page}.md").read_text(), re.DOTALL)
    monkeypatch.setenv("POSE_DWPREPROCESSOR", "replace")
    with running(schema, tmp_path, {"DWPreprocessor": object()}) as host:
        maps, poses, *_ = run_prompt(host, json.loads(text), image)["2"]
    assert maps.shape[:2] == (1, 512)
    assert len(poses[0]["people"]) == 3
