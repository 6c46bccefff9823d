"""What commands write: rich tables on a terminal, tab-separated lines under a heading elsewhere, JSON where asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from graph.cli.terminal.text import printable

if TYPE_CHECKING:
    from rich.console import Console


def on_terminal() -> bool:
    return sys.stdout.isatty()


def say(line: str) -> None:
    """One line of text on stdout."""
    print(printable(line))


def show_json(value: Any) -> None:
    """A dataclass, or whatever is made of them, as JSON; ASCII only, so that no id can steer a terminal."""
    print(json.dumps(value, indent=2, default=_plain))


def show_table(headings: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """A column whose heading ends in a space is aligned to the right."""
    if not on_terminal():
        for line in ([heading.strip() for heading in headings], *rows):
            print("\t".join(printable(cell) for cell in line))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(printable(title)) if title else None, title_justify="left", header_style="bold")
    for heading in headings:
        table.add_column(heading.strip(), justify="right" if heading.endswith(" ") else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console().print(table)


def show_pairs(pairs: Mapping[str, str]) -> None:
    """Names and values, one pair a line."""
    if not on_terminal():
        for name, value in pairs.items():
            print(f"{name}\t{printable(value)}")
        return
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in pairs.items():
        grid.add_row(name, Text(printable(value)))
    console().print(grid)


def console(*, stderr: bool = False) -> Console:
    """A console that takes text as text: no markup, no guessed highlights, no emoji codes."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
