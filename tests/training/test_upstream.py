"""Published checkpoints: files in their layouts arrive whole, anything else is refused without running it."""

import json
import pickle
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pose_core.errors import UnknownChoice
from pose_core.types import Size
from tests.training import tiny
from training.models.distilpose import DistilPose
from training.models.hrnet import HrNet
from training.models.rtmpose import RtmPose, Scale, SIZE_384x288, build_rtmpose
from training.upstream import (
    KINDS,
    CheckpointMismatchError,
    Kind,
    UnreadableCheckpointError,
    find_kind,
    load_upstream,
    read_checkpoint,
    select_weights,
)

StateDict = dict[str, torch.Tensor]
Layout = Callable[[StateDict, StateDict], StateDict]


def build(seed: int) -> RtmPose:
    torch.manual_seed(seed)
    return RtmPose(Scale(deepen=0.1, widen=0.125), Size(width=32, height=64), 7)


def prefixed(state: StateDict, prefix: str) -> StateDict:
    return {prefix + key: tensor for key, tensor in state.items()}


def align() -> StateDict:
    return {"distill_losses.loss_fea.align.weight": torch.ones(1), "distill_losses.loss_fea.align.bias": torch.ones(1)}


LAYOUTS: dict[Kind, Layout] = {
    "estimator": lambda wanted, _: wanted,
    "backbone": lambda wanted, _: {
        **{key: tensor for key, tensor in wanted.items() if key.startswith("backbone.")},
        "head.final_layer.weight": torch.ones(17, 3, 1, 1),
    },
    "stage1": lambda wanted, other: prefixed(other, "teacher.") | prefixed(wanted, "student.") | align(),
    "stage2": lambda wanted, other: {
        **prefixed({key: (wanted if key.startswith("backbone") else other)[key] for key in wanted}, "teacher."),
        **prefixed({key: (other if key.startswith("backbone") else wanted)[key] for key in wanted}, "student."),
    },
}
"""Kind -> the state dict of such a file of RTMPose, of the network that it is to give and of another one."""

OTHER_NETWORKS: tuple[Kind, ...] = ("stages", "imagenet", "tokens")
"""Kinds of which there are no files of RTMPose."""


@pytest.fixture
def wanted() -> StateDict:
    return dict(build(1).state_dict())


@pytest.fixture
def other() -> StateDict:
    return dict(build(2).state_dict())


@pytest.fixture
def mmengine() -> Iterator[type]:
    """A stand-in for mmengine's log buffer, under its name, as pickles refer to it."""

    class HistoryBuffer:
        def __init__(self) -> None:
            self.log_history = np.array([1.0, 2.0])
            self.last = np.float64(3)

    module = ModuleType("mmengine.logging.history_buffer")
    module.HistoryBuffer = HistoryBuffer  # type: ignore[attr-defined]
    HistoryBuffer.__module__, HistoryBuffer.__qualname__ = module.__name__, "HistoryBuffer"
    names = ("mmengine", "mmengine.logging", module.__name__)
    sys.modules |= dict.fromkeys(names, module)
    yield HistoryBuffer
    for name in names:
        del sys.modules[name]


def test_every_kind_is_looked_at() -> None:
    assert KINDS.keys() == {*LAYOUTS, *OTHER_NETWORKS}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kind", LAYOUTS)
def test_every_kind_arrives(kind: Kind, suffix: str, wanted: StateDict, other: StateDict, tmp_path: Path) -> None:
    path, state = tmp_path / f"file{suffix}", LAYOUTS[kind](wanted, other)
    if suffix == ".pth":
        torch.save({"meta": {"epoch": 1}, "state_dict": OrderedDict(state), "optimizer": {"lr": 0.1}}, path)
    else:
        save_file({key: tensor.contiguous().clone() for key, tensor in state.items()}, path)
    network = build(3)
    head = {key: tensor.clone() for key, tensor in network.state_dict().items() if key.startswith("head.")}
    load_upstream(network, path, kind)
    for key, tensor in network.state_dict().items():
        expected = head[key] if kind == "backbone" and key in head else wanted[key]
        assert torch.equal(tensor, expected), key


