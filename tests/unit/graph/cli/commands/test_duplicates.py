from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from graph.cli.commands.duplicates import consistent
from graph.moving.journal import NAME
from lookalike_client import DuplicateGroup, DuplicatePicture
from tests.suites.client_suite import Service, failure, reply
from tests.unit.graph.cli.conftest import Run
from tests.unit.graph.moving.duplicate_files import Index, group, write

SOMEBODY_IS_THERE = SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True))
EMPTY: dict[str, Any] = {"groups": [], "next_cursor": None, "looked_at": 9, "undecided": 0}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """The one to keep, and two duplicates of it."""
    return write(tmp_path / "photos", "keep.jpg", "a.jpg", "b.jpg")


def test_shows_every_group_and_what_would_be_freed(run: Run, files: list[Path]) -> None:
    index = Index(group(*files))
    result = run(index, "duplicates")
    assert result.stdout.splitlines() == [
        "kept\tduplicate\tis\tsure\tkept for\tdistance\tsize\tbytes",
        "keep.jpg\ta.jpg\tsame\t0.995\t\t3\t64x48\t650",
        "keep.jpg\tb.jpg\tsame\t0.995\t\t4\t64x48\t650",
        "1 group, 2 duplicates, 1.3 kB would be freed",
    ]
    assert (result.exit_code, result.stderr) == (0, "")
    assert index.asked == [{"limit": "100"}]


def test_asks_for_other_relations(run: Run, files: list[Path]) -> None:
    index = Index(group(*files))
    assert run(index, "duplicates", "--relation", "edited,crop").exit_code == 0
    assert index.asked == [{"relation": "edited,crop", "limit": "100"}]


@pytest.mark.usefixtures("terminal")
def test_shows_a_table_on_a_terminal(run: Run, files: list[Path]) -> None:
    result = run(Index(group(*files)), "duplicates")
    assert "650 B" in result.stdout
    assert "keep.jpg" in result.stdout


def test_asks_page_by_page_and_with_the_threshold(run: Run) -> None:
    service = Service(reply(EMPTY | {"next_cursor": "10.1.0.4"}), reply(EMPTY))
    result = run(service, "duplicates", "--threshold", "10")
    assert result.stdout.splitlines()[-1] == "0 groups, 0 duplicates, 0 B would be freed"
    asked = [dict(request.url.params) for request in service.requests]
    assert asked == [{"threshold": "10", "limit": "100"}, {"threshold": "10", "limit": "100", "cursor": "10.1.0.4"}]


def test_says_what_was_left_out(run: Run, files: list[Path]) -> None:
    index = Index(group(*files, left_out=7))
    assert "7 more pictures" in run(index, "duplicates").stderr
    assert "2 pictures were left alone" in run(Service(reply(EMPTY | {"undecided": 2})), "duplicates").stderr


def test_writes_json_to_stdout_or_to_a_file(run: Run, files: list[Path], tmp_path: Path) -> None:
    result = run(Index(group(*files)), "duplicates", "--json")
    said = json.loads(result.stdout)
    [found] = said["groups"]
    assert (found["keep"]["id"], [one["distance"] for one in found["duplicates"]]) == ("keep.jpg", [3, 4])
    assert (said["duplicates"], said["bytes"], said["left_out"], said["undecided"]) == (2, 1300, 0, 0)
    file = tmp_path / "groups.json"
    result = run(Index(group(*files)), "duplicates", "--output", str(file))
    assert json.loads(file.read_text()) == said
    assert result.stdout.splitlines()[-1].startswith("1 group")


def test_moves_the_duplicates_and_puts_them_back(run: Run, files: list[Path], tmp_path: Path) -> None:
    keep, *duplicates = files
    aside = tmp_path / "aside"
    index = Index(group(*files))
    rehearsed = run(index, "duplicates", "--move", str(aside), "--dry-run")
    assert rehearsed.stdout.splitlines()[-1] == f"would move 2 files, 1.3 kB, to {aside}"
    assert not aside.exists()
    assert all(path.exists() for path in files)
    moved = run(index, "duplicates", "--move", str(aside), "--yes")
    assert moved.stdout == rehearsed.stdout.replace("would move", "moved")
    assert (keep.exists(), *(path.exists() for path in duplicates)) == (True, False, False)
    assert (index.deleted, moved.exit_code) == (["a.jpg", "b.jpg"], 0)
    undone = run(None, "duplicates", "--undo", str(aside))
    assert undone.stdout.splitlines() == [
        "put back 2 files",
        "2 pictures had left the index; to have them in it again:",
        f"  lookalike index {keep.parent}/",
    ]
    assert all(path.exists() for path in files)
    assert run(None, "duplicates", "--undo", str(aside)).stdout == "put back 0 files\n"


