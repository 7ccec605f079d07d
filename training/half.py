"""An ONNX graph of half the size: in float16 for devices that compute in it, or only stored in float16.

Inputs and outputs stay float32, so that nobody who uses a file needs to know. Norms are computed in float32, because a
sum of squares leaves the range of float16 long before its root does.
"""

from collections.abc import Container, Iterator, Mapping
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pose_core.errors import ModelError

EXACT_OPS: Final = ("ReduceL2",)
"""Operators that stay in float32, with casts around them."""

EXACT_INPUTS: Final[Mapping[str, slice]] = {"Resize": slice(1, 3)}
"""Inputs that stay in float32 because the operator takes them in nothing else: region and scales."""

SUFFIX: Final = "_half"

WORTH_HALVING: Final = 1024
"""Weights of fewer numbers are stored in float32."""


def convert_to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with weights and everything in between in float16; only float32 counts as what is converted.

    Raises:
        ModelError: a weight is too large.
    """
    half = onnx.ModelProto()
    half.CopyFrom(model)
    graph = half.graph
    exact = {name for node in graph.node if (kept := EXACT_INPUTS.get(node.op_type)) for name in node.input[kept]}
    for tensor in graph.initializer:
        if tensor.name not in exact:
            halve_tensor(tensor)
    for attribute in float_attributes(graph, exact):
        halve_tensor(attribute.t)
    inner = {value.name: value.name + SUFFIX for value in (*graph.input, *graph.output)}
    nodes = [node for original in graph.node for node in convert_node(original, inner)]
    before = [cast(value.name, inner[value.name], TensorProto.FLOAT16) for value in graph.input]
    after = [cast(inner[value.name], value.name, TensorProto.FLOAT) for value in graph.output]
    del graph.node[:], graph.value_info[:]
    graph.node.extend([*before, *nodes, *after])
    return half


def convert_node(original: onnx.NodeProto, inner: Mapping[str, str]) -> Iterator[onnx.NodeProto]:
    """A node on float16 values, between casts if it has to stay exact; names of `inner` are replaced."""
    node = onnx.NodeProto()
    node.CopyFrom(original)
    node.input[:] = [inner.get(name, name) for name in node.input]
    node.output[:] = [inner.get(name, name) for name in node.output]
    if node.op_type == "Cast" and node.attribute[0].i == TensorProto.FLOAT:
        node.attribute[0].i = TensorProto.FLOAT16
    if node.op_type not in EXACT_OPS:
        yield node
        return
    result, wide_in, wide_out = node.output[0], f"{node.name}_wide_in", f"{node.name}_wide_out"
    yield cast(node.input[0], wide_in, TensorProto.FLOAT)
    node.input[0], node.output[0] = wide_in, wide_out
    yield node
    yield cast(wide_out, result, TensorProto.FLOAT16)


def float_attributes(graph: onnx.GraphProto, exact: Container[str] = ()) -> Iterator[onnx.AttributeProto]:
    """The values of constants that are tensors, but for those whose names are in `exact`."""
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR and node.output[0] not in exact:
                yield attribute


def halve_tensor(tensor: onnx.TensorProto) -> None:
    """Turn a float32 tensor into float16, in place; leave any other as it is."""
    if tensor.data_type != TensorProto.FLOAT:
        return
    values = numpy_helper.to_array(tensor)
    if values.size and np.abs(values).max() > np.finfo(np.float16).max:
        raise ModelError(f"{tensor.name}: {np.abs(values).max():g} does not fit into float16")
    tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), tensor.name))


def cast(name: str, result: str, kind: int) -> onnx.NodeProto:
    """A node that copies one value into another type."""
    return helper.make_node("Cast", [name], [result], name=f"cast_{result}", to=kind)


def store_in_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph and the same arithmetic in float32, with the large weights kept in float16.

    Each is widened by a node of its own; onnxruntime does that once, when it loads the file. Half the size for CPUs,
    which have no fast float16, at the price of rounding the weights to 11 bits.

    Raises:
        ModelError: a weight is too large.
    """
    stored = onnx.ModelProto()
    stored.CopyFrom(model)
    widened = []
    for tensor in stored.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims) >= WORTH_HALVING:
            name = tensor.name
            halve_tensor(tensor)
            tensor.name = name + SUFFIX
            widened.append(cast(tensor.name, name, TensorProto.FLOAT))
    nodes = [*widened, *stored.graph.node]
    del stored.graph.node[:]
    stored.graph.node.extend(nodes)
    return stored