@pytest.mark.parametrize("kind", [kind for kind in LAYOUTS if kind != "backbone"])
def test_the_kind_is_found_by_the_keys(kind: Kind, wanted: StateDict, other: StateDict, tmp_path: Path) -> None:
    state = LAYOUTS[kind](wanted, other)
    assert find_kind(state) == kind
    torch.save({"state_dict": state}, tmp_path / "file.pth")
    network = build(3)
    load_upstream(network, tmp_path / "file.pth", None)
    assert all(torch.equal(tensor, wanted[key]) for key, tensor in network.state_dict().items())


def test_a_first_stage_is_told_by_its_teacher_s_width(wanted: StateDict) -> None:
    wider = dict(RtmPose(Scale(deepen=0.1, widen=0.25), Size(width=32, height=64), 7).state_dict())
    assert find_kind(prefixed(wider, "teacher.") | prefixed(wanted, "student.")) == "stage1"


@pytest.mark.parametrize("content", [b"<!DOCTYPE html><html>", b"not found", b""])
def test_a_page_instead_of_a_checkpoint_is_called_so(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    with pytest.raises(UnreadableCheckpointError, match=r"model\.pth is no checkpoint; .*failed download"):
        read_checkpoint(path)


def test_bare_state_dict_and_old_format_arrive(wanted: StateDict, tmp_path: Path) -> None:
    for path, new in ((tmp_path / "new.pth", True), (tmp_path / "old.pth", False)):
        torch.save(wanted, path, _use_new_zipfile_serialization=new)
        network = build(3)
        load_upstream(network, path)
        assert all(torch.equal(tensor, wanted[key]) for key, tensor in network.state_dict().items())


def test_half_precision_becomes_the_network_s(wanted: StateDict, tmp_path: Path) -> None:
    torch.save(
        {key: tensor.half() if tensor.is_floating_point() else tensor for key, tensor in wanted.items()},
        tmp_path / "a.pth",
    )
    network = build(3)
    load_upstream(network, tmp_path / "a.pth")
    assert network.head.cls_x.weight.dtype == torch.float32


def test_every_fault_is_listed_and_nothing_is_loaded(wanted: StateDict, tmp_path: Path) -> None:
    del wanted["head.mlp.0.g"]
    wanted["backbone.stage9.conv.weight"] = torch.ones(1)
    wanted["head.cls_x.weight"] = torch.ones(2, 3)
    torch.save(wanted, tmp_path / "a.pth")
    network = build(3)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    with pytest.raises(CheckpointMismatchError) as caught:
        load_upstream(network, tmp_path / "a.pth")
    assert str(caught.value) == (
        f"{tmp_path / 'a.pth'} does not fit the network. 1 missing: head.mlp.0.g; "
        "1 unknown: backbone.stage9.conv.weight; 1 of another shape: head.cls_x.weight (2, 3) instead of (64, 256)"
    )
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())


