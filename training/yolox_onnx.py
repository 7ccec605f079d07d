"""A published ONNX file of YOLOX into our network, so that it can teach at the speed and on the device of training.

The published files have their batch norms folded into the convolutions, so that names do not help: convolutions are
matched by the order in which they run. A file of another size or another order does not fit, and is refused.
"""

from pathlib import Path
from typing import cast

import onnx
import torch
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from torch import Tensor, nn

from training.models.yolox import YoloX
from training.upstream import CheckpointMismatchError, UnreadableCheckpointError

SIDE_PX = 64
"""Of the picture with which the order is found out; the smallest in which every map has cells to spare."""

Pair = tuple[nn.Conv2d, nn.BatchNorm2d | None]


def load_yolox_onnx(model: YoloX, path: Path) -> None:
    """Fill a network with a file's convolutions, in place; its batch norms then do nothing but add the bias.

    Raises:
        UnreadableCheckpointError: no such file, or no ONNX file.
        CheckpointMismatchError: its convolutions are not those of the network, which is as it was.
    """
    try:
        graph = onnx.load(path).graph
    except (OSError, DecodeError) as error:
        raise UnreadableCheckpointError(f"{path} cannot be read: {error}") from error
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    # equal tensors are stored once and passed on by name
    arrays |= {node.output[0]: arrays[node.input[0]] for node in graph.node if node.op_type == "Identity"}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    stored = [tuple(torch.tensor(arrays[name]) for name in node.input[1:]) for node in convolutions]
    pairs = convolutions_in_order(model)
    shapes = [(conv.weight.shape, torch.Size([conv.out_channels])) for conv, _ in pairs]
    if [tuple(tensor.shape for tensor in tensors) for tensors in stored] != shapes:
        raise CheckpointMismatchError(f"{path} does not fit the network: its convolutions are of other shapes")
    for (weight, bias), (conv, norm) in zip(stored, pairs, strict=True):
        fill(conv, norm, weight, bias)


def convolutions_in_order(model: YoloX) -> list[Pair]:
    """Every convolution in the order in which it runs, with the batch norm behind it."""
    ran: list[nn.Module] = []
    parts = [part for part in model.modules() if isinstance(part, nn.Conv2d | nn.BatchNorm2d)]
    hooks = [part.register_forward_hook(lambda layer, *_: ran.append(layer)) for part in parts]
    training = model.training
    with torch.no_grad():
        model.eval()(torch.zeros(1, 3, SIDE_PX, SIDE_PX))
    model.train(training)
    for hook in hooks:
        hook.remove()
    return [
        (layer, after if isinstance(after, nn.BatchNorm2d) else None)
        for layer, after in zip(ran, [*ran[1:], None], strict=True)
        if isinstance(layer, nn.Conv2d)
    ]


@torch.no_grad()
def fill(conv: nn.Conv2d, norm: nn.BatchNorm2d | None, weight: Tensor, bias: Tensor) -> None:
    """Let a convolution and its batch norm compute what one with these numbers does."""
    conv.weight.copy_(weight)
    if norm is None:
        cast("Tensor", conv.bias).copy_(bias)
        return
    norm.reset_parameters()
    norm.bias.copy_(bias)
    assert norm.running_var is not None
    norm.running_var.fill_(1 - norm.eps)
