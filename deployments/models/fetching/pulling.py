"""Fetches a model's files from the Hugging Face hub into its cache, where `deployments.models.fetching.files` finds
them.

The one place that fetches, and only when a user asks for it: the weights as safetensors and the small files beside
them, never code or pickles. They are laid out as the cache's documentation says. ``refs/<revision>`` is moved last,
when every file is there and is what the hub says it is, so that no service ever finds half a model; what an interrupted
pull has of a file stays, and the next one goes on from there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.util import find_spec
from json import JSONDecodeError
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from deployments.models.fetching.files import COMMIT, INDEX, INSTALL, ONE_FILE, check_weights
from deployments.models.fetching.hub_errors import COPY_A_FOLDER, GO_ON, in_our_words
from deployments.models.fetching.hub_file import HubFile, fetch, link, partial_bytes
from storage.errors import ExtractorUnavailable, Unavailable

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo, RepoSibling

LISTING_TIMEOUT_S = 12.0
SHARDS = "model-*.safetensors"
SMALL_FILES = (
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "generation_config.json",
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "spiece.model",
    "sentencepiece*",
)
SMALL_FILE_ENDINGS = (".json", ".txt", ".model", ".vocab", ".bpe")  # none that a loader would run
PICKLED_ENDINGS = (".bin", ".pt", ".pth", ".ckpt", ".pkl")

Progress = Callable[[int, int], None]  # bytes that are here, bytes of all files
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PulledModel:
    """fetched_bytes: 0 where everything was there."""

    folder: Path
    fetched_bytes: int


def pull(
    model: str,
    revision: str | None = None,
    *,
    on_progress: Progress = lambda done, total: None,
    endpoint: str | None = None,
    cache: Path | None = None,
) -> PulledModel:
    """Fetch what is missing of a model, and check it.

    model: its id on the hub. revision: branch, tag or commit. endpoint, cache: those of huggingface_hub unless said.
    Raises `ExtractorUnavailable` for a model that cannot be had, `Unavailable` for a hub that cannot be reached, each
    in one line that says what to do.
    """
    if find_spec("huggingface_hub") is None:
        raise ExtractorUnavailable("to fetch models needs huggingface_hub, which is not installed", INSTALL)
    from huggingface_hub import constants

    endpoint = endpoint or constants.ENDPOINT
    with in_our_words(model, endpoint):
        info = _within(LISTING_TIMEOUT_S, endpoint, lambda: _listing(model, revision, endpoint))
    commit = info.sha or ""
    if not COMMIT.fullmatch(commit):
        raise ExtractorUnavailable(f"{endpoint} does not say which commit {model!r} is at", "check HF_ENDPOINT")
    files = _wanted(model, info.siblings or ())
    home = Path(cache or constants.HF_HUB_CACHE).expanduser() / ("models--" + model.replace("/", "--"))
    snapshot = home / "snapshots" / commit
    with in_our_words(model, endpoint, GO_ON):
        fetched = _fetch_missing(model, commit, endpoint, files, home, on_progress)
        if revision != commit:
            _write_reference(home / "refs" / (revision or "main"), commit)
    check_weights(snapshot)
    return PulledModel(snapshot, fetched)


def _listing(model: str, revision: str | None, endpoint: str) -> ModelInfo:
    from huggingface_hub import HfApi

    try:
        return HfApi(endpoint=endpoint, library_name="lookalike").model_info(
            model, revision=revision, timeout=LISTING_TIMEOUT_S, files_metadata=True
        )
    except (JSONDecodeError, KeyError) as error:  # a page that a network shows before it lets one in, say
        raise Unavailable(
            f"what answers at {endpoint} is no model hub", "check the connection, or HF_ENDPOINT"
        ) from error


def _within(seconds: float, endpoint: str, call: Callable[[], T]) -> T:
    """The call's outcome. Its own timeouts bound each step alone: a name that does not resolve, each of many addresses.

    Raises `Unavailable` when the time is up.
    """
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except Exception as error:  # handed over to who waits
            outcome.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        return outcome.result(timeout=seconds)
    except TimeoutError as late:
        raise Unavailable(f"the model hub {endpoint} did not answer within {seconds:.0f} s", COPY_A_FOLDER) from late


def _wanted(model: str, siblings: Sequence[RepoSibling]) -> list[HubFile]:
    """The files to fetch, small ones first, so that a refusal comes before anything big.

    Raises `ExtractorUnavailable` for a model whose weights are not safetensors.
    """
    names = {sibling.rfilename for sibling in siblings if "/" not in sibling.rfilename}
    weights = {ONE_FILE} & names or {name for name in names if INDEX in names and fnmatchcase(name, SHARDS)}
    if not weights:
        pickled = sorted(name for name in names if name.endswith(PICKLED_ENDINGS))
        if pickled:
            message = f"{model!r} has its weights only as pickles ({', '.join(pickled[:2])}), which can run code"
            raise ExtractorUnavailable(message, "name a revision or another model that has model.safetensors")
        raise ExtractorUnavailable(f"{model!r} has no {ONE_FILE}", "name a model for transformers, not another library")
    small = {
        name
        for name in names
        if name.endswith(SMALL_FILE_ENDINGS) and any(fnmatchcase(name, pattern) for pattern in SMALL_FILES)
    }
    wanted = weights | small | ({INDEX} & names if ONE_FILE not in names else set())
    files = [HubFile.listed(sibling) for sibling in siblings if sibling.rfilename in wanted]
    return sorted(files, key=lambda file: (file.size, file.name))


def _fetch_missing(
    model: str, commit: str, endpoint: str, files: Sequence[HubFile], home: Path, on_progress: Progress
) -> int:
    """Returns the bytes that were fetched."""
    snapshot, blobs = home / "snapshots" / commit, home / "blobs"
    missing = [file for file in files if not _is_there(snapshot / file.name, file.size)]
    total = sum(file.size for file in files)
    here = total - sum(file.size - partial_bytes(file, blobs) for file in missing)
    _check_space(model, home, total - here)
    fetched = 0

    def count(size: int) -> None:
        nonlocal fetched
        fetched += size
        on_progress(here + fetched, total)

    count(0)
    for file in missing:
        fetch(file, f"{endpoint}/{model}/resolve/{commit}/{quote(file.name)}", blobs, count)
        link(blobs / file.blob, snapshot / file.name)
    return fetched


def _is_there(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _check_space(model: str, folder: Path, needed_bytes: int) -> None:
    """Raises `ExtractorUnavailable` before anything is fetched that would not fit."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < needed_bytes:
        message = f"{model!r} needs {needed_bytes / 1e6:.0f} MB and {existing} has {free / 1e6:.0f} MB free"
        raise ExtractorUnavailable(message, "free some space, or set HF_HOME to a folder on another disk")


def _write_reference(reference: Path, commit: str) -> None:
    reference.parent.mkdir(parents=True, exist_ok=True)
    temporary = reference.with_name(f"{reference.name}.{os.getpid()}")
    temporary.write_text(commit, encoding="utf-8")
    temporary.replace(reference)
