"""Fetching a model, against a hub on loopback."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from deployments.models.fetching import hub_file, pulling
from deployments.models.fetching.files import model_folder
from deployments.models.fetching.pulling import PulledModel, pull
from storage.errors import ExtractorUnavailable, Unavailable
from tests.unit.deployments.models.fetching.fake_hub import COMMIT, FILES, MODEL, FakeHub, fake_hub, safetensors

pytest.importorskip("huggingface_hub", reason="the semantic extra is not installed")

WEIGHTS = FILES["model.safetensors"]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_file, "PAUSE_S", 0.0)


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with fake_hub() as hub:
        yield hub


def fetched(hub: FakeHub, cache: Path, **options: Any) -> PulledModel:
    return pull(MODEL, endpoint=hub.url, cache=cache, **options)


def test_the_weights_and_the_small_files_are_fetched_and_nothing_else(hub: FakeHub, tmp_path: Path) -> None:
    pulled = fetched(hub, tmp_path)
    assert {path.name: path.read_bytes() for path in pulled.folder.iterdir()} == FILES
    assert set(hub.fetched) == set(FILES)
    assert pulled.fetched_bytes == sum(map(len, FILES.values()))
    assert hub.fetched[-1] == "model.safetensors"


def test_what_was_pulled_is_found_where_models_are_looked_for(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulled = fetched(hub, tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert model_folder(MODEL) == pulled.folder
    assert model_folder(MODEL, COMMIT) == pulled.folder


def test_the_hubs_own_library_finds_it_too(hub: FakeHub, tmp_path: Path) -> None:
    from huggingface_hub import snapshot_download

    folder = snapshot_download(MODEL, cache_dir=tmp_path, local_files_only=True) if fetched(hub, tmp_path) else ""
    assert Path(folder, "model.safetensors").read_bytes() == WEIGHTS


def test_a_second_pull_fetches_nothing(hub: FakeHub, tmp_path: Path) -> None:
    fetched(hub, tmp_path)
    hub.requests.clear()
    assert fetched(hub, tmp_path).fetched_bytes == 0
    assert hub.fetched == []


def test_only_what_changed_is_fetched_of_a_newer_version(hub: FakeHub, tmp_path: Path) -> None:
    older = fetched(hub, tmp_path)
    hub.commit, hub.files["config.json"] = "d" * 40, b'{"model_type": "swin"}'
    hub.requests.clear()
    newer = fetched(hub, tmp_path)
    assert hub.fetched == ["config.json"]
    assert newer.folder != older.folder
    assert (newer.folder / "config.json").read_bytes() == hub.files["config.json"]
    assert (newer.folder / "model.safetensors").read_bytes() == WEIGHTS
    assert (older.folder / "config.json").read_bytes() == FILES["config.json"]


def test_an_interrupted_download_goes_on_where_it_ended(hub: FakeHub, tmp_path: Path) -> None:
    hub.cut_at = 100_000
    with pytest.raises(Unavailable, match=r"run the same command again: it goes on where it ended") as caught:
        fetched(hub, tmp_path)
    assert type(caught.value) is Unavailable
    hub.cut_at = None
    hub.requests.clear()
    seen: list[tuple[int, int]] = []
    pulled = fetched(hub, tmp_path, on_progress=lambda done, total: seen.append((done, total)))
    assert [asked for _, asked in hub.requests[1:]] == ["bytes=100000-"]
    assert pulled.fetched_bytes == len(WEIGHTS) - 100_000
    assert (pulled.folder / "model.safetensors").read_bytes() == WEIGHTS
    total = sum(map(len, FILES.values()))
    assert seen[0] == (total - pulled.fetched_bytes, total)
    assert seen[-1] == (total, total)


def test_a_download_that_was_cut_short_is_no_model_yet(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    hub.cut_at = 100_000
    with pytest.raises(Unavailable):
        fetched(hub, tmp_path)
    with pytest.raises(ExtractorUnavailable, match="not on this machine"):
        model_folder(MODEL)


@pytest.mark.parametrize("resets", [False, True])
def test_a_connection_that_breaks_is_taken_up_again_at_once(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resets: bool
) -> None:
    hub.cut_at, hub.resets = 100_000, resets

    def heal(_seconds: float) -> None:
        hub.cut_at = None

    monkeypatch.setattr(time, "sleep", heal)
    assert (fetched(hub, tmp_path).folder / "model.safetensors").read_bytes() == WEIGHTS


def test_a_server_without_ranges_is_asked_for_the_whole_file_again(hub: FakeHub, tmp_path: Path) -> None:
    hub.cut_at = 100_000
    with pytest.raises(Unavailable):
        fetched(hub, tmp_path)
    hub.cut_at, hub.takes_ranges = None, False
    assert (fetched(hub, tmp_path).folder / "model.safetensors").read_bytes() == WEIGHTS


def test_a_file_that_is_not_what_was_listed_is_refused_and_not_kept(hub: FakeHub, tmp_path: Path) -> None:
    hub.damage = True
    with pytest.raises(ExtractorUnavailable, match="came damaged"):
        fetched(hub, tmp_path)
    hub.damage = False
    assert (fetched(hub, tmp_path).folder / "model.safetensors").read_bytes() == WEIGHTS


def test_a_file_that_was_cut_short_on_disk_is_fetched_anew(hub: FakeHub, tmp_path: Path) -> None:
    weights = fetched(hub, tmp_path).folder / "model.safetensors"
    os.truncate(weights.resolve(), 1000)
    assert fetched(hub, tmp_path).folder.joinpath("model.safetensors").read_bytes() == WEIGHTS


def test_shards_are_fetched_with_their_index(tmp_path: Path) -> None:
    shards = {f"model-0000{n}-of-00002.safetensors": safetensors(100 * n) for n in (1, 2)}
    index = b'{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}'
    with fake_hub({"config.json": b"{}", "model.safetensors.index.json": index, **shards}) as hub:
        assert {path.name for path in fetched(hub, tmp_path).folder.iterdir()} == set(hub.files)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"pytorch_model.bin": b"x"}, r"weights only as pickles \(pytorch_model.bin\), which can run code"),
        ({"README.md": b"x"}, "has no model.safetensors"),
    ],
)
def test_a_model_without_safetensors_is_refused_before_anything_is_fetched(
    tmp_path: Path, files: dict[str, bytes], message: str
) -> None:
    with fake_hub({"config.json": b"{}", **files}) as hub:
        with pytest.raises(ExtractorUnavailable, match=message):
            fetched(hub, tmp_path)
        assert hub.fetched == []
    assert list(tmp_path.iterdir()) == []


class Refusal(NamedTuple):
    listing: tuple[int, str] | None
    file: tuple[int, str] | None
    message: str
    hint: str


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(None, (401, "GatedRepo"), "'someone/small' is gated", "hf auth login"),
        Refusal((403, "GatedRepo"), None, "'someone/small' is gated", "hf auth login"),
        Refusal((401, "RepoNotFound"), None, "has no model 'someone/small'", "correct the id"),
        Refusal((503, ""), None, "answered 503", "try again later"),
    ],
)
def test_what_the_hub_refuses_is_said_with_the_remedy(hub: FakeHub, tmp_path: Path, refusal: Refusal) -> None:
    hub.listing_refusal, hub.refusal = refusal.listing, refusal.file
    with pytest.raises(Unavailable, match=refusal.message) as caught:
        fetched(hub, tmp_path)
    assert refusal.hint in caught.value.hint
    assert "\n" not in str(caught.value)
    assert hub.fetched in ([], ["preprocessor_config.json"])


def test_an_id_and_a_revision_that_do_not_exist_are_named(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(ExtractorUnavailable, match="has no model 'someone/else'"):
        pull("someone/else", endpoint=hub.url, cache=tmp_path)
    with pytest.raises(ExtractorUnavailable, match="'someone/small' has no such revision"):
        fetched(hub, tmp_path, revision="v9")
    with pytest.raises(ExtractorUnavailable, match=r"'\./a/b/c' is not the id of a model"):
        pull("./a/b/c", endpoint=hub.url, cache=tmp_path)


def test_a_commit_is_fetched_without_moving_the_branch(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulled = fetched(hub, tmp_path, revision=COMMIT)
    assert not (tmp_path / "models--someone--small" / "refs").exists()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert model_folder(MODEL, COMMIT) == pulled.folder


def test_a_hub_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(Unavailable, match="cannot be reached") as caught:
            pull(MODEL, endpoint=url, cache=tmp_path)
    assert type(caught.value) is Unavailable
    assert "proxy" in caught.value.hint
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("page", [b"<html>Log in to this network</html>", b"{}"])
def test_what_is_no_hub_is_said_to_be_none(hub: FakeHub, tmp_path: Path, page: bytes) -> None:
    hub.page = page
    with pytest.raises(Unavailable, match="is no model hub"):
        fetched(hub, tmp_path)


def test_a_hub_that_never_answers_is_given_up_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulling, "LISTING_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unavailable, match=r"did not answer within|cannot be reached") as caught:
            pull(MODEL, endpoint=url, cache=tmp_path)
    assert "copy the model's folder" in caught.value.hint


def test_a_name_that_takes_for_ever_to_look_up_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    release = socket.socketpair()
    with release[0], release[1], pytest.raises(Unavailable, match=r"http://hub did not answer within 0 s"):
        pulling._within(0.05, "http://hub", lambda: release[0].recv(1))


def test_too_little_space_is_noticed_before_anything_is_fetched(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage(NamedTuple):
        free: int

    monkeypatch.setattr("shutil.disk_usage", lambda _path: Usage(1000))
    with pytest.raises(ExtractorUnavailable, match="0 MB free") as caught:
        fetched(hub, tmp_path)
    assert "HF_HOME" in caught.value.hint
    assert hub.fetched == []


def test_a_disk_that_fills_up_is_said_in_one_line(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(hub_file, "_append", full)
    with pytest.raises(ExtractorUnavailable, match="no space left for 'someone/small'"):
        fetched(hub, tmp_path)


def test_two_pulls_of_one_file_do_not_mix(hub: FakeHub, tmp_path: Path) -> None:
    import fcntl

    blobs = tmp_path / "models--someone--small" / "blobs"
    blobs.mkdir(parents=True)
    for row in hub.listing()["siblings"]:
        name = row["lfs"]["sha256"] if "lfs" in row else row["blobId"]
        (blobs / f"{name}.partial").touch()
    partials = [path.open("ab") for path in blobs.iterdir()]
    for partial in partials:
        fcntl.flock(partial, fcntl.LOCK_EX)
    with pytest.raises(ExtractorUnavailable, match="another process is fetching"):
        fetched(hub, tmp_path)
    for partial in partials:
        partial.close()
    assert fetched(hub, tmp_path).fetched_bytes


def test_importing_it_brings_no_heavy_library() -> None:
    heavy = "{'huggingface_hub', 'httpx2', 'torch'}"
    code = f"import sys, deployments.models.fetching.pulling; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
