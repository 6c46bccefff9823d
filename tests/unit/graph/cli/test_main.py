from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from deployments.extractors.registry import EXTRACTORS
from graph.cli.main import app
from graph.cli.terminal import options
from storage.filters.text_form import parse_filter
from tests.unit.graph.cli.conftest import Run

COMMANDS = [
    *("serve", "index", "jobs", "search", "list", "add", "rm", "show", "tags", "caption", "status", "verify", "train"),
    *("same", "eval", "library", "backfill", "duplicates", "import-ambience", "models", "models pull"),
    *("keys", "keys new"),
]
LOCAL = {"serve", "models", "models pull", "keys", "keys new"}  # these speak to no service


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(run: Run, command: str) -> None:
    result = run(None, *command.split(), "--help")
    assert result.exit_code == 0
    assert f"Example:\n    lookalike {command}" in result.stdout
    if command not in LOCAL:
        assert "LOOKALIKE_SERVER" in result.stdout
        assert "LOOKALIKE_API_KEY" in result.stdout


EXAMPLES = sorted(
    line.strip()
    for command in ["", *COMMANDS]
    for line in CliRunner().invoke(app, [*command.split(), "--help"]).stdout.partition("Example:")[2].splitlines()
    if line.strip()
)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_one_that_the_command_takes(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("photo.jpg", "bridge.jpg"):
        (tmp_path / name).touch()
    program, *words = shlex.split(example)
    assert program == "lookalike"
    command: Any = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    given = command.make_context(command.name, words).params  # raises for what it does not take
    parse_filter(given.get("filter") or "width >= 1")
    named = {*(options.names(given.get("features")) or ()), *(options.parameters(given.get("param") or ()) or {})}
    for option in ("weights", "max_distance"):
        named |= set(options.numbers(option, given.get(option)) or ())
    assert named <= set(EXTRACTORS.offered)


def test_no_command_is_left_untested() -> None:
    found = {command.name for command in app.registered_commands}
    for group in app.registered_groups:
        assert group.typer_instance is not None
        name = group.typer_instance.info.name
        found |= {name, *(f"{name} {command.name}" for command in group.typer_instance.registered_commands)}
    assert found == set(COMMANDS)


def test_without_a_command_it_shows_what_there_is(run: Run) -> None:
    result = run(None)
    assert result.exit_code == 0
    assert all(f"\n  {command} " in result.stdout for command in COMMANDS if " " not in command)
    assert "\n  pull " in run(None, "models").stdout


def test_help_does_not_load_the_http_client_and_client_commands_neither_ray_nor_the_numeric_libraries() -> None:
    code = (
        "import sys, graph.cli.main; print('httpx' in sys.modules, 'rich.table' in sys.modules)\n"
        "import lookalike_client, rich.progress\n"
        "heavy = {'ray', 'numpy', 'faiss', 'pandas', 'cv2', 'PIL', 'pydantic', 'fastapi', 'lmdb'}\n"
        "heavy |= {'huggingface_hub', 'torch', 'transformers'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n[]\n"
