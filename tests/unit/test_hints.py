"""Hints are in the words of the place where they are read: routes over HTTP, commands in the shell."""

from __future__ import annotations

import ast
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

from deployments.replica.extractor_wire import decode_extractor_answers, encode_extractor_answers
from storage.errors import CorruptData, ExtractorUnavailable, LookalikeError

ROOT = Path(__file__).resolve().parents[2]
ROUTE = re.compile(r"\b(GET|POST|PUT|DELETE) /")
# Of the machine that the service runs on, for which there is no route: its models, its packages, to start it.
COMMAND = re.compile(r"lookalike (?!models pull|serve)[a-z]|(?<![\w-])--(?!force-reinstall)[a-z]")
SHELL_HINT = 2  # its place among the arguments of an error


def test_both_hints_survive_the_hops_between_processes() -> None:
    error = ExtractorUnavailable("no model", "GET /v1/features says why", "see `lookalike status`")
    [sent] = decode_extractor_answers(encode_extractor_answers([error]))
    assert isinstance(sent, LookalikeError)
    for copy in (sent, pickle.loads(pickle.dumps(error)), ExtractorUnavailable(*error.args)):
        assert type(copy) is ExtractorUnavailable
        assert (copy.message, copy.hint, copy.shell_hint) == error.args


def test_a_hint_that_is_right_everywhere_is_said_once() -> None:
    assert CorruptData("broken").shell_hint == CorruptData("broken").hint != ""


def test_no_text_of_the_service_names_a_command_but_the_hints_of_the_shell() -> None:
    found = {text for path in _sources(shell=False) for text in _texts(path) if COMMAND.search(text)}
    assert found == set()


def test_no_text_of_the_shell_names_a_route() -> None:
    found = {text for path in _sources(shell=True) for text in _texts(path) if ROUTE.search(text)}
    assert found == set()


def _sources(*, shell: bool) -> Iterator[Path]:
    """Of what is written for the shell, or of the rest. The client and the docs' page speak of neither."""
    for layer in ("graph", "deployments", "storage"):
        for path in (ROOT / layer).rglob("*.py"):
            place = path.relative_to(ROOT).as_posix()
            if place.startswith("graph/cli/") == shell and not place.startswith(("graph/client/", "graph/serving/")):
                yield path


def _texts(path: Path) -> Iterator[str]:
    """The literals of a file that may be shown to somebody: without docstrings and hints for the shell."""
    tree = ast.parse(path.read_text())
    passed_over: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            passed_over.add(node.value)
        if isinstance(node, ast.Call) and len(node.args) > SHELL_HINT:
            passed_over |= set(ast.walk(node.args[SHELL_HINT]))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in passed_over:
            yield f"{path.relative_to(ROOT)}: {node.value}"
