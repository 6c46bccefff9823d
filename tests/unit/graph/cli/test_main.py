from __future__ import annotations

import subprocess
import sys

import pytest

from graph.cli.main import app
from tests.unit.graph.cli.conftest import Run

COMMANDS = ["serve", "index", "jobs", "search", "add", "rm", "show", "status", "verify", "train"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(run: Run, command: str) -> None:
    result = run(None, command, "--help")
    assert result.exit_code == 0
    assert f"Example:\n    lookalike {command}" in result.stdout
    if command != "serve":
        assert "LOOKALIKE_SERVER" in result.stdout
        assert "LOOKALIKE_API_KEY" in result.stdout


def test_no_command_is_left_untested() -> None:
    assert {command.name for command in app.registered_commands} == set(COMMANDS)


def test_without_a_command_it_shows_what_there_is(run: Run) -> None:
    result = run(None)
    assert result.exit_code == 0
    assert all(f"\n  {command} " in result.stdout for command in COMMANDS)


def test_client_commands_load_neither_ray_nor_the_numeric_libraries() -> None:
    code = (
        "import sys, graph.cli.main, graph.client, rich.progress\n"
        "heavy = {'ray', 'numpy', 'faiss', 'pandas', 'cv2', 'PIL', 'pydantic', 'fastapi', 'lmdb'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_help_does_not_load_the_http_client() -> None:
    code = "import sys, graph.cli.main; print('httpx' in sys.modules, 'rich.table' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
