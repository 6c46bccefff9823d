"""A part whose files come late, change, or are damaged: built when it can be, and it says why when it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.replica import loading_part
from deployments.replica.loading_part import LoadingPart
from storage.errors import ExtractorUnavailable
from tests.unit.waiting import wait_for


class Files:
    """A file that stands for a model. tries: how often it was read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tries = 0

    def create(self) -> str:
        self.tries += 1
        text = self.mark()
        if text == "damaged":
            raise ExtractorUnavailable("the file is damaged", "copy it again")
        if text == "strange":
            raise ZeroDivisionError("nobody thought of this")
        return text

    def write(self, text: str) -> None:
        """Whole at once, as a copy that is renamed."""
        unfinished = self.path.with_suffix(".unfinished")
        unfinished.write_text(text)
        unfinished.replace(self.path)

    def mark(self) -> str:
        if not self.path.exists():
            raise ExtractorUnavailable("there is no file", "write it")
        return self.path.read_text()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.setattr(loading_part, "LOOK_INTERVAL_S", 0.01)
    return Files(tmp_path / "model")


@pytest.fixture
def part(files: Files) -> Iterator[LoadingPart[str]]:
    made = LoadingPart("net", files.create, files.mark)
    made.wait()
    yield made
    made.close()


def test_a_missing_file_is_said_at_once_and_looked_for_until_it_is_there(files: Files, part: LoadingPart[str]) -> None:
    assert (part.part, part.state) == (None, "unavailable")
    assert str(part.failure) == "there is no file (write it)"
    files.write("one")
    wait_for(lambda: part.state == "ready", "it is built")
    assert part.part == "one"


@pytest.mark.parametrize("content", ["damaged", "strange"])
def test_a_file_that_cannot_be_used_is_tried_once_and_again_when_it_has_changed(
    files: Files, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    files.write(content)
    part = LoadingPart("net", files.create, files.mark)
    part.wait()
    assert part.state == "unavailable"
    assert isinstance(part.failure, ExtractorUnavailable)
    tries = files.tries
    wait_for(lambda: len(caplog.records) >= 1, "it is said")
    assert files.tries == tries == 1
    files.write("one")
    wait_for(lambda: part.part == "one", "it is built")
    part.close()


def test_a_part_at_work_is_built_anew_when_asked_to_and_goes_on_meanwhile(files: Files) -> None:
    files.write("one")
    part = LoadingPart("net", files.create, files.mark)
    part.wait()
    part.refresh()
    assert files.tries == 1
    files.write("damaged")
    part.refresh()
    wait_for(lambda: files.tries == 2, "it is tried")
    assert (part.part, part.state) == ("one", "ready")
    files.write("two")
    wait_for(lambda: part.part == "two", "it is built anew")
    part.close()


def test_files_that_change_while_they_are_read_are_read_again(files: Files) -> None:
    files.write("half")

    def create() -> str:
        text = files.create()
        files.write("whole")
        return text

    part = LoadingPart("net", create, files.mark)
    wait_for(lambda: part.part == "whole", "the whole file is read")
    part.close()


def test_a_part_without_files_is_tried_once() -> None:
    def create() -> str:
        raise ExtractorUnavailable("a package is missing", "install it")

    part = LoadingPart("net", create)
    part.wait()
    wait_for(lambda: part._loader is not None and not part._loader.is_alive(), "it has ended")
    assert part.state == "unavailable"
