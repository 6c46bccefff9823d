from __future__ import annotations

import subprocess
import sys

import pytest

from graph.cli.main import app
from tests.unit.graph.cli.conftest import Run

COMMANDS = [
    *("serve", "index", "jobs", "search", "list", "add", "rm", "show", "tags", "caption", "status", "verify", "train"),
    *("library", "backfill", "duplicates", "import-ambience", "models", "models pull"),
]
LOCAL = {"serve", "models", "models pull"}  # these speak to no service


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(run: Run, command: str) -> None:
    result = run(None, *command.split(), "--help")
    assert result.exit_code == 0
    assert f"Example:\n    lookalike {command}" in result.stdout
    if command not in LOCAL:
        assert "LOOKALIKE_SERVER" in result.stdout
        assert "LOOKALIKE_API_KEY" in result.stdout


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
