from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.cli.terminal.output import bytes_text, counted, figure, one_line, printable


@given(st.text())
def test_no_text_can_steer_a_terminal(text: str) -> None:
    shown = printable(text)
    assert not any(character in shown for character in "\x1b\x9b\n\r\t\b\x07\u202e\u2028")
    shown.encode()


@pytest.mark.parametrize("text", ["bridge.jpg", "søndag/橋.jpg", "[bold]x[/bold]", "a b"])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_a_message_of_several_lines_becomes_one() -> None:
    assert one_line(" a\n  b\tc ") == "a b c"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1_234_567, "1.2 MB"), (5_000_000_000_000, "5.0 TB")]
)
def test_sizes_are_readable(count: int, text: str) -> None:
    assert bytes_text(count) == text


def test_distances_are_short() -> None:
    assert (figure(4), figure(0.123456), figure(12.0)) == ("4", "0.1235", "12")


def test_a_number_of_things_has_its_plural() -> None:
    assert [counted(number, "image") for number in (0, 1, 2)] == ["0 images", "1 image", "2 images"]
