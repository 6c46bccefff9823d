"""An image model in 8-bit integers on a CPU, run by ONNX Runtime.

A matrix product with learned weights takes most of a vision transformer's time. Here its weights become 7-bit integers,
each output with its own scale, and its inputs 8-bit ones, whose scale is taken from the picture in hand: nothing is
calibrated, so every process makes the same model of the same weights. Seven bits, because a CPU without VNNI adds pairs
of products in 16 bits, which 8 would overflow unnoticed; sums of integers are then the same on every CPU.

Source: "Quantize ONNX models", section on AVX2 and ``reduce_range``, in ONNX Runtime's documentation.
"""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.errors import ExtractorUnavailable

VERSION = "1"  # raise it when the same weights would give other numbers
LEAST_COSINE = 0.99  # of a vector to that of float32
OPSET = 17  # the first with LayerNormalization
REFUSED = b"refused: "
DIGEST_BYTES = 32
MICROSOFT = "com.microsoft"  # the domain of ONNX Runtime's own operators
LARGEST_WEIGHT = 64  # two products with 255 stay below 2**15
SMALLEST_SIDE = 64  # of a matrix: below, quantising its input costs what it saves
ELEMENTWISE = frozenset({"Add", "Div", "Erf", "LayerNormalization", "Mul", "Pow", "Sigmoid", "Sub", "Tanh"})

ImageModule = Any  # torch.nn.Module: (N, 3, H, W) pixels -> (N, D)
NormalisedPixels = NDArray[np.float32]  # (N, 3, H, W)


class IntegerTower:
    """A quantised model. Thread-safe.

    Every run takes one picture, so that it gives the same row in any batch; a batch is several runs at once. How many
    threads share a run changes no number either: integers add up alike in any order, and no float sum is divided.
    """

    precision = "int8"

    def __init__(self, model: bytes, threads: int) -> None:
        """threads: cores to use. Raises what ONNX Runtime raises for bytes that are no model."""
        runtime = _optional_module("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # would take cores from the others
        self._session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="integer-tower")

    def __call__(self, pixels: NormalisedPixels) -> NDArray[np.float32]:
        """(N, D) of (N, 3, H, W)."""
        singles = [pixels[i : i + 1] for i in range(len(pixels))]
        rows = map(self._run, singles) if len(singles) == 1 else self._pool.map(self._run, singles)
        return np.concatenate(list(rows))

    def _run(self, pixels: NormalisedPixels) -> NDArray[np.float32]:
        rows: NDArray[np.float32] = self._session.run(None, {self._input: pixels})[0]
        return rows


def integer_tower(
    module: ImageModule,
    samples: NormalisedPixels,
    *,
    digest: str,
    cache: Path | None = None,
    threads: int | None = None,
) -> IntegerTower:
    """``module``, a float32 one on the CPU, quantised, and compared with itself on ``samples``, (N, 3, H, W).

    digest: of the weights and whatever else makes the module; names the file in the folder ``cache``, which keeps a
    refusal too. threads: None for all cores that this process may use. Raises `ExtractorUnavailable` where a package
    is missing, the module cannot be exported, has nothing to quantise, or comes out with a cosine below
    `LEAST_COSINE`.
    """
    count = threads or len(os.sched_getaffinity(0))
    _optional_module("onnxruntime")
    file = None if cache is None else cache / f"{digest}-{samples.shape[2]}x{samples.shape[3]}-int8-{VERSION}"
    known = None if file is None else _read(file)
    if known is not None and known.startswith(REFUSED):
        raise _refusal(known[len(REFUSED) :].decode())
    if known is not None:
        return IntegerTower(known, count)
    model = _exported(module, samples[:1])
    tower = IntegerTower(model, count)
    lowest = float(_cosines(_float_rows(module, samples), tower(samples)).min())
    exact = lowest >= LEAST_COSINE  # False for NaN
    verdict = f"its vectors have a cosine down to {lowest:.4f} to those of float32, less than {LEAST_COSINE}"
    if file is not None:
        _write(file, model if exact else REFUSED + verdict.encode())
    if not exact:
        raise _refusal(verdict)
    return tower


