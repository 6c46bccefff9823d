"""Files with the weights of descriptor networks: which file a name means, and its tensors, read without running any
code that the file may bring.
"""

from __future__ import annotations

import hashlib
import io
import json
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from storage.errors import ExtractorUnavailable

PUBLISHED: Mapping[str, tuple[str, str]] = {  # name: class of kornia.feature, file that it keeps in torch's cache
    "hardnet8": ("HardNet8", "hardnet8v2.pt"),
    "hardnet": ("HardNet", "checkpoint_liberty_with_aug.pth"),
}
SUFFIXES = (".pth", ".pt", ".safetensors")
MOST_BYTES = 128 * 2**20  # three times the largest of these networks
READ_AS_STATE_DICT = "save its state_dict() with torch.save, or as .safetensors"

Tensors = Mapping[str, Any]  # torch.Tensor by name


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """digest: the SHA-256 of the file."""

    path: Path
    digest: str


def optional_module(name: str) -> Any:
    """torch, kornia or a part of them, which only these descriptors need. Raises `ExtractorUnavailable`."""
    try:
        return import_module(name)
    except ImportError as error:
        message = f"learned descriptors need the package {name.partition('.')[0]!r}: {error}"
        raise ExtractorUnavailable(
            message, "install the extra: pip install 'lookalike[learned-descriptors]'"
        ) from error


def published_weights(name: str) -> WeightsFile:
    """The file that kornia has fetched; nothing is fetched here, where nobody would see it wait. Raises
    `ExtractorUnavailable` with the command that fetches it.
    """
    kornia_class, file_name = PUBLISHED[name]
    path = Path(optional_module("torch").hub.get_dir()) / "checkpoints" / file_name
    fetch = f'python -c "import kornia.feature; kornia.feature.{kornia_class}()"'
    if not path.exists():
        raise ExtractorUnavailable(
            f"the weights of {name!r} are not there: {path}",
            f"fetch them on this machine, then start the service again: {fetch}",
        )
    try:
        return weights_file(str(path))
    except ExtractorUnavailable as failure:
        raise ExtractorUnavailable(failure.message, f"delete it and fetch it again: {fetch}") from failure


def weights_file(name: str) -> WeightsFile:
    """The file at a path, ``~`` expanded, relative to the working directory. Raises `ExtractorUnavailable` for one that
    cannot hold a network's weights.
    """
    path = Path(name).expanduser().absolute()
    if path.suffix not in SUFFIXES:
        known = ("rootsift", *PUBLISHED)
        close = get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it is one of {', '.join(known)}, or the path of a file"
        raise ExtractorUnavailable(f"there is no descriptor {name!r}, nor is it a {' or '.join(SUFFIXES)} file", hint)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
            raise ExtractorUnavailable(
                f"{path} is not a file of at most {MOST_BYTES} bytes", "name the file with a network's weights"
            )
        return _examined(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        message = f"the weights {path} cannot be read: {error.strerror or error}"
        raise ExtractorUnavailable(message, "correct the path, or the file's permissions") from error


@lru_cache(maxsize=8)
def _examined(path: Path, size: int, changed_ns: int) -> WeightsFile:
    """size, changed_ns: so that a file that has changed is read again."""
    data = path.read_bytes()
    _refuse_other_files(path, data)
    return WeightsFile(path, hashlib.sha256(data).hexdigest())


def _refuse_other_files(path: Path, data: bytes) -> None:
    """Raises `ExtractorUnavailable` for what is plainly something else or cut short. Needs no torch, so that a wrong
    path is an error at once, before its digest is written down as what the data was made with.
    """
    if path.suffix == ".safetensors":
        header_end = 8 + int.from_bytes(data[:8], "little")
        try:
            entries = json.loads(data[8:header_end])
            ends = [entry["data_offsets"][1] for name, entry in entries.items() if name != "__metadata__"]
            whole = header_end + max(ends, default=0) == len(data)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            whole = False
        if not whole:
            raise ExtractorUnavailable(f"{path} is not a .safetensors file, or is cut short", "copy it again")
        return
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = {name.rpartition("/")[2] for name in archive.namelist()}
        if "constants.pkl" in parts:
            raise ExtractorUnavailable(f"{path} is TorchScript, whose code would run here", READ_AS_STATE_DICT)
        if "data.pkl" in parts:
            return
    elif data[:1] == b"\x80":  # a file of torch before 1.6
        return
    raise ExtractorUnavailable(f"{path} is not a file that torch.save wrote, or is cut short", READ_AS_STATE_DICT)


def read_tensors(file: WeightsFile) -> Tensors:
    """The state dict that the file holds, on the CPU. Raises `ExtractorUnavailable`."""
    loaded = _loaded(file)
    if isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):  # with its epoch, optimiser ...
        loaded = loaded["state_dict"]
    is_tensor = optional_module("torch").is_tensor
    if not isinstance(loaded, Mapping) or not loaded or not all(is_tensor(tensor) for tensor in loaded.values()):
        raise ExtractorUnavailable(f"{file.path} holds no state dict of tensors", READ_AS_STATE_DICT)
    return {str(name): tensor for name, tensor in loaded.items()}


def _loaded(file: WeightsFile) -> Any:
    torch = optional_module("torch")
    try:
        if file.path.suffix == ".safetensors":
            return optional_module("kornia.core.safetensors").load_safetensors(file.path)
        return torch.load(file.path, map_location="cpu", weights_only=True)
    except ExtractorUnavailable:
        raise
    except Exception as error:  # whatever a file's bytes make of the reader
        message = f"{file.path} holds something else than tensors, or is damaged ({type(error).__name__})"
        raise ExtractorUnavailable(message, READ_AS_STATE_DICT) from error
