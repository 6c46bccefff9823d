"""The networks that the package ``rapidocr`` carries in its wheel: PP-OCRv6 "small", which finds lines of text, and
reads Latin, Greek, Chinese and Japanese. The package itself, which fetches the models that it lacks, is not run, but
for the step behind the detector.
"""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.errors import ExtractorUnavailable

DETECTOR = "PP-OCRv6_det_small.onnx"
RECOGNISER = "PP-OCRv6_rec_small.onnx"
PACKAGES = ("rapidocr", "onnxruntime")
INSTALL = "install the extra: pip install 'lookalike[ocr]'"


def optional_module(name: str) -> Any:
    """A module of the extra ``ocr``. Raises `ExtractorUnavailable`."""
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ExtractorUnavailable(f"text needs the package {package!r}: {error}", INSTALL) from error


def model_files() -> tuple[Path, Path]:
    """Detector and recogniser. Imports nothing of the packages. Raises `ExtractorUnavailable` where one is missing."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise ExtractorUnavailable(f"text needs packages that are not installed: {', '.join(missing)}", INSTALL)
    spec = find_spec("rapidocr")
    folder = Path(str(spec and spec.origin)).parent / "models"
    for name in (DETECTOR, RECOGNISER):
        if not (folder / name).is_file():
            message = f"this version of rapidocr does not carry the model {name}"
            raise ExtractorUnavailable(message, "install the tested version: pip install -c constraints.txt rapidocr")
    return folder / DETECTOR, folder / RECOGNISER


def file_mark(path: Path) -> str:
    """Changes whenever the file does; of its size and time. Raises `ExtractorUnavailable`."""
    try:
        status = path.stat()
    except OSError as error:
        raise ExtractorUnavailable(f"{path} cannot be read: {error.strerror}", "correct its permissions") from error
    return f"{path} {status.st_size} {status.st_mtime_ns}"


def file_digest(path: Path) -> str:
    """SHA-256 of the file, hex; read once for as long as it stays what it is."""
    return _digest(path, file_mark(path))


@lru_cache(maxsize=32)
def _digest(path: Path, mark: str) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Network:
    """An ONNX model on the CPU. Thread-safe. How many threads share a run changes no number (no sum is divided)."""

    def __init__(self, path: Path, threads: int) -> None:
        """Raises `ExtractorUnavailable` for a file that is no model."""
        runtime = optional_module("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors
        options.enable_cpu_mem_arena = False  # lines are of any width, and it would keep memory for each
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # would take cores from the others
        try:
            self._session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # whatever damaged bytes make of the runtime
            message = f"{path} is not a model, or is damaged: {str(error)[:200]}"
            raise ExtractorUnavailable(message, "install it again: pip install --force-reinstall rapidocr") from error
        self._input = self._session.get_inputs()[0].name

    def __call__(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """pixels: (1, 3, H, W), -1 to 1, in the order blue, green, red."""
        return np.asarray(self._session.run(None, {self._input: pixels})[0], np.float32)

    @property
    def metadata(self) -> dict[str, str]:
        return dict(self._session.get_modelmeta().custom_metadata_map)


def usable_cores() -> int:
    return len(os.sched_getaffinity(0))
