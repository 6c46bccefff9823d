"""One service on one data folder through four starts, each with another configuration: with an extractor that does not
load, with models, with another model, with a damaged model and behind keys. The files of this folder use it in the
order of their names, and each start is a fixture that asks for the one before.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from ray._common.utils import get_ray_address_file

from graph.client import Client
from lookalike_client.answers import AddedImage
from tests.e2e.restarted.pictures import PACKAGE_PHOTOS, feature, package_photo, shape_file
from tests.e2e.running_service import RunningService, listens, wait_for
from tests.e2e.service_config import merged, write_config
from tests.unit.deployments.models.shapes_clip import COLORS, SHAPES
from tests.unit.deployments.models.tiny_models import tiny_blip, tiny_dinov2
from tests.unit.graph.local_catalog import photo

EACH = 12  # pictures of every colour and shape
PICKED_UP_S = 20.0  # a missing model is looked for every two seconds; loading takes some on a busy machine
PARTS: Mapping[str, Any] = {
    "extractors": {"local": {}},
    "indexes": {"local": {"train_after_rows": 300}},
    "ambience": {"enabled": True, "filenames": True},
}
AUTOSCALING = {
    "min_replicas": 1,
    "max_replicas": 3,
    "upscale_delay_s": 1,
    "downscale_delay_s": 5,
    "metrics_interval_s": 1,
    "look_back_period_s": 2,
}
KEYS = ("first-test-key", "second-test-key")
TOO_SLOW = {
    "extractors": {"fake": {"delay_s": 3.0}},
    "limits": {"extractor_timeout_s": 1.0, "search_timeout_s": 2.0},
}


# -- the first start ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Without models; the extractor `fake` does not load."""
    folder = tmp_path_factory.mktemp("restarted")
    broken = merged(PARTS, {"extractors": {"fake": {"fails": "load"}}})
    service = RunningService(folder / "data", write_config(folder / "config.yaml", args=broken))
    service.start()
    yield service
    service.stop()


@pytest.fixture
def client(running: RunningService) -> Iterator[Client]:
    with Client(running.url) as opened:
        yield opened


@pytest.fixture(scope="session")
def photos(running: RunningService, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Photographs that Python packages bring are indexed."""
    folder = tmp_path_factory.mktemp("photos")
    for package, names in PACKAGE_PHOTOS.items():
        for name in names:
            shutil.copy(package_photo(package, name), folder / name)
    done = running.run("index", str(folder))
    assert done.returncode == 0, done.stderr
    assert "indexed 8 new" in done.stdout


@pytest.fixture(scope="session")
def half_done(running: RunningService) -> AddedImage:
    """What was said of the picture ``one``, which `fake` could not take."""
    with Client(running.url) as client:
        return client.add(photo(1), id="one")


# -- the second start: after Ctrl-C, with models -----------------------------------------------------------------------


@dataclass(frozen=True)
class Restart:
    """What was there before Ctrl-C and what it left behind. stale_note: of a Ray that is there no more."""

    images: int
    seeds: range
    exit_status: int
    last_line: str
    stale_note: bool


@pytest.fixture(scope="session")
def watched_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With one photo."""
    folder = tmp_path_factory.mktemp("watched")
    (folder / "first.jpg").write_bytes(photo(5900))
    return folder


@pytest.fixture(scope="session")
def restart(
    shared_service: RunningService,
    running: RunningService,
    photos: None,
    half_done: AddedImage,
    models: Path,
    watched_folder: Path,
) -> Restart:
    """shared_service: runs meanwhile, so that an answer of the other service would show; nobody needs it afterwards."""
    seeds = range(6000, 6030)
    with Client(running.url) as client:
        client.submit_index([str(watched_folder)], watch=True)
        wait_for(lambda: any(root.watched for root in client.library()), "the folder is watched")
        wait_for(lambda: feature(client, "local").index_kind == "inverted_file", "the index is trained by itself")
        assert running.run("train", "local").returncode == 0
        for seed in seeds:
            client.add(photo(seed), id=str(seed))
        images = client.stats().images
    exit_status = running.stop()
    wait_for(lambda: not running.processes(), "no process is left behind", 10)
    noted = Path(get_ray_address_file(None))  # where ray.init() of other programs looks for a cluster to join
    stale = noted.exists() and not listens(noted.read_text())
    last_line = running.log.splitlines()[-1]
    running.config = model_config(models, models / "later")
    running.start()
    shared_service.stop()
    return Restart(images, seeds, exit_status, last_line, stale)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory, shapes_clip: Path) -> Path:
    """photos/ with shapes that the model has not seen, clip/ and blip/ with models, later/ with one to come."""
    made = tmp_path_factory.mktemp("models")
    (made / "clip").symlink_to(shapes_clip)
    tiny_blip(made / "blip")
    tiny_dinov2(made / "first", seed=1)
    tiny_dinov2(made / "second", seed=2)
    (made / "photos").mkdir()
    for color in COLORS:
        for form in SHAPES:
            for number in range(EACH):
                shape_file(made / "photos", color, form, number)
    (made / "labels.txt").write_text("\n".join(f"{color} {form}" for color in COLORS for form in SHAPES))
    return made