def sample_pictures(size: tuple[int, int], count: int = 8) -> Iterator[NDArray[np.uint8]]:
    """(H, W, 3) RGB each, of ``size`` (width, height): the same ones always, with the spectrum of photos (amplitude as
    1 / frequency), a gradient, and shapes and strokes with sharp edges.
    """
    random = np.random.default_rng(1)
    width, height = size
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1.0
    rows, columns = np.mgrid[0:height, 0:width]
    for _ in range(count):
        white = np.fft.rfft2(random.standard_normal((3, height, width)))
        noise = np.fft.irfft2(white / frequency, s=(height, width))
        noise /= noise.std()
        mixed = 0.7 * noise.mean(0) + 0.3 * noise
        angle = random.uniform(0, 2 * np.pi)
        slope = np.cos(angle) * columns / width + np.sin(angle) * rows / height
        picture = random.uniform(60, 190, (3, 1, 1)) + 45 * mixed + random.uniform(-80, 80, (3, 1, 1)) * slope
        for _ in range(random.integers(1, 5)):
            middle, radius = random.uniform(0, (height, width)), random.uniform(0.05, 0.3) * height
            inside = np.hypot(rows - middle[0], columns - middle[1]) < radius
            picture[:, inside] = 0.4 * picture[:, inside] + 0.6 * random.uniform(0, 255, (3, 1))
        for _ in range(random.integers(0, 30)):
            top, left, length = random.integers(0, (height, width, 20))
            tall, wide = (2, 4 + length) if random.random() < 0.5 else (4 + length, 2)
            picture[:, top : top + tall, left : left + wide] = random.choice([10.0, 245.0])
        yield np.clip(np.moveaxis(picture, 0, 2), 0, 255).astype(np.uint8)


def _exported(module: ImageModule, example: NormalisedPixels) -> bytes:
    torch = _optional_module("torch")
    _optional_module("onnx")
    buffer = io.BytesIO()
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter: that sizes are taken as constants, which they are
            torch.onnx.export(
                module, (torch.from_numpy(example),), buffer, dynamo=False, input_names=["pixels"], opset_version=OPSET
            )
        model = quantised(buffer.getvalue())
    except Exception as error:  # whatever an unforeseen architecture makes of the exporter
        raise _refusal(f"it cannot be exported ({type(error).__name__}: {str(error)[:200]})") from error
    if model is None:
        raise _refusal("it has no large matrix products")
    return model


def _float_rows(module: ImageModule, pixels: NormalisedPixels) -> NDArray[np.float32]:
    torch = _optional_module("torch")
    with torch.inference_mode():
        return np.concatenate([module(torch.from_numpy(pixels[i : i + 1])).numpy() for i in range(len(pixels))])


def _cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    x, y = a.astype(np.float64), b.astype(np.float64)
    products: NDArray[np.float64] = (x * y).sum(1) / np.maximum(np.sqrt((x * x).sum(1) * (y * y).sum(1)), 1e-30)
    return products


def _read(file: Path) -> bytes | None:
    """What `_write` wrote; None where there is nothing, or it is damaged."""
    with suppress(OSError):
        data = file.read_bytes()
        if hashlib.sha256(data[DIGEST_BYTES:]).digest() == data[:DIGEST_BYTES]:
            return data[DIGEST_BYTES:]
    return None


def _write(file: Path, content: bytes) -> None:
    """Whole or not at all. A cache that cannot be written costs time at the next start, and nothing else."""
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=file.parent, prefix=file.name, delete=False) as part:
            part.write(hashlib.sha256(content).digest() + content)
        os.replace(part.name, file)


def _refusal(reason: str) -> ExtractorUnavailable:
    return ExtractorUnavailable(f"the model cannot run as int8: {reason}", "set precision to float, or to auto")


def _optional_module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        message = f"int8 needs the package {name!r}: {error}"
        raise ExtractorUnavailable(message, "install the extra: pip install 'lookalike[onnxruntime]'") from error


# ---- the graph: belongs into a file of its own, ``integer_graph.py``


def quantised(exported: bytes) -> bytes | None:
    """The ONNX model with its matrix products in integers; None where it has none worth it."""
    onnx = _optional_module("onnx")
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
