"""An exported model's matrix products in integers: ONNX in, ONNX out. Why: `deployments.models.integers.tower`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.errors import ExtractorUnavailable

MICROSOFT = "com.microsoft"  # the domain of ONNX Runtime's own operators
LARGEST_WEIGHT = 64  # two products with 255 stay below 2**15
SMALLEST_SIDE = 128  # of a matrix: below, quantising its input costs what it saves
ELEMENTWISE = frozenset({"Add", "Div", "Erf", "LayerNormalization", "Mul", "Pow", "Sigmoid", "Sub", "Tanh"})


def optional_module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        message = f"int8 needs the package {name!r}: {error}"
        raise ExtractorUnavailable(message, "install the extra: pip install 'lookalike[int8]'") from error


def quantised(exported: bytes) -> bytes | None:
    """The ONNX model with its matrix products in integers; None where it has none worth it."""
    onnx = optional_module("onnx")
    model = onnx.shape_inference.infer_shapes(onnx.load_model_from_string(exported))
    graph = _Graph(onnx, model.graph)
    graph.drop_unused_tokens()
    if not graph.quantise():
        return None
    del model.graph.value_info[:]
    model.opset_import.append(onnx.helper.make_opsetid(MICROSOFT, 1))
    whole: bytes = model.SerializeToString(deterministic=True)
    return whole


@dataclass(frozen=True, slots=True, eq=False)
class _Product:
    """nodes: the product, and the sum with its bias where that is one. weights: (K, M); bias: (M,)."""

    nodes: list[Any]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]


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

    def quantise(self) -> int:
        """How many products there were. Those of one input become one, which is quicker than three small ones."""
        users = self._users()
        groups: dict[str, list[_Product]] = {}
        for node in self.nodes:
            if node.op_type == "MatMul" and min(self._matrix_shape(node.input[1])) >= SMALLEST_SIDE:
                groups.setdefault(node.input[0], []).append(self._product(node, users.get(node.output[0], [])))
        replacement = {id(group[0].nodes[0]): self._integer_nodes(name, group) for name, group in groups.items()}
        gone = {id(node) for group in groups.values() for product in group for node in product.nodes}
        nodes: list[Any] = []
        for node in self.nodes:
            nodes += replacement.get(id(node), [] if id(node) in gone else [node])
        self._store(nodes)
        return len(groups)

    def _product(self, node: Any, users: list[Any]) -> _Product:
        weights = self._array(node.input[1]).astype(np.float32)
        if len(users) == 1 and users[0].op_type == "Add":
            bias = next((name for name in users[0].input if name != node.output[0]), "")
            if bias in self.constants and list(self.constants[bias].dims) == [weights.shape[1]]:
                return _Product([node, users[0]], weights, self._array(bias).astype(np.float32))
        return _Product([node], weights, np.zeros(weights.shape[1], np.float32))

    def _integer_nodes(self, source: str, products: list[_Product]) -> list[Any]:
        """y = x W + b of the same x, side by side: W as int8 of 7 bits, a scale a column; x as uint8, one scale."""
        node = self._onnx.helper.make_node
        weights = np.concatenate([product.weights for product in products], axis=1)
        scales = np.maximum(np.abs(weights).max(axis=0), np.float32(1e-12)) / np.float32(LARGEST_WEIGHT)
        w = self._constant(f"{source}/w", np.rint(weights / scales).astype(np.int8))
        s = self._constant(f"{source}/s", scales)
        z = self._constant(f"{source}/z", np.zeros(len(scales), np.int8))
        b = self._constant(f"{source}/b", np.concatenate([product.bias for product in products]))
        x, xs, xz = (f"{source}/{part}" for part in ("x", "xs", "xz"))
        outputs = [product.nodes[-1].output[0] for product in products]
        joint = outputs[0] if len(outputs) == 1 else f"{source}/y"
        nodes = [
            node("DynamicQuantizeLinear", [source], [x, xs, xz]),
            node("MatMulIntegerToFloat", [x, w, xs, s, xz, z, b], [joint], domain=MICROSOFT),
        ]
        if len(outputs) > 1:
            widths = self._constant(f"{source}/n", np.array([len(product.bias) for product in products], np.int64))
            nodes.append(node("Split", [joint, widths], outputs, axis=-1))
        return nodes

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

    def _matrix_shape(self, name: str) -> tuple[int, ...]:
        dims = tuple(self.constants[name].dims) if name in self.constants else ()
        return dims if len(dims) == 2 else (0,)

    def _users(self) -> dict[str, list[Any]]:
        users: dict[str, list[Any]] = {}
        for node in self.nodes:
            for name in node.input:
                users.setdefault(name, []).append(node)
        return users

    def _array(self, name: str) -> NDArray[Any]:
        array: NDArray[Any] = self._onnx.numpy_helper.to_array(self.constants[name])
        return array

    def _constant(self, name: str, array: NDArray[Any]) -> str:
        self.constants[name] = self._onnx.numpy_helper.from_array(array, name)
        return name

    def _store(self, nodes: list[Any]) -> None:
        used = {name for node in nodes for name in node.input}
        del self._graph.node[:]
        self._graph.node.extend(nodes)
        del self._graph.initializer[:]
        for name in sorted(used & self.constants.keys()):
            self._graph.initializer.append(self.constants[name])
            self._graph.initializer[-1].name = name


def _is_rows(size: list[int], tokens: int) -> bool:
    return len(size) == 3 and size[1] == tokens
