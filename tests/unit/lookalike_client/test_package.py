"""The client as a package of its own: what it loads, and what is there where it is installed alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import graph.client
import lookalike_client
import storage.errors
from lookalike_client.errors import errors_by_code

FOLDER = Path(lookalike_client.__file__).parent
USER = """
import asyncio
from pathlib import Path
from typing import assert_type

from lookalike_client import AsyncClient, Client, ImageRow, KeypointMatch, Match, SearchResult
from lookalike_client.errors import ImageExists, LookalikeError


def best(client: Client, picture: Path) -> SearchResult | None:
    for result in client.within(2).search(picture, filter="width > 100").results:
        match = result.matches["local"]
        assert_type(match, Match)
        assert_type(match.distance, float | None)
        if isinstance(match, KeypointMatch):
            assert_type(match.inliers, int)
            assert_type(match.box[0], tuple[float, float])
        assert_type(result.bytes, int)
        return result
    client.search(k="3")  # type: ignore[arg-type]
    client.serach()  # type: ignore[attr-defined]
    return None


def add(client: Client, picture: bytes) -> str:
    try:
        return client.add(picture, id="x").sha256
    except ImageExists as error:
        assert_type(error.status, int | None)
    except LookalikeError as error:
        return error.hint
    return ""


async def rows() -> list[ImageRow]:
    async with AsyncClient("http://127.0.0.1:8000", deadline_s=5) as client:
        assert_type((await client.get("x")).bytes, int | None)
        return [row async for row in client.images()]


asyncio.run(rows())
import lookalike_client.nothing  # type: ignore[import-not-found]
from lookalike_client import Clint  # type: ignore[attr-defined]
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the client, `httpx` and what that needs."""
    made = tmp_path_factory.mktemp("alone")
    source = shutil.copytree(
        FOLDER, made / "source", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    )
    venv.create(made / "venv")
    [packages] = made.glob("venv/lib/python*/site-packages")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(packages), str(source)], check=True)
    for name in needed_by("httpx"):
        found = distribution(name)
        for top in {file.parts[0] for file in found.files or () if ".." not in file.parts}:
            (packages / top).symlink_to(Path(str(found.locate_file(top))))
    return made / "venv/bin/python"


def needed_by(name: str) -> set[str]:
    """A distribution and all that it needs here without extras."""
    lines = map(Requirement, distribution(name).requires or ())
    needed = [line.name for line in lines if line.marker is None or line.marker.evaluate({"extra": ""})]
    return {name}.union(*map(needed_by, needed))


def run(*command: str | Path, cwd: Path | None = None) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_installed_alone_it_needs_httpx_and_nothing_else(alone: Path) -> None:
    code = (
        "import importlib.util, lookalike_client\n"
        "from lookalike_client import *\n"
        "print(lookalike_client.__file__, Client('http://127.0.0.1:1'), AsyncClient('http://127.0.0.1:1'))\n"
        "print([name for name in ('graph', 'storage', 'ray', 'numpy', 'faiss') if importlib.util.find_spec(name)])\n"
    )
    where, found = run(alone, "-I", "-c", code).splitlines()
    assert where.startswith(str(alone.parents[1]))
    assert found == "[]"


@pytest.mark.slow
def test_programs_that_use_it_are_checked_strictly(alone: Path, tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(USER)
    mypy = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(alone)]
    assert "no issues" in run(*mypy, "user.py", cwd=tmp_path)


def test_who_wants_the_errors_alone_waits_neither_for_httpx_nor_for_the_answers() -> None:
    code = "import sys, storage.errors; print({'httpx', 'lookalike_client.answers'} & set(sys.modules))"
    assert run(sys.executable, "-c", code, cwd=FOLDER.parent) == "set()\n"


def test_every_name_is_there_and_no_other() -> None:
    found = {name: getattr(lookalike_client, name).__name__ for name in lookalike_client.__all__}
    assert found == {name: name for name in found} | {"errors": "lookalike_client.errors"}
    with pytest.raises(AttributeError, match="Clint"):
        getattr(lookalike_client, "Clint")  # noqa: B009


def test_the_project_hands_the_same_classes_on() -> None:
    names = lookalike_client.__all__
    assert [getattr(graph.client, name) for name in names] == [getattr(lookalike_client, name) for name in names]
    kinds = errors_by_code().values()
    assert [getattr(storage.errors, kind.__name__) for kind in kinds] == list(kinds)