def test_on_a_pipe_nothing_is_moved_without_yes(run: Run, files: list[Path], tmp_path: Path) -> None:
    index = Index(group(*files))
    for options in ([], ["--json"]):
        refused = run(index, "duplicates", "--move", str(tmp_path / "aside"), *options)
        assert refused.exit_code == 2
        assert refused.stderr.startswith(f"lookalike: --move would move 2 files to {tmp_path / 'aside'}, ")
        assert refused.stderr.endswith("nobody is here to answer; add --yes\n")
    assert (index.deleted, all(path.exists() for path in files)) == ([], True)
    assert run(Index(group(files[0])), "duplicates", "--move", str(tmp_path / "aside")).exit_code == 0


@pytest.mark.parametrize("answer", [True, False])
def test_a_person_is_shown_what_would_be_moved_and_asked(
    run: Run, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bool
) -> None:
    questions: list[str] = []

    def confirm(question: str, err: bool) -> bool:
        questions.append(question)
        return answer

    monkeypatch.setattr("graph.cli.terminal.asking.sys", SOMEBODY_IS_THERE)
    monkeypatch.setattr("typer.confirm", confirm)
    aside = tmp_path / "aside"
    result = run(Index(group(*files)), "duplicates", "--move", str(aside))
    assert questions == [f"Move 2 files to {aside}, and take them out of the index?"]
    assert f"would move 2 files, 1.3 kB, to {aside}" in result.stdout
    last = f"moved 2 files, 1.3 kB, to {aside}" if answer else "nothing was moved"
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, last)
    assert [path.exists() for path in files] == [True, not answer, not answer]


def test_lists_the_files_that_stay_and_why(run: Run, files: list[Path], tmp_path: Path) -> None:
    found = group(*files, None)
    files[1].unlink()
    result = run(Index(found), "duplicates", "--move", str(tmp_path / "aside"), "--yes", "--json")
    said = json.loads(result.stdout)
    assert [Path(one["source"]).name for one in said["moved"]] == ["b.jpg"]
    assert [(Path(one["path"]).name, one["reason"].rpartition(" ")[2]) for one in said["not_moved"]] == [
        ("a.jpg", "machine"),
        ("upload", "file"),
    ]
    text = run(Index(found), "duplicates", "--move", str(tmp_path / "aside"), "--dry-run").stdout
    assert "3 files not moved:\nfile\treason\n" in text
    assert "was uploaded: it has no file" in text


def test_goes_on_where_a_killed_command_ended(run: Run, files: list[Path], tmp_path: Path) -> None:
    aside, index = str(tmp_path / "aside"), Index(group(*files))
    assert run(index, "duplicates", "--move", aside, "--yes").exit_code == 0
    journal = Path(aside) / NAME
    lines = [line for line in journal.read_text().splitlines() if line]
    journal.write_text("\n".join(lines[:-1]))  # the last word was that b.jpg had left the index
    index = Index(group(*files[:1]))
    move = json.loads(lines[3])["move"]
    index.rows["b.jpg"] = replace(index.rows["keep.jpg"], id="b.jpg", path=move["source"], sha256=move["sha256"])
    run(index, "duplicates", "--move", aside, "--yes")
    assert index.deleted == ["b.jpg"]


def test_undoing_fails_where_a_file_is_in_the_way(run: Run, files: list[Path], tmp_path: Path) -> None:
    aside = str(tmp_path / "aside")
    run(Index(group(*files)), "duplicates", "--move", aside, "--yes")
    files[1].write_bytes(b"new here")
    result = run(None, "duplicates", "--undo", aside)
    assert result.exit_code == 1
    assert "put back 1 file\n" in result.stdout
    assert "1 file not moved:\n" in result.stdout
    assert "there is a file in its place" in result.stdout


