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
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.models.integers.graph import SMALLEST_SIDE, optional_module, quantised
from storage.errors import ExtractorUnavailable

VERSION = "1"  # raise it when the same weights would give other numbers
LEAST_CENTRED = 0.9  # of what tells pictures apart, on average
LEAST_COSINE = 0.99  # of a vector to that of float32
OPSET = 17  # the first with LayerNormalization
REFUSED = b"refused: "
DIGEST_BYTES = 32
PART = ".part-"  # in the names of files that are being written
STALE_AFTER_S = 3600.0

ImageModule = Any  # torch.nn.Module: (N, 3, H, W) pixels -> (N, D)
NormalisedPixels = NDArray[np.float32]  # (N, 3, H, W)


class IntegerTower:
    """A quantised model. Thread-safe.

    Every run takes one picture, so that it gives the same row in any batch. One picture has all threads; a batch is
    several runs at once, a thread each, which wastes none of them (ViT-B/16 on two cores: 165 ms a picture, 200 where
    the runs share their threads). How many threads share a run changes no number: integers add up alike in any order,
    and no float sum is divided.
    """

    precision = f"int8-{VERSION}"

    def __init__(self, model: bytes, threads: int) -> None:
        """threads: cores to use. Raises what ONNX Runtime raises for bytes that are no model."""
        self._model = model
        self._threads = threads
        self._of_all = _session(model, threads)
        self._of_one: Any = self._of_all if threads == 1 else None  # made with the first batch: it takes memory
        self._making = Lock()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="integer-tower")

    def __call__(self, pixels: NormalisedPixels) -> NDArray[np.float32]:
        """(N, D) of (N, 3, H, W)."""
        if len(pixels) == 1:
            return _run(self._of_all, pixels)
        with self._making:
            self._of_one = self._of_one or _session(self._model, 1)
        singles = [pixels[i : i + 1] for i in range(len(pixels))]
        return np.concatenate(list(self._pool.map(lambda single: _run(self._of_one, single), singles)))


def _session(model: bytes, threads: int) -> Any:
    runtime = optional_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # would take cores from the others
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _run(session: Any, pixels: NormalisedPixels) -> NDArray[np.float32]:
    return np.asarray(session.run(None, {session.get_inputs()[0].name: pixels})[0], np.float32)


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
    is missing, the module cannot be exported, has nothing to quantise, or comes out too far from float32
    (`LEAST_COSINE`, `LEAST_CENTRED`).
    """
    count = threads or len(os.sched_getaffinity(0))
    optional_module("onnxruntime")
    file = None if cache is None else cache / f"{digest}-{samples.shape[2]}x{samples.shape[3]}-int8-{VERSION}"
    known = None if file is None else _read(file)
    if known is not None and known.startswith(REFUSED):
        raise _refusal(known[len(REFUSED) :].decode())
    if known is not None:
        return IntegerTower(known, count)
    _refuse_without_products(module)
    for package in ("torch", "onnx", "onnxruntime.quantization"):  # of which no verdict is kept: it may come
        optional_module(package)
    try:
        model = _exported(module, samples[:1])
        tower = IntegerTower(model, count)
        verdict = _too_far(_float_rows(module, samples), tower(samples))
    except _CannotExport as error:
        verdict = str(error)
    if file is not None:
        _write(file, REFUSED + verdict.encode() if verdict else model)
    if verdict:
        raise _refusal(verdict)
    return tower


def _too_far(wanted: NDArray[np.float32], found: NDArray[np.float32]) -> str:
    """What is wrong with rows that stand for others, (N, D) each; empty where they are near enough. Vectors of some
    models point much the same way for every picture: what tells pictures apart is what is left without their mean.
    """
    mean = wanted.mean(axis=0)
    lowest = float(_cosines(wanted, found).min())
    centred = float(_cosines(wanted - mean, found - mean).mean())
    if lowest >= LEAST_COSINE and centred >= LEAST_CENTRED:  # False for NaN
        return ""
    return f"its vectors have a cosine down to {lowest:.4f} to those of float32, {centred:.3f} without what they share"


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


def _refuse_without_products(module: ImageModule) -> None:
    """Raises `ExtractorUnavailable` for a model made of convolutions: exporting it takes a minute, for nothing."""
    layers = optional_module("torch").nn
    parts = list(module.modules())
    products = [part for part in parts if isinstance(part, layers.Linear) and min(part.weight.shape) >= SMALLEST_SIDE]
    if len(products) <= sum(isinstance(part, layers.Conv2d) for part in parts):
        raise _refusal("it has no large matrix products")


class _CannotExport(Exception):
    """The model cannot be had in integers, whenever it is tried."""


def _exported(module: ImageModule, example: NormalisedPixels) -> bytes:
    """Raises `_CannotExport`; `ExtractorUnavailable` where it may go better another time."""
    torch = optional_module("torch")
    buffer = io.BytesIO()
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter: that sizes are taken as constants, which they are
            torch.onnx.export(
                module, (torch.from_numpy(example),), buffer, dynamo=False, input_names=["pixels"], opset_version=OPSET
            )
        model = quantised(buffer.getvalue())
    except OSError as error:  # no space for a moment, say: no verdict
        raise _refusal(f"its files cannot be written: {error}") from error
    except Exception as error:  # whatever an unforeseen architecture makes of the exporter
        raise _CannotExport(f"it cannot be exported ({type(error).__name__}: {str(error)[:200]})") from error
    if model is None:
        raise _CannotExport("it has no large matrix products")
    return model


def _float_rows(module: ImageModule, pixels: NormalisedPixels) -> NDArray[np.float32]:
    torch = optional_module("torch")
    with torch.inference_mode():
        return np.concatenate([module(torch.from_numpy(pixels[i : i + 1])).numpy() for i in range(len(pixels))])


def _cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    x, y = a.astype(np.float64), b.astype(np.float64)
    return np.asarray((x * y).sum(1) / np.maximum(np.sqrt((x * x).sum(1) * (y * y).sum(1)), 1e-30))


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
        _remove_stale_parts(file.parent)
        with NamedTemporaryFile(dir=file.parent, prefix=f"{file.name}{PART}", delete=False) as part:
            part.write(hashlib.sha256(content).digest() + content)
        os.replace(part.name, file)


def _remove_stale_parts(folder: Path) -> None:
    """What processes left that were killed while they wrote."""
    for part in folder.glob(f"*-int8-*{PART}*"):
        with suppress(OSError):  # another process removes it too
            if time.time() - part.stat().st_mtime > STALE_AFTER_S:
                part.unlink()


def _refusal(reason: str) -> ExtractorUnavailable:
    return ExtractorUnavailable(f"the model cannot run as int8: {reason}", "set precision to float, or to auto")
