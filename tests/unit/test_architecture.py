"""The shape of the program: who may import whom, what importing may do, what never appears in the source."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("storage", "deployments", "graph")  # each may import itself and those before it
FILES = sorted(path.relative_to(ROOT).as_posix() for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))
MODULES = [name.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for name in FILES]

RAY_FILES = {
    "storage/shard_actor.py",
    "storage/shard_fleet.py",
    "deployments/extractor_service.py",
    "graph/app.py",
    "graph/router.py",
    "graph/ray_part.py",
    "graph/part_ports.py",
    "graph/ray_shard_port.py",
    "graph/ray_metrics.py",
    "graph/cli/local_ray.py",
    "graph/cli/serve.py",
}
RAY_FOLDERS = ("graph/jobs/",)
ENVIRONMENT_FILES = {
    "graph/settings.py",  # the API keys
    "graph/cli/reporting.py",  # whether an unexpected error shows its traceback
    "graph/cli/serve.py",  # which Ray cluster to join
    "graph/jobs/index.py",  # a process's entry point hands it on
    "graph/jobs/backfill.py",  # likewise
    "graph/jobs/import_ambience.py",  # likewise
    "graph/ray_environment.py",  # Ray's own flags, which it reads from the environment of the process that starts it
}
YAML_READERS = {"graph/yaml_source.py"}

FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "imghdr"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen"}
FORBIDDEN_KEYWORDS = {"trust_remote_code", "allow_pickle", "shell"}

IMPORT_PROBE = """
import importlib, json, os, sys, threading
events = []
outside, ours = json.loads(sys.argv[1]), json.loads(sys.argv[2])
for name in outside:
    importlib.import_module(name)
environment, threads = dict(os.environ), threading.active_count()
def hook(event, args):
    if event in ("socket.bind", "socket.connect", "subprocess.Popen", "os.system", "os.mkdir", "os.remove"):
        events.append(f"{event} {args}")
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        events.append(f"writes {args[0]}")
sys.addaudithook(hook)
for name in ours:
    importlib.import_module(name)
if threading.active_count() != threads:
    events.append(f"threads: {[t.name for t in threading.enumerate()]}")
if dict(os.environ) != environment:
    events.append("changes the environment")
print(json.dumps(events))
"""


@cache
def tree(file: str) -> ast.Module:
    return ast.parse((ROOT / file).read_text(encoding="utf-8"), filename=file)


def imports(nodes: Iterator[ast.AST]) -> Iterator[str]:
    """Full names of imported modules; ``from a import b`` gives ``a`` and ``a.b``."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the layer"
            module = node.module or ""
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def top_level_packages(file: str) -> set[str]:
    return {name.partition(".")[0] for name in imports(ast.walk(tree(file)))}


def test_imports_point_one_way_from_graph_to_deployments_to_storage() -> None:
    wrong = {}
    for file in FILES:
        above = set(LAYERS[LAYERS.index(file.partition("/")[0]) + 1 :])
        wrong[file] = top_level_packages(file) & (above | {"tests", "benchmarks"})
    assert not {file: names for file, names in wrong.items() if names}


@pytest.mark.parametrize("file", ["storage/types.py", "storage/errors.py"])
def test_types_and_errors_import_nothing_of_ours(file: str) -> None:
    assert not top_level_packages(file) & set(LAYERS)


def test_ray_is_imported_only_where_a_process_boundary_is_crossed() -> None:
    allowed = {file for file in FILES if file in RAY_FILES or file.startswith(RAY_FOLDERS)}
    assert not [file for file in FILES if file not in allowed and "ray" in top_level_packages(file)]


def test_every_module_says_what_it_holds() -> None:
    assert not [file for file in FILES if not ast.get_docstring(tree(file))]


def test_nothing_unpickles_runs_remote_code_or_starts_a_shell() -> None:
    found = {file: forbidden_in(file) for file in FILES}
    assert not {file: names for file, names in found.items() if names}


def forbidden_in(file: str) -> set[str]:
    found = {name for name in imports(ast.walk(tree(file))) if name.partition(".")[0] in FORBIDDEN_MODULES}
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            found |= {called} & FORBIDDEN_CALLS
            found |= {word.arg for word in node.keywords if word.arg in FORBIDDEN_KEYWORDS and not is_false(word.value)}
    return found


def is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def test_the_environment_is_read_in_few_named_places() -> None:
    readers = {
        file
        for file in FILES
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv", "os.putenv"}
    }
    assert not readers - ENVIRONMENT_FILES


def test_yaml_is_read_in_one_place() -> None:
    assert not {file for file in FILES if "yaml" in top_level_packages(file)} - YAML_READERS


def test_no_except_clause_is_bare() -> None:
    handlers = [(file, node) for file in FILES for node in ast.walk(tree(file)) if isinstance(node, ast.ExceptHandler)]
    assert not [f"{file}:{node.lineno}" for file, node in handlers if node.type is None]


def test_no_file_is_named_after_a_drawer() -> None:
    drawers = {"utils", "helpers", "manager", "misc", "common"}
    assert not [file for file in FILES if drawers & set(file.removesuffix(".py").split("/"))]


@pytest.mark.timeout(180)
def test_importing_any_module_does_no_work() -> None:
    outside = {name for file in FILES for name in top_level_packages(file)} - set(LAYERS) - {"__future__"}
    outside |= {"ray.serve", "ray.data"} if "ray" in outside else set()
    done = subprocess.run(
        [sys.executable, "-B", "-c", IMPORT_PROBE, json.dumps(sorted(outside)), json.dumps(MODULES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [], "importing prints, opens, connects, starts or changes something"
