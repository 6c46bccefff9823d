"""YAML that remembers where each of its values stands, so that an error can name the line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from storage.errors import Misconfigured

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class YamlSource:
    """A parsed file. lines: the line (from 1) of every key and list item, by its path from the root."""

    name: str
    value: Any
    lines: dict[KeyPath, int]

    def line_of(self, path: KeyPath) -> int:
        """The line of a path, or of its nearest ancestor that the file has."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def lines_of(self, path: KeyPath) -> tuple[int, int]:
        """The first line of a path, and the last one on which a key below it begins."""
        below = [line for other, line in self.lines.items() if other[: len(path)] == path]
        return self.line_of(path), max(below, default=self.line_of(path))

    def fault(self, path: KeyPath, message: str, hint: str = "") -> Misconfigured:
        """An error that starts with ``file:line``."""
        return Misconfigured(f"{self.name}:{self.line_of(path)}: {message}", hint)

    def faults_below(self, where: KeyPath) -> Callable[[KeyPath, str, str], Misconfigured]:
        """`fault` for paths that begin at that one."""

        def fault(path: KeyPath, message: str, hint: str) -> Misconfigured:
            return self.fault((*where, *path), message, hint)

        return fault


def read_yaml(path: Path, what: str = "a configuration file") -> YamlSource:
    """what: the file should be. Raises Misconfigured, with file and line, for a file that cannot be read, is not YAML,
    or gives a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise Misconfigured(f"{path}: cannot be read: {reason}", f"give the path of {what}") from error
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        source = YamlSource(str(path), None, {})
        if node is None:
            return source
        _collect_lines(node, (), source)
        return replace(source, value=loader.construct_document(node))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise Misconfigured(
            f"{path}:{line}: not valid YAML: {error.problem}", "check indentation and brackets"
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Misconfigured(f"{path}: not valid YAML: {error}", "check the file's characters") from error
    finally:
        loader.dispose()


def on_one_line(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1000).strip()


def _collect_lines(node: yaml.Node, path: KeyPath, source: YamlSource) -> None:
    source.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _collect_lines(item, (*path, index), source)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            child = (*path, str(key.value))
            if child in source.lines:
                raise source.fault(
                    child,
                    f"the key {key.value!r} is given again on line {key.start_mark.line + 1}",
                    "keep one of the two",
                )
            source.lines[child] = key.start_mark.line + 1
            _collect_lines(value, child, source)
