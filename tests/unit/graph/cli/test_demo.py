"""What `make demo` prints of an answer."""

from __future__ import annotations

from rich.console import Console

from graph.cli.demo import answer_table
from lookalike_client import Match, SearchAnswer, SearchResult, Transform


def test_its_table_says_what_the_pictures_are() -> None:
    matches = {"phash": Match(distance=4)}
    results = (
        SearchResult(
            *("[red]a.jpg", 1.0, matches, 640, 480),
            relation="crop",
            confidence=0.9996,
            transform=Transform(True, 0.0, 2.0),
        ),
        SearchResult("b.jpg", 0.5, matches, 640, 480, relation="similar", because=("color",)),
        SearchResult("c.jpg", 0.4, {}, 640, 480),
    )
    console = Console(width=120, force_terminal=False)
    with console.capture() as printed:
        console.print(answer_table("by photo", SearchAnswer(results, {}, verdict="match", took_ms=12.3)))
    lines = printed.get().splitlines()
    assert lines[0].strip() == "by photo: a match (12 ms)"
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "jpg" in line]
    assert cells == [
        ["[red]a.jpg", "crop 99 %, mirrored", "1.000", "4"],
        ["b.jpg", "similar, color", "0.500", "4"],
        ["c.jpg", "", "0.400", ""],
    ]
