"""An exported model's matrix products in integers: ONNX in, ONNX out. Why: `deployments.models.integers.tower`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.errors import ExtractorUnavailable

SMALLEST_SIDE = 128  # of a matrix: below, quantising its input costs what it saves
ELEMENTWISE = frozenset({"Add", "Div", "Erf", "LayerNormalization", "Mul", "Pow", "Sigmoid", "Sub", "Tanh"})


def optional_module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        message = f"int8 needs the package {name!r}: {error}"
        raise ExtractorUnavailable(message, "install the extra: pip install 'lookalike[int8]'") from error


def quantised(exported: bytes) -> bytes | None:
    """The ONNX model with its matrix products in integers; None where it has none worth it.

    y = x W + b: W as int8 of 7 bits, a scale a column; x as uint8, one scale. Raises `OSError` where the folder for
    temporary files takes no copy of the model.
    """
    onnx = optional_module("onnx")
    library = optional_module("onnxruntime.quantization")
    model = onnx.shape_inference.infer_shapes(onnx.load_model_from_string(exported))
    graph = _Graph(onnx, model.graph)
    graph.drop_unused_tokens()
    graph.store()
    products = graph.large_products()
    if not products:
        return None
    del model.graph.value_info[:]
    library.quant_utils.add_pre_process_metadata(model)  # else it warns that its own optimiser did not run
    with TemporaryDirectory() as folder:
        file = Path(folder, "quantised.onnx")
        options = {"per_channel": True, "reduce_range": True, "op_types_to_quantize": ["MatMul"]}
        library.quantize_dynamic(model, file, nodes_to_quantize=products, **options)
        return file.read_bytes()


class _Graph:
    """nodes: in an order of computation. shapes: of what is computed; constants: name to TensorProto."""

    def __init__(self, onnx: Any, graph: Any) -> None:
        self._onnx, self._graph = onnx, graph
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        self.nodes: list[Any] = []
        for node in graph.node:  # weights that are equal were stored once, and passed on
            if node.op_type == "Identity" and node.input[0] in self.constants:
                self.constants[node.output[0]] = self.constants[node.input[0]]
            elif node.op_type == "Constant":
                self.constants[node.output[0]] = node.attribute[0].t
            else:
                self.nodes.append(node)
        self.shapes = {
            value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim]
            for value in (*graph.value_info, *graph.output)
        }

    def drop_unused_tokens(self) -> None:
        """Where only one token is looked at in the end, the last layer need not compute the others.

        Picks the token before the steps that treat every token for itself, instead of after them.
        """
        pick = next((node for node in reversed(self.nodes) if self._picks_token(node)), None)
        if pick is None:
            return
        users = self._users()
        tokens, inside = self.shapes[pick.input[0]][1], {pick.output[0]}
        for node in reversed(self.nodes[: self.nodes.index(pick)]):
            needed = [user.output[0] for user in users.get(node.output[0], [])]
            if needed and inside.issuperset(needed) and self._keeps_tokens_apart(node, tokens):
                inside.add(node.output[0])
        self._pick_before(inside - {pick.output[0]}, int(self._array(pick.input[1])))

    def large_products(self) -> list[str]:
        """The names of the nodes."""
        products = [node for node in self.nodes if node.op_type == "MatMul"]
        return [node.name for node in products if self._smaller_side(node.input[1]) >= SMALLEST_SIDE]

    def store(self) -> None:
        """Puts nodes and constants back into the model."""
        used = {name for node in self.nodes for name in node.input}
        del self._graph.node[:]
        self._graph.node.extend(self.nodes)
        del self._graph.initializer[:]
        for name in sorted(used & self.constants.keys()):
            self._graph.initializer.append(self.constants[name])
            self._graph.initializer[-1].name = name

    def _pick_before(self, inside: set[str], token: int) -> None:
        nodes: list[Any] = []
        picked: set[str] = set()
        index = self._constant("picked/index", np.array([token], np.int64))
        for node in self.nodes:
            if node.output[0] in inside:
                for i, name in enumerate(node.input):
                    if name in self.constants or name in inside:
                        continue
                    if name not in picked:
                        nodes.append(self._onnx.helper.make_node("Gather", [name, index], [f"picked/{name}"], axis=1))
                        picked.add(name)
                    node.input[i] = f"picked/{name}"
            nodes.append(node)
        pick = next(node for node in nodes if node.op_type == "Gather" and node.input[0] in inside)
        pick.input[1] = self._constant("picked/only", np.array(0, np.int64))
        self.nodes = nodes

    def _picks_token(self, node: Any) -> bool:
        """Of (1, T, C), the token at a constant place."""
        axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
        three = len(self.shapes.get(node.input[0], [])) == 3
        scalar = node.op_type == "Gather" and axis == 1 and node.input[1] in self.constants
        return three and scalar and not self.constants[node.input[1]].dims

    def _keeps_tokens_apart(self, node: Any, tokens: int) -> bool:
        """Whether a token of the result depends on that token of its inputs only."""
        computed = [name for name in node.input if name not in self.constants]
        sizes = [self.shapes.get(name, []) for name in (*computed, node.output[0])]
        fixed = [list(self.constants[name].dims) for name in node.input if name in self.constants]
        if node.op_type == "MatMul":
            return len(computed) == 1 and node.input[1] in self.constants and all(_is_rows(s, tokens) for s in sizes)
        alone = all(len(dims) < 2 for dims in fixed) and all(_is_rows(size, tokens) for size in sizes)
        return node.op_type in ELEMENTWISE and alone

    def _smaller_side(self, name: str) -> int:
        """Of a constant matrix; 0 for anything else."""
        dims = self.constants[name].dims if name in self.constants else ()
        return min(dims) if len(dims) == 2 else 0

    def _users(self) -> dict[str, list[Any]]:
        users: dict[str, list[Any]] = {}
        for node in self.nodes:
            for name in node.input:
                users.setdefault(name, []).append(node)
        return users

    def _array(self, name: str) -> NDArray[Any]:
        return np.asarray(self._onnx.numpy_helper.to_array(self.constants[name]))

    def _constant(self, name: str, array: NDArray[Any]) -> str:
        self.constants[name] = self._onnx.numpy_helper.from_array(array, name)
        return name


def _is_rows(size: list[int], tokens: int) -> bool:
    return len(size) == 3 and size[1] == tokens
