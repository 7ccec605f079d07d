"""Training goes on from the very file that is served."""

from pathlib import Path

import onnx
import pytest
import torch

from pose_core.codecs import SimCC
from pose_core.errors import ModelError
from pose_core.session import open_session
from pose_core.types import Size
from pose_core.weights import resolve
from training.assemble import build_network
from training.deployable import Description, save_deployable
from training.models import MODELS, Network
from training.onnx_weights import NormsFoldedError, keeps_norms, read_onnx_weights
from training.publish import publish
from training.recipe import Network as Wanted
from training.recipes import RECIPES

SMALL = Size(64, 64)
TASKS = {"rtmpose-t": "pose", "yolox-nano-person": "detection"}


def trained(model: str) -> Network:
    """A network whose batch norms have seen something."""
    torch.manual_seed(0)
    network = MODELS[model](input_size=SMALL).train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(4, 3, SMALL.height, SMALL.width))
    return network.eval()


def published(model: str, folder: Path, precision: str = "float32", *, keep_norms: bool = True) -> Path:
    about = Description(model=model, input_size=SMALL, codec=SimCC(), recipe="x", step=1, task=TASKS[model])
    save_deployable(trained(model).state_dict(), about, folder / "w.safetensors")
    path = folder / f"{model}.onnx"
    publish(folder / "w.safetensors", path, None, precision=precision, keep_norms=keep_norms)
    return path


@pytest.mark.parametrize("model", TASKS)
@pytest.mark.parametrize(("precision", "rounding"), [("float32", 0.0), ("float16-weights", 1e-3)])
def test_a_file_with_its_norms_is_the_network(model: str, precision: str, rounding: float, tmp_path: Path) -> None:
    path = published(model, tmp_path, precision)
    built = build_network(Wanted(model=model, weights=str(path)), SMALL, tmp_path).state_dict()
    for name, tensor in trained(model).state_dict().items():
        if not name.endswith(".num_batches_tracked"):
            torch.testing.assert_close(built[name], tensor, rtol=rounding, atol=rounding * 1e-2)


def test_a_backbone_can_be_taken_from_it(tmp_path: Path) -> None:
    path = published("rtmpose-t", tmp_path)
    built = build_network(Wanted(model="rtmpose-t", weights=str(path), load="backbone"), SMALL, tmp_path).state_dict()
    wanted = trained("rtmpose-t").state_dict()
    assert torch.equal(built["backbone.stem.0.bn.running_var"], wanted["backbone.stem.0.bn.running_var"])
    assert not torch.equal(built["head.cls_x.weight"], wanted["head.cls_x.weight"])


def test_norms_are_nodes_only_if_wanted(tmp_path: Path) -> None:
    (tmp_path / "folded").mkdir()
    kept, folded = published("rtmpose-t", tmp_path), published("rtmpose-t", tmp_path / "folded", keep_norms=False)
    nodes = [{node.op_type for node in onnx.load(path).graph.node} for path in (kept, folded)]
    assert ["BatchNormalization" in types for types in nodes] == [True, False]
    assert [keeps_norms(path) for path in (kept, folded)] == [True, False]


def test_a_folded_file_says_how_to_get_another(tmp_path: Path) -> None:
    path = published("rtmpose-t", tmp_path, keep_norms=False)
    with pytest.raises(NormsFoldedError, match="has no batch norms to go on from; `export --keep-norms`"):
        build_network(Wanted(model="rtmpose-t", weights=str(path)), SMALL, tmp_path)


def test_the_network_inside_the_package_goes_on_as_it_is(tmp_path: Path) -> None:
    recipe = RECIPES["folder-tune"]()
    built = build_network(recipe.student, recipe.input_size, tmp_path).eval()
    image = torch.randn(2, 3, recipe.input_size.height, recipe.input_size.width)
    served = open_session(resolve("skelmap-t"), "cpu").run(image.numpy())
    with torch.no_grad():
        for wanted, found in zip(served.values(), built(image), strict=True):
            torch.testing.assert_close(found, torch.from_numpy(wanted), atol=1e-3, rtol=1e-3)


def test_no_onnx_file(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"broken")
    for path in (tmp_path / "broken.onnx", tmp_path / "gone.onnx"):
        with pytest.raises(ModelError, match="cannot be read"):
            read_onnx_weights(path)
