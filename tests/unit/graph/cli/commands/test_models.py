"""``lookalike models pull``, against a hub on loopback."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from graph.cli.commands.models import _display
from tests.unit.deployments.models.fetching.fake_hub import FILES, MODEL, FakeHub, fake_hub
from tests.unit.graph.cli.conftest import Run

pytest.importorskip("huggingface_hub", reason="the semantic extra is not installed")

CONFIG = """
applications:
  - import_path: graph.app:build
    args:
      extractors:
        phash: {}
        global: {model: %s}
      annotators:
        tags: {model: %s}
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with fake_hub() as hub:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
        yield hub


def config_file(folder: Path, *models: object, name: str = "some.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(CONFIG % models)
    return path


def test_a_model_is_fetched_by_its_id(run: Run, hub: FakeHub, tmp_path: Path) -> None:
    result = run(None, "models", "pull", "--model", MODEL)
    size = sum(map(len, FILES.values()))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(
        f"{MODEL}: {size / 1000:.1f} kB fetched, in {tmp_path}/cache/models--someone--small/"
    )
    again = run(None, "models", "pull", "--model", MODEL)
    assert again.stdout.startswith(f"{MODEL}: was there already, in ")


def test_the_models_of_a_configuration_are_fetched_and_folders_are_not(run: Run, hub: FakeHub, tmp_path: Path) -> None:
    result = run(None, "models", "pull", str(config_file(tmp_path, MODEL, tmp_path)))
    assert (result.exit_code, result.stderr) == (0, "")
    assert [line.partition(":")[0] for line in result.stdout.splitlines()] == [MODEL]
    assert "model.safetensors" in hub.fetched


def test_a_model_that_two_parts_share_is_fetched_once(run: Run, hub: FakeHub, tmp_path: Path) -> None:
    result = run(None, "models", "pull", str(config_file(tmp_path, MODEL, MODEL)))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.count(MODEL) == 1
    assert len([path for path, _ in hub.requests if path.startswith("/api/")]) == 1


def test_a_model_that_its_part_cannot_use_is_said_to_be_so(run: Run, hub: FakeHub, tmp_path: Path) -> None:
    hub.files["config.json"] = b'{"model_type": "bert"}'
    result = run(None, "models", "pull", str(config_file(tmp_path, MODEL, tmp_path)))
    assert result.exit_code == 1
    assert result.stderr.startswith(
        f"lookalike: global cannot use '{MODEL}': its model_type is 'bert'; name a model of "
    )
    assert (result.stdout, result.stderr.count("\n")) == ("", 1)


def test_a_misspelt_option_is_not_passed_over(run: Run, hub: FakeHub, tmp_path: Path) -> None:
    path = config_file(tmp_path, MODEL, tmp_path)
    path.write_text(path.read_text().replace("global: {model", "global: {modell"))
    result = run(None, "models", "pull", str(path))
    assert result.exit_code == 1
    assert "extractors.global" in result.stderr
    assert hub.requests == []


def test_without_a_configuration_the_semantic_one_is_taken(
    run: Run, hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config_file(tmp_path, tmp_path, tmp_path, name="configs/local.yaml")
    nothing = run(None, "models", "pull")
    assert (nothing.exit_code, hub.requests) == (0, [])
    assert nothing.stdout == "the configuration names no model that would have to be fetched\n"
    config_file(tmp_path, MODEL, tmp_path, name="configs/semantic.yaml")
    assert run(None, "models", "pull").stdout.startswith(f"{MODEL}: ")


def test_one_model_that_cannot_be_had_does_not_keep_the_others_back(run: Run, hub: FakeHub, tmp_path: Path) -> None:
    result = run(None, "models", "pull", str(config_file(tmp_path, "someone/else", MODEL)))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"lookalike: {hub.url} has no model 'someone/else' that you may see; ")
    assert result.stderr.count("\n") == 1
    assert result.stdout.startswith(f"{MODEL}: ")


def test_a_hub_that_cannot_be_reached_is_one_line(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    result = run(None, "models", "pull", str(config_file(tmp_path, MODEL, "someone/else")))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("lookalike: the model hub http://127.0.0.1:9 cannot be reached (")
    assert "proxy" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_person_sees_the_bytes_come_in(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "xterm")
    with _display(MODEL) as on_progress:
        on_progress(3_000_000, 3_000_000)
    assert MODEL in screen.getvalue()
    assert "3.0/3.0 MB" in screen.getvalue()
