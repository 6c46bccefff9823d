"""The files of a model on this machine: found, and checked as far as that goes without loading it.

The weights are safetensors only: other formats can run code that they bring as they are read. Nothing is ever fetched
here. Quick enough to ask every two seconds whether files that were missing have come, and imports neither torch nor
transformers. Hugging Face ids are looked up in its cache, whose layout is documented:
``models--owner--name/refs/<revision>`` holds a commit, ``snapshots/<commit>`` its files.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from deployments.models.fetching.families import Family
from storage.errors import ExtractorUnavailable

PACKAGES = ("torch", "transformers", "safetensors", "huggingface_hub")
INSTALL = "install the extra: pip install 'lookalike[semantic]'"
FETCH = "fetch it: lookalike models pull, or copy the folder and name it"
COPY_AGAIN = "copy the whole folder again, as save_pretrained wrote it"
COPY_FILE_AGAIN = "copy it again"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
PROCESSOR = "processor_config.json"
ONE_FILE = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLED = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt")
MOST_HEADER_BYTES = 100_000_000  # as in the safetensors library


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A checked model folder. config: its config.json; family: what its model_type stands for."""

    folder: Path
    config: Mapping[str, Any]
    family: Family

    @property
    def model_type(self) -> str:
        return str(self.config["model_type"])

    def weights_digest(self) -> str:
        """SHA-256 of the weights' bytes, hex; of several files: of their digests, in order. They are read once for as
        long as they stay what they are.
        """
        paths = weight_files(self.folder)
        try:
            statuses = [path.stat() for path in paths]
            digests = [_digest(path, one.st_size, one.st_mtime_ns) for path, one in zip(paths, statuses, strict=True)]
        except OSError as error:
            raise ExtractorUnavailable(
                f"the weights cannot be read: {error}", "correct the file's permissions"
            ) from error
        return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()

    def image_processor(self) -> Mapping[str, Any] | None:
        """The image processor's settings, the nested ones of transformers 5 first, as there; None: there are none."""
        for name, nested in ((PROCESSOR, "image_processor"), (PREPROCESSOR, None)):
            if (self.folder / name).is_file():
                settings = _read_json(self.folder / name)
                found = settings.get(nested) if nested else settings
                if isinstance(found, Mapping):
                    return found
        return None


def find_model(model: str, revision: str | None, takes: Mapping[str, Family], part: str) -> ModelFiles:
    """The files of a Hugging Face id, or in a folder.

    takes: the families that ``part``, a name for messages, can use. Raises `ExtractorUnavailable` with the remedy for a
    model that is not here, or whose files are missing, damaged, pickled or another architecture's.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise ExtractorUnavailable(f"{part} needs packages that are not installed: {', '.join(missing)}", INSTALL)
    folder = model_folder(model, revision)
    try:
        if not (folder / CONFIG).is_file():
            raise ExtractorUnavailable(f"{folder} is not a model's folder: it has no {CONFIG}", COPY_AGAIN)
        settings = _read_json(folder / CONFIG)
        model_type = str(settings.get("model_type", ""))
        if model_type not in takes:
            message = f"{part} cannot use {model!r}: its model_type is {model_type!r}"
            raise ExtractorUnavailable(message, f"name a model of {', '.join(sorted(takes))}")
        check_weights(folder)
    except OSError as error:
        message = f"the files of {model!r} cannot be read: {error}"
        raise ExtractorUnavailable(message, "correct the permissions of the folder") from error
    return ModelFiles(folder, settings, takes[model_type])


def files_mark(files: ModelFiles) -> str:
    """Changes whenever a file changes that the model is loaded from; of their sizes and times."""
    try:
        named = {*files.folder.glob("*.json"), *files.folder.glob("*.txt"), *files.folder.glob("*.model")}
        status = [(path.name, path.stat()) for path in sorted(named | set(weight_files(files.folder)))]
    except OSError as error:  # one was there a moment ago
        raise ExtractorUnavailable(f"the files in {files.folder} are changing: {error}", "wait for the copy") from error
    lines = [f"{name} {one.st_size} {one.st_mtime_ns} {one.st_ino}" for name, one in status]
    return hashlib.sha256("\n".join([str(files.folder.resolve()), *lines]).encode()).hexdigest()


def model_folder(model: str, revision: str | None = None) -> Path:
    """Where the files of a Hugging Face id or a folder are, ``~`` expanded. Raises `ExtractorUnavailable`."""
    path = Path(model).expanduser()
    if path.is_dir():
        return path.absolute()
    if not HUB_ID.fullmatch(model) or path.exists():
        raise ExtractorUnavailable(f"there is no folder {str(path)!r}", "correct the path, or copy the model there")
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE) / ("models--" + model.replace("/", "--"))
    commit = revision or "main"
    reference = cache / "refs" / commit
    if not COMMIT.fullmatch(commit) and reference.resolve().is_relative_to(cache.resolve()) and reference.is_file():
        commit = reference.read_text(encoding="utf-8").strip()
    snapshot = cache / "snapshots" / commit
    if not COMMIT.fullmatch(commit) or not snapshot.is_dir():
        at = f" at revision {revision!r}" if revision else ""
        raise ExtractorUnavailable(f"the model {model!r}{at} is not on this machine", FETCH)
    return snapshot


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
            raise ExtractorUnavailable(f"the weights {path} are missing", COPY_FILE_AGAIN)
        status = path.stat()
        if not _is_whole(path, status.st_size, status.st_mtime_ns):
            raise ExtractorUnavailable(f"{path} is not a .safetensors file, or is cut short", COPY_FILE_AGAIN)


def _shards(folder: Path) -> list[Path]:
    try:
        names = set(json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ExtractorUnavailable(f"{folder / INDEX} is damaged", COPY_FILE_AGAIN) from error
    inside = [name for name in names if isinstance(name, str) and name == Path(name).name]
    if not names or len(inside) != len(names):
        raise ExtractorUnavailable(f"{folder / INDEX} does not name files beside it", COPY_FILE_AGAIN)
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


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ExtractorUnavailable(f"{path} is not JSON: {error}", COPY_AGAIN) from error
    if not isinstance(content, Mapping):
        raise ExtractorUnavailable(f"{path} holds no settings", COPY_AGAIN)
    return content