@pytest.fixture(scope="session")
def with_models(running: RunningService, restart: Restart) -> RunningService:
    """Empty, so that no other picture is among the answers."""
    with Client(running.url) as client:
        for row in list(client.images()):
            client.delete(row.id)
    return running


@pytest.fixture(scope="session")
def shapes(with_models: RunningService, models: Path) -> CompletedProcess[str]:
    """How indexing all coloured shapes ended."""
    return with_models.run("index", str(models / "photos"))


@pytest.fixture(scope="session")
def first_model(with_models: RunningService, models: Path, shapes: CompletedProcess[str]) -> CompletedProcess[str]:
    """How computing `global` ended, with its model that came later."""
    shutil.copytree(models / "first", models / "later-unfinished")
    (models / "later-unfinished").rename(models / "later")
    with Client(with_models.url) as client:
        wait_for(lambda: feature(client, "global").state == "ready", "the model is picked up", PICKED_UP_S)
    return with_models.run("backfill", "global")


# -- the third and the fourth start ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def with_another_model(with_models: RunningService, models: Path, first_model: CompletedProcess[str]) -> RunningService:
    """Another than `first_model`; phash has as many replicas as it needs. SIGTERM stops a service like Ctrl-C."""
    assert with_models.stop(signal.SIGTERM) == 0
    assert with_models.log.splitlines()[-1] == "stopping"
    with_models.config = model_config(
        models, models / "second", deployments={"phash": {"autoscaling_config": AUTOSCALING}}
    )
    with_models.start()
    return with_models


@pytest.fixture(scope="module")
def with_a_damaged_model(with_another_model: RunningService, models: Path) -> Iterator[RunningService]:
    """Behind keys, and with an extractor `fake` that is slower than the limits allow. The last start: it is stopped
    here, before the tests of other services.
    """
    with_another_model.stop()
    shutil.copytree(models / "second", models / "broken")
    weights = models / "broken" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with_another_model.config = model_config(models, models / "broken", args=TOO_SLOW)
    with_another_model.environment = {**with_another_model.environment, "LOOKALIKE_API_KEYS": ",".join(KEYS)}
    with_another_model.start()
    yield with_another_model
    with_another_model.stop()


def model_config(
    models: Path, model: Path, args: Mapping[str, Any] | None = None, deployments: Mapping[str, Any] | None = None
) -> Path:
    """model: of `global`."""
    parts = {
        "extractors": {"global": {"model": str(model)}, "image_text": {"model": str(models / "clip")}},
        "annotators": {
            "tags": {"labels": str(models / "labels.txt"), "prompt": "a {}", "store": True, "threshold": 0.2},
            "caption": {"model": str(models / "blip"), "max_tokens": 5},
        },
    }
    return write_config(models / "config.yaml", args=merged(merged(PARTS, parts), args or {}), deployments=deployments)
