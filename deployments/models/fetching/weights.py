"""The files with a model's weights: safetensors, whole, and what they add up to.

safetensors only: other formats can run code that they bring as they are read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from storage.errors import ExtractorUnavailable

ONE_FILE = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLED = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt")
COPY_AGAIN = "copy it again"
MOST_HEADER_BYTES = 100_000_000  # as in the safetensors library


def weight_files(folder: Path) -> list[Path]:
    """The one file, or the shards that the index names, sorted. Raises `ExtractorUnavailable` where there are none."""
    if (folder / ONE_FILE).is_file():
        return [folder / ONE_FILE]
    if (folder / INDEX).is_file():
        return _shards(folder)
    if any(match for pattern in PICKLED for match in folder.glob(pattern)):
        raise ExtractorUnavailable(
            f"the weights in {folder} are pickled, which can run code as they are read: they are not loaded",
            "choose a revision with model.safetensors, or load the model once and save_pretrained it",
        )
    raise ExtractorUnavailable(f"there are no weights in {folder}: it has no {ONE_FILE}", "copy the whole folder again")


def check_weights(folder: Path) -> None:
    """Raises `ExtractorUnavailable` for weights that are missing, no safetensors or cut short."""
    for path in weight_files(folder):
        if not path.is_file():
            raise ExtractorUnavailable(f"the weights {path} are missing", COPY_AGAIN)
        status = path.stat()
        if not _is_whole(path, status.st_size, status.st_mtime_ns):
            raise ExtractorUnavailable(f"{path} is not a .safetensors file, or is cut short", COPY_AGAIN)


def weights_digest(paths: Sequence[Path]) -> str:
    """SHA-256 of the file's bytes, hex; of several files: of their digests, in the order given."""
    try:
        statuses = [path.stat() for path in paths]
        digests = [_digest(path, one.st_size, one.st_mtime_ns) for path, one in zip(paths, statuses, strict=True)]
    except OSError as error:
        raise ExtractorUnavailable(f"the weights cannot be read: {error}", "correct the file's permissions") from error
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _shards(folder: Path) -> list[Path]:
    try:
        names = set(json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ExtractorUnavailable(f"{folder / INDEX} is damaged", COPY_AGAIN) from error
    inside = [name for name in names if isinstance(name, str) and name == Path(name).name]
    if not names or len(inside) != len(names):
        raise ExtractorUnavailable(f"{folder / INDEX} does not name files beside it", COPY_AGAIN)
    return [folder / name for name in sorted(inside)]


@lru_cache(maxsize=64)
def _is_whole(path: Path, size: int, changed_ns: int) -> bool:
    """Whether header and length agree. size, changed_ns: so that a file that has changed is looked at again."""
    with path.open("rb") as file:
        header_bytes = int.from_bytes(file.read(8), "little")
        if not 0 < header_bytes <= min(size - 8, MOST_HEADER_BYTES):
            return False
        try:
            entries = json.loads(file.read(header_bytes))
            ends = [int(entry["data_offsets"][1]) for name, entry in entries.items() if name != "__metadata__"]
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            return False
    return bool(ends) and 8 + header_bytes + max(ends) == size


@lru_cache(maxsize=64)
def _digest(path: Path, size: int, changed_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
