"""``lookalike serve`` that cannot start says so in one line, at once and without starting Ray."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from typer.testing import CliRunner

from deployments.extractors.profile import extractor_profiles
from deployments.extractors.registry import extractor_configs
from graph.cli.main import app
from graph.client import Client
from graph.config.fleet_plan import fleet_plan
from graph.config.serve_file import load_config_file
from storage.shard.data_folder import MANIFEST_NAME, ensure_manifest
from tests.e2e.running_service import LOOKALIKE, ROOT, RunningService, free_port
from tests.e2e.service_config import write_config

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

TEST_CONFIG = ROOT / "configs" / "test.yaml"
AT_ONCE_S = 20.0  # Python's imports included, on a busy machine

Refusal = Callable[..., str]


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch) -> Refusal:
    """The line with which ``lookalike serve`` refuses to start, in this process."""
    monkeypatch.delenv("LOOKALIKE_API_KEYS", raising=False)

    def nothing_starts(*_: Any) -> NoReturn:
        pytest.fail("the service would have been started")

    monkeypatch.setattr("graph.cli.commands.serve.running_service", nothing_starts)

    def refuse(data: Path, *arguments: str | Path, config: Path = TEST_CONFIG) -> str:
        words = ["serve", str(config), "--data", str(data), *map(str, arguments)]
        started = time.monotonic()
        done = CliRunner().invoke(app, words, prog_name="lookalike")
        assert time.monotonic() - started < AT_ONCE_S
        assert done.exit_code == 1, done.output
        return the_line(done.stdout, done.stderr)

    return refuse


def the_line(stdout: str, stderr: str) -> str:
    assert "starting Ray" not in stdout
    assert "Traceback" not in stdout + stderr
    [line] = stderr.splitlines()
    assert line.startswith("lookalike: ")
    return line


def data_folder(path: Path) -> Path:
    """A data folder as a service leaves it, with nothing in it."""
    app = load_config_file(TEST_CONFIG, {}, part_configs=extractor_configs()).app
    ensure_manifest(path, app.shards, fleet_plan(app, extractor_profiles(app.extractors)).settings.features)
    return path


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_an_address_that_others_can_reach_needs_a_key(refusal: Refusal, tmp_path: Path, host: str) -> None:
    line = refusal(tmp_path / "data", "--host", host, "--port", str(free_port()))
    assert f"refusing to listen on {host}" in line
    assert "LOOKALIKE_API_KEYS" in line
    assert not (tmp_path / "data").exists()


def test_an_unknown_key_is_named_with_its_line_and_the_nearest_known_one(refusal: Refusal, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(TEST_CONFIG.read_text().replace("max_pixels:", "max_pixel:"))
    number = next(i for i, text in enumerate(config.read_text().splitlines(), 1) if "max_pixel:" in text)
    line = refusal(tmp_path / "data", config=config)
    assert f"{config}:{number}: unknown key 'max_pixel'" in line
    assert "did you mean 'max_pixels'?" in line


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ("phash: {}", "fash: {}", "did you mean 'phash'?"),
        ("phash: {}", "phash: {bits: 64}", "unknown key 'bits'"),
        ("shards: 2", "shards: two", "args.shards"),
        ("- name: color", "- name: colour", "unknown deployment 'colour'"),
        ("shards: 2", "shards: [", "not valid YAML"),
        ("shards: 2", "shards: 2\n      shards: 3", "given again"),
    ],
)
def test_a_bad_configuration_is_one_line_with_file_and_line(
    refusal: Refusal, tmp_path: Path, before: str, after: str, named: str
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(TEST_CONFIG.read_text().replace(before, after, 1))
    line = refusal(tmp_path / "data", config=config)
    assert re.search(rf"{re.escape(str(config))}:\d+: ", line)
    assert named in line


def test_a_configuration_that_is_not_there_is_one_line(refusal: Refusal, tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / "data", config=tmp_path / "no.yaml")


def test_a_port_in_use_is_refused(refusal: Refusal, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = refusal(tmp_path / "data", "--port", str(port))
    assert f"127.0.0.1:{port}" in line
    assert "--port" in line


def test_data_of_another_model_is_refused(refusal: Refusal, tmp_path: Path) -> None:
    data = data_folder(tmp_path / "data")
    manifest = json.loads((data / MANIFEST_NAME).read_text())
    manifest["fingerprints"]["phash"] = "phash-0/decode-0"
    (data / MANIFEST_NAME).write_text(json.dumps(manifest))
    line = refusal(data, "--port", str(free_port()))
    assert "phash-0/decode-0" in line


def test_data_in_another_number_of_shards_is_refused(refusal: Refusal, tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.yaml", args={"shards": 3})
    line = refusal(data_folder(tmp_path / "data"), "--port", str(free_port()), config=config)
    assert "holds 2 shards, the configuration says 3" in line


def test_a_damaged_description_of_the_data_is_refused(refusal: Refusal, tmp_path: Path) -> None:
    data = data_folder(tmp_path / "data")
    (data / MANIFEST_NAME).write_text("{")
    assert MANIFEST_NAME in refusal(data, "--port", str(free_port()))


def test_a_data_folder_in_use_is_refused(shared_service: RunningService) -> None:
    """In a process of its own, as a user meets it."""
    command = [
        str(LOOKALIKE),
        "serve",
        str(TEST_CONFIG),
        "--data",
        str(shared_service.data),
        "--port",
        str(free_port()),
    ]
    environment = {name: value for name, value in os.environ.items() if name != "LOOKALIKE_API_KEYS"}
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert time.monotonic() - started < AT_ONCE_S
    assert done.returncode == 1, done.stderr
    line = the_line(done.stdout, done.stderr)
    assert f"{shared_service.data} is in use by process" in line
    with Client(shared_service.url) as client:
        assert client.ready().ready
