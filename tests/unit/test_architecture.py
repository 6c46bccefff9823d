"""The shape of the program: who may import whom, what importing may do, what never appears in the source."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.unit.rooms import FOUNDATION, ROOMS, room_of

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("lookalike_client", "storage", "deployments", "graph")  # each may import itself and those before it
FILES = sorted(
    name
    for layer in LAYERS
    for path in (ROOT / layer).rglob("*.py")
    if not (name := path.relative_to(ROOT).as_posix()).startswith("lookalike_client/build/")  # made by pip
)
MODULES = [name.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for name in FILES]

RAY_FILES = {
    "storage/cluster/actor.py",
    "storage/cluster/fleet.py",
    "deployments/replica/extractor_service.py",
    "graph/app.py",
    "graph/serving/router.py",
    "graph/ports/replica_calls.py",
    "graph/ports/ray_shard.py",
    "graph/serving/metrics.py",
    "graph/serving/other_routers.py",
    "graph/serving/application.py",
    "graph/serving/ray_head.py",
    "graph/cli/commands/serve.py",
}
RAY_FOLDERS = ("graph/jobs/",)
ENVIRONMENT_FILES = {
    "graph/config/settings.py",  # the API keys
    "graph/cli/terminal/reporting.py",  # whether an unexpected error shows its traceback
    "graph/cli/commands/serve.py",  # which Ray cluster to join
    "graph/jobs/index.py",  # a process's entry point hands it on
    "graph/jobs/backfill.py",  # likewise
    "graph/jobs/import_ambience.py",  # likewise
    "graph/jobs/evaluate.py",  # likewise
    "lookalike_client/session.py",  # where OpenSSL finds a private CA
    "graph/serving/environment.py",  # Ray's own flags: it reads them from the process that starts it
}
YAML_READERS = {"graph/config/yaml_source.py"}

MOST_FILES = 16  # in a room, without __init__.py
MOST_LINES = 300  # in a file
MOST_FUNCTION_LINES = 60
COMPILED_LOOPS = {  # numba compiles each as a whole: a call would cost what it saves
    "deployments/keypoints/detector.py": {"_extrema_loop"},
    "deployments/keypoints/patches.py": {"_directions_loop"},
}
DRAWING = ROOT / "docs" / "architecture.md"

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


def test_imports_point_one_way_from_graph_to_deployments_to_storage_to_the_client() -> None:
    wrong = {}
    for file in FILES:
        above = set(LAYERS[LAYERS.index(file.partition("/")[0]) + 1 :])
        wrong[file] = top_level_packages(file) & (above | {"tests", "benchmarks"})
    assert not {file: names for file, names in wrong.items() if names}


def rooms_imported(file: str) -> set[str]:
    """Rooms that the file imports from, its own left out."""
    found = set()
    for node in ast.walk(tree(file)):
        for name in module_files(node):
            found.add(room_of(name))
    return found - {room_of(file)}


def module_files(node: ast.AST) -> Iterator[str]:
    """Files of ours that an import statement names: ``from a import b`` is ``a/b.py`` where there is such a file."""
    if isinstance(node, ast.Import):
        yield from (file for alias in node.names if (file := file_of(alias.name)))
    elif isinstance(node, ast.ImportFrom) and node.module:
        for alias in node.names:
            file = file_of(f"{node.module}.{alias.name}") or file_of(node.module)
            if file:
                yield file


@cache
def file_of(module: str) -> str | None:
    found = [f"{module.replace('.', '/')}.py", f"{module.replace('.', '/')}/__init__.py"]
    return next((file for file in found if file in FILES), None)


def test_every_file_stands_in_a_room() -> None:
    inside = {file: room_of(file) for file in FILES if room_of(file) not in LAYERS[1:]}
    assert not {file: room for file, room in inside.items() if room not in ROOMS}
    assert set(ROOMS) == set(inside.values()), "a room of the table is empty"


def test_rooms_import_only_what_the_table_allows() -> None:
    wrong = {}
    for file in FILES:
        allowed = FOUNDATION | ROOMS.get(room_of(file), frozenset())
        if beyond := rooms_imported(file) - allowed:
            wrong[file] = beyond
    assert not wrong


def test_every_arrow_of_the_table_is_used() -> None:
    used = {room: set[str]() for room in ROOMS}
    for file in FILES:
        used.setdefault(room_of(file), set()).update(rooms_imported(file))
    assert not {room: allowed - used[room] for room, allowed in ROOMS.items() if allowed - used[room]}


def test_no_arrows_of_the_table_run_in_a_circle() -> None:
    assert not [circle for room in ROOMS if (circle := circle_from(room, ()))]


def circle_from(room: str, path: tuple[str, ...]) -> tuple[str, ...]:
    if room in path:
        return path[path.index(room) :]
    found = (circle_from(next_room, (*path, room)) for next_room in sorted(ROOMS.get(room, ())))
    return next((circle for circle in found if circle), ())


def test_the_drawing_shows_every_room_above_those_that_it_imports() -> None:
    places = drawn_rooms()
    assert set(places) == set(ROOMS)
    for room, allowed in ROOMS.items():
        assert not [below for below in allowed & set(places) if places[below] <= places[room]], room


def drawn_rooms() -> dict[str, int]:
    """The line of each room in the drawing that `docs/architecture.md` begins with."""
    block = DRAWING.read_text("utf-8").split("```rooms\n")[1].split("```")[0]
    places = {}
    for number, line in enumerate(block.splitlines()):
        for name in line.replace("|", " ").split():
            assert name not in places, f"{name} is drawn twice"
            places[name] = number
    return places


def test_every_room_says_in_two_lines_what_it_holds() -> None:
    folders = [room for room in ROOMS if (ROOT / room).is_dir()]
    texts = {room: ast.get_docstring(tree(f"{room}/__init__.py")) or "" for room in folders}
    assert not [room for room, text in texts.items() if len(text.splitlines()) < 2]


def test_no_room_holds_too_many_files() -> None:
    counted = Counter(room_of(file) for file in FILES if not file.endswith("/__init__.py"))
    assert not {room: count for room, count in counted.items() if count > MOST_FILES}


def test_no_file_is_too_long() -> None:
    lengths = {file: len((ROOT / file).read_text("utf-8").splitlines()) for file in FILES}
    assert not {file: lines for file, lines in lengths.items() if lines > MOST_LINES}


def test_no_function_is_too_long() -> None:
    assert not [f"{file}: {name}" for file in FILES for name in long_functions(file)]


def long_functions(file: str) -> Iterator[str]:
    compiled = COMPILED_LOOPS.get(file, set())
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name not in compiled:
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MOST_FUNCTION_LINES:
                yield f"{node.name} has {lines} lines"


def test_types_and_the_client_import_nothing_of_ours() -> None:
    files = [file for file in FILES if file.startswith("storage/types/") or file.startswith("lookalike_client/")]
    assert len(files) > 2
    assert not {file: rooms_imported(file) for file in files if rooms_imported(file)}


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


@pytest.mark.slow
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