def test_a_folder_that_is_indexed_is_refused(run: Run, files: list[Path], tmp_path: Path) -> None:
    index = Index(group(*files))
    index.job_paths = [str(tmp_path / "other")]
    for folder in (files[0].parent / "aside", tmp_path / "other" / "aside"):
        result = run(index, "duplicates", "--move", str(folder), "--dry-run")
        assert (result.exit_code, "would be indexed again" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--dry-run"],
        ["--yes"],
        ["--undo", "x", "--yes"],
        ["--undo", "x", "--move", "y"],
        ["--undo", "x", "--dry-run"],
        ["--undo", "x", "--json"],
        ["--undo", "no such folder"],
        ["--threshold", "500"],
    ],
)
def test_wrong_usage_is_one_line(run: Run, arguments: list[str]) -> None:
    result = run(None, "duplicates", *arguments)
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (2, "", 1)


@pytest.mark.parametrize(
    ("answer", "exit_code"),
    [
        (failure("unknown_feature", 422), 2),
        (failure("shard_unavailable", 503), 1),
        (httpx.ConnectError("Connection refused"), 3),
    ],
)
def test_a_failure_is_one_line_and_an_exit_code(
    run: Run, answer: httpx.Response | httpx.HTTPError, exit_code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    result = run(Service(answer), "duplicates")
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (exit_code, "", 1)


def test_a_picture_that_others_changed_meanwhile_is_in_one_group_at_most() -> None:
    a, b, c, d = (DuplicatePicture(name, 1, 1, 1, "", None, 1) for name in "abcd")
    groups = [DuplicateGroup(a, (b, c)), DuplicateGroup(b, (c, d)), DuplicateGroup(d, (a,))]
    found = [(one.keep.id, [other.id for other in one.duplicates]) for one in consistent(groups)]
    assert found == [("a", ["c"])]


DECISION = {"id": "d1", "a": "x", "b": "y", "decision": "keep_both", "note": None, "decided_at": "2026-01-31T12:00:00Z"}


def test_decides_of_two_pictures(run: Run) -> None:
    service = Service(reply(DECISION, 201))
    result = run(service, "duplicates", "keep-both", "x", "y", "--note", "both are mine")
    assert result.stdout == "x and y both stay: they are in no group together; the decision is d1\n"
    assert service.body == {"a": "x", "b": "y", "decision": "keep_both", "note": "both are mine"}


def test_lists_decisions_and_takes_one_back(run: Run) -> None:
    listed = run(Service(reply({"decisions": [DECISION]})), "duplicates", "decisions")
    assert listed.stdout.splitlines()[1:] == ["d1\tkeep_both\tx\ty\t2026-01-31T12:00:00.000Z\t", "1 decision"]
    service = Service(httpx.Response(204))
    assert run(service, "duplicates", "take-back", "d1").stdout == "the decision d1 is taken back\n"
    assert (service.request.method, service.request.url.path) == ("DELETE", "/v1/duplicates/decisions/d1")


@pytest.mark.parametrize("words", [["keep"], ["later", "x", "y"], ["decisions", "--threshold", "3"], ["--note", "x"]])
def test_words_that_say_nothing_are_refused(run: Run, words: list[str]) -> None:
    assert run(None, "duplicates", *words).exit_code == 2


def test_what_is_not_surely_the_same_stays(run: Run, files: list[Path], tmp_path: Path) -> None:
    found = group(*files)
    first, second = found.duplicates
    unsure = replace(found, duplicates=(replace(first, confidence=0.98), replace(second, relation="edited")))
    result = run(Index(unsure), "duplicates", "--move", str(tmp_path / "aside"), "--yes")
    assert "moved 0 files" in result.stdout
    assert "it is the same as the picture to keep by 0.980, 0.99 is wanted" in result.stdout
    assert "it is not the same as the picture to keep: edited" in result.stdout
    assert all(path.exists() for path in files)


def test_groups_by_a_threshold_are_judged_before_files_are_moved(run: Run, files: list[Path], tmp_path: Path) -> None:
    found = group(*files)
    unjudged = tuple(replace(one, relation=None, confidence=None) for one in found.duplicates)
    index = Index(replace(found, duplicates=unjudged))
    answers = iter([("same", 0.999), ("scene", 0.95)])

    def service(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/v1/compare":
            return index(request)
        relation, confidence = next(answers)
        said = {"relation": relation, "confidence": confidence}
        return reply({"id": "keep.jpg", "score": 1.0, "matches": {}, "width": 64, "height": 48, **said})

    result = run(service, "duplicates", "--threshold", "64", "--move", str(tmp_path / "aside"), "--yes")
    assert index.deleted == ["a.jpg"]
    assert "it is not the same as the picture to keep: scene" in result.stdout