def test_another_size_is_refused_with_a_readable_list(tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(build(1).state_dict(), tmp_path / "a.pth")
    with pytest.raises(CheckpointMismatchError, match=r"178 of another shape: .* and 158 more$") as caught:
        load_upstream(build_rtmpose("t"), tmp_path / "a.pth")
    assert len(str(caught.value)) < 5000


@pytest.mark.parametrize(
    ("kind", "layout", "message"),
    [
        ("stage1", "estimator", "no stage1 checkpoint; it has unknown keys backbone"),
        ("backbone", "stage2", "no backbone checkpoint; it has unknown keys teacher"),
        ("stage2", "backbone", "no stage2 checkpoint; it has unknown keys backbone"),
    ],
)
def test_another_kind_of_file_is_refused(
    kind: Kind, layout: Kind, message: str, wanted: StateDict, other: StateDict
) -> None:
    with pytest.raises(CheckpointMismatchError, match=message):
        select_weights(LAYOUTS[layout](wanted, other), kind)


def test_a_run_is_no_network(wanted: StateDict, other: StateDict, tmp_path: Path) -> None:
    torch.save(LAYOUTS["stage1"](wanted, other), tmp_path / "run.pth")
    with pytest.raises(CheckpointMismatchError, match=r"does not fit the network.*unknown: teacher\.backbone"):
        load_upstream(build(1), tmp_path / "run.pth")


def test_nothing_of_the_kind_is_refused() -> None:
    with pytest.raises(CheckpointMismatchError, match="no stage1 checkpoint; it has no student"):
        select_weights(align(), "stage1")
    with pytest.raises(UnknownChoice, match="kind: unknown value 'stage3'; valid: estimator, backbone, stage1, stage2"):
        select_weights({}, "stage3")  # type: ignore[arg-type]


def test_logs_of_mmengine_are_forgotten(mmengine: type, wanted: StateDict, tmp_path: Path) -> None:
    hub = {"log_scalars": OrderedDict(loss=mmengine()), "sigmas": np.ones(3), "best": np.float32(1)}
    torch.save({"state_dict": wanted, "message_hub": hub}, tmp_path / "a.pth")
    assert read_checkpoint(tmp_path / "a.pth").keys() == wanted.keys()


class Trap:
    """Runs a command when it is unpickled in the ordinary way."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("where", ["message_hub", "state_dict"])
def test_code_in_a_file_is_never_run(where: str, wanted: StateDict, tmp_path: Path) -> None:
    witness, path = tmp_path / "witness", tmp_path / "a.pth"
    torch.save({"state_dict": wanted} | {where: {"head.mlp.0.g": Trap(witness)}}, path)
    with pytest.raises(UnreadableCheckpointError, match=r"not safe to load.*torch says: Unsupported"):
        read_checkpoint(path)
    assert not witness.exists()
    torch.load(path, weights_only=False)
    assert witness.exists(), "the trap works"


def test_weights_of_numpy_are_no_weights(tmp_path: Path) -> None:
    torch.save({"state_dict": {"backbone.a": np.ones(3)}}, tmp_path / "a.pth")
    with pytest.raises(UnreadableCheckpointError, match=r"holds more than tensors: backbone\.a"):
        read_checkpoint(tmp_path / "a.pth")


def test_what_is_forgotten_stays_unknown_elsewhere(mmengine: type, tmp_path: Path) -> None:
    torch.save({"a": mmengine()}, tmp_path / "a.pth")
    with pytest.raises(UnreadableCheckpointError):
        read_checkpoint(tmp_path / "a.pth")
    with pytest.raises(pickle.UnpicklingError, match="HistoryBuffer"):
        torch.load(tmp_path / "a.pth", weights_only=True)


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"no weights"])
def test_files_without_weights_are_named(name: str, content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadableCheckpointError, match=name):
        read_checkpoint(path)


def test_empty_files_are_refused(tmp_path: Path) -> None:
    contents: list[object] = [{}, {"state_dict": {}}, [1, 2]]
    for content in contents:
        torch.save(content, tmp_path / "a.pth")
        with pytest.raises(UnreadableCheckpointError, match="holds no state_dict"):
            read_checkpoint(tmp_path / "a.pth")


def published_names(state: StateDict) -> StateDict:
    """A student of ours as DistilPose publishes it, position table included."""
    renamed = {new: old for old, new in KINDS["tokens"].renamed.items()}
    published = {"keypoint_head.tokenhead.pos_embedding": torch.ones(1, 16, 16)}
    for name, tensor in state.items():
        key = name
        for new, old in reversed(renamed.items()):
            key = key.replace(new, old)
        published["keypoint_head.tokenhead." + key.removeprefix("head.") if key != name else name] = tensor
    return published


def test_a_published_student_of_tokens_arrives(tmp_path: Path) -> None:
    wanted = tiny.build_distilpose(seed=1).state_dict()
    published = published_names(dict(wanted))
    assert "keypoint_head.tokenhead.transformer.layers.1.1.fn.fn.net.3.bias" in published
    assert find_kind(published) == "tokens"
    torch.save({"state_dict": published}, tmp_path / "a.pth")
    network = tiny.build_distilpose(seed=2)
    load_upstream(network, tmp_path / "a.pth", None)
    assert all(torch.equal(tensor, wanted[key]) for key, tensor in network.state_dict().items())


@pytest.mark.parametrize("kind", ["stages", "imagenet"])
def test_the_first_stages_of_a_backbone_arrive(kind: Kind, tmp_path: Path) -> None:
    torch.manual_seed(1)
    four, prefix = HrNet(4, width=4, stem=8).state_dict(), "backbone." if kind == "stages" else ""
    beside = {"head.mlp.0.weight": torch.ones(1)} if kind == "stages" else {"classifier.weight": torch.ones(1)}
    torch.save({**prefixed(dict(four), prefix), **beside}, tmp_path / "a.pth")
    network = DistilPose(tiny.TOKEN_SCALE._replace(stages=3, width=4), tiny.TOKEN_SIZE)
    head = {key: tensor.clone() for key, tensor in network.head.state_dict().items()}
    load_upstream(network, tmp_path / "a.pth", kind)
    assert all(torch.equal(tensor, four[key]) for key, tensor in network.backbone.state_dict().items())
    assert all(torch.equal(tensor, head[key]) for key, tensor in network.head.state_dict().items())


@pytest.mark.parametrize("kind", ["backbone", "stages", "imagenet"])
def test_a_network_without_a_backbone_is_refused(kind: Kind, tmp_path: Path) -> None:
    state = dict(HrNet(2, width=4, stem=8).state_dict())
    torch.save(state if kind == "imagenet" else prefixed(state, "backbone."), tmp_path / "a.pth")
    with pytest.raises(CheckpointMismatchError, match=r"a\.pth .* has no backbone"):
        load_upstream(tiny.build_hourglass(), tmp_path / "a.pth", kind)


def test_fewer_stages_than_wanted_are_refused(tmp_path: Path) -> None:
    torch.save(prefixed(dict(HrNet(2, width=4, stem=8).state_dict()), "backbone."), tmp_path / "a.pth")
    network = DistilPose(tiny.TOKEN_SCALE._replace(stages=3, width=4), tiny.TOKEN_SIZE)
    with pytest.raises(CheckpointMismatchError, match=r"missing: backbone\.stage2\.0\.fuse_layers\.1"):
        load_upstream(network, tmp_path / "a.pth", "stages")


@pytest.mark.shared
@pytest.mark.parametrize("kind", LAYOUTS)
def test_a_network_of_full_size_arrives(kind: Kind, dwpose_oracle: Path, detw: Any, tmp_path: Path) -> None:
    shapes = json.loads((dwpose_oracle / "keys_t.json").read_text())["shapes"]
    wanted, other = (
        {key: torch.from_numpy(array) for key, array in detw.det_state_dict(shapes, seed).items()} for seed in (0, 1)
    )
    torch.save({"state_dict": LAYOUTS[kind](wanted, other)}, tmp_path / "a.pth")
    network = build_rtmpose("t")
    load_upstream(network, tmp_path / "a.pth", kind)
    part = network.backbone if kind == "backbone" else network
    prefix = "backbone." if kind == "backbone" else ""
    assert all(torch.equal(tensor, wanted[prefix + key]) for key, tensor in part.state_dict().items())
    if kind != "backbone":
        with pytest.raises(CheckpointMismatchError, match=r"3 of another shape: head\.mlp\.1\.weight"):
            load_upstream(build_rtmpose("t", input_size=SIZE_384x288), tmp_path / "a.pth", kind)
