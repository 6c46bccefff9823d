"""What commands write: rich tables on a terminal, tab-separated lines under a heading elsewhere, JSON where asked. Text
from elsewhere (ids, metadata, messages) is made fit for a terminal, and figures are made readable.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from lookalike_client import Tag

# Control, format (such as the marks that reverse a line), surrogate, line and paragraph separator.
HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


BORDER = 3  # cells between two columns of a table
GAP = 2  # likewise, of one without lines
LEAST_PATH = 30  # cells
INDENT = 4  # cells, of what stands below a row


def on_terminal() -> bool:
    return sys.stdout.isatty()


def say(line: str) -> None:
    """One line of text on stdout."""
    print(printable(line))


def show_json(value: Any) -> None:
    """A dataclass, or whatever is made of them, as JSON; ASCII only, so that no id can steer a terminal."""
    print(json.dumps(value, indent=2, default=_plain))


def show_table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, long: Collection[str] = ()) -> None:
    """A column whose heading ends in a space is aligned to the right. long: headings of columns whose cells may be
    long; where a terminal is too narrow for the table, as many of them as need be, from the last on, stand below their
    row, each in lines of its own.
    """
    if not on_terminal():
        for line in ([heading.strip() for heading in headings], *rows):
            print("\t".join(printable(cell) for cell in line))
        return
    if long and _table_width(headings, rows) > console().width:
        _show_stacked(headings, rows, long)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(header_style="bold")
    for heading in headings:
        table.add_column(heading.strip(), justify="right" if heading.endswith(" ") else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console().print(table)


def _table_width(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Cells that a table takes in which nothing is folded."""
    from rich.cells import cell_len

    lines = [[printable(cell) for cell in line] for line in (headings, *rows)]
    return sum(BORDER + max(map(cell_len, column)) for column in zip(*lines, strict=True)) + 1


def _show_stacked(headings: Sequence[str], rows: Sequence[Sequence[str]], long: Collection[str]) -> None:
    """Where the cell that begins a row is taken out of it, it stands above, and all the others are indented."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    page = console()
    short = list(range(len(headings)))
    widths = [max(len(printable(line[column]).strip()) for line in (headings, *rows)) for column in short]
    for column in [column for column in reversed(short) if headings[column] in long]:
        if sum(widths[one] + GAP for one in short) - GAP > page.width:
            short.remove(column)
    leads = 0 not in short
    others = [column for column in range(len(headings)) if column not in short and any(row[column] for row in rows)]

    def show(what: Text | Table, indent: int) -> None:
        page.print(Padding(what, (0, 0, 0, indent), expand=False))

    for number, line in enumerate((headings, *rows)):
        style = "" if number else "bold"
        grid = Table.grid(padding=(0, GAP, 0, 0))
        for column in short:
            grid.add_column(min_width=widths[column], justify="right" if headings[column].endswith(" ") else "left")
        grid.add_row(*(Text(printable(line[column]).strip(), style) for column in short))
        cells = [(column, Text(printable(line[column]), style, overflow="fold")) for column in others if line[column]]
        if leads and cells and cells[0][0] == 0:
            show(cells.pop(0)[1], 0)
        show(grid, INDENT if leads else 0)
        for _, cell in cells:
            show(cell, INDENT)


def show_table_with_paths(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    paths: Sequence[str | None],
    *,
    long: Collection[str] = (),
) -> None:
    """A table and the paths of its rows: the last column. A terminal gets it where there are any paths, with as much
    of each as there is room for. long: as of `show_table`.
    """
    if on_terminal() and not any(paths):
        show_table(headings, rows, long=long)
        return
    shown = [path or "" for path in paths]
    if on_terminal():
        width = console().width
        room = width - _table_width(headings, rows) - BORDER
        shown = [shortened(printable(path), room if room >= LEAST_PATH else width - INDENT) for path in shown]
    show_table([*headings, "path"], [[*row, path] for row, path in zip(rows, shown, strict=True)], long=[*long, "path"])


def shortened(path: str, room: int) -> str:
    """The path in so many cells, without its middle where it is longer: where it begins and what it is called stay."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(path) <= room:
        return path
    head = set_cell_size(path, (room - 1) // 3).rstrip()
    tail = path[len(head) + 1 :][-room:]
    while cell_len(tail) > room - 1 - cell_len(head):
        tail = tail[1:]
    return f"{head}\u2026{tail}"


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
        from lookalike_client.answers import json_name

        # What the service says under another name than the class is there under both.
        return {name: getattr(value, field.name) for field in fields(value) for name in (field.name, json_name(field))}
    if isinstance(value, datetime):
        return _utc(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def printable(text: str) -> str:
    """The text with everything that could steer a terminal, or forge a line or column, shown as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c.encode("unicode_escape").decode("ascii") if unicodedata.category(c) in HIDDEN_CATEGORIES else c for c in text
    )


def one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def bytes_text(count: int) -> str:
    """1234567 -> "1.2 MB"."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def byte_size(count: int) -> str:
    """Of so many bytes: readable for people, the number itself for programs."""
    return bytes_text(count) if on_terminal() else str(count)


def moment(at: datetime) -> str:
    """Short for people, ``2024-05-01 12:00Z``; as in JSON for programs."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%MZ}" if on_terminal() else _utc(at)


def _utc(at: datetime) -> str:
    """As the service writes it: ``2024-05-01T12:00:00.000Z``."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def figure(value: object) -> str:
    """A distance or score, short: 4, 0.1235."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def place(gps: tuple[float, float]) -> str:
    """(48.85819, -2.2945) -> "48.85819, -2.29450", as maps take it."""
    return f"{gps[0]:.5f}, {gps[1]:.5f}"


def states(features: Mapping[str, str]) -> str:
    """{"phash": "ok", "color": "pending"} -> "phash ok, color pending"."""
    return ", ".join(f"{name} {state}" for name, state in features.items())


def counted(number: int, noun: str) -> str:
    """1, "feature" -> "1 feature"; 2, "feature" -> "2 features"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def tags_text(tags: Sequence[Tag]) -> str:
    """ "airliner 0.93, wing 0.41"."""
    return ", ".join(f"{tag.label} {tag.score:.2f}" for tag in tags)
