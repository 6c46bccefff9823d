from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.suites.client_suite import ANNOTATIONS, ANSWER, Service, reply
from tests.unit.graph.cli.conftest import Run

WHOLE = ANSWER | {"partial": False, "missing_shards": []}


def answer(result: dict[str, Any]) -> dict[str, Any]:
    return WHOLE | {"results": [ANSWER["results"][0] | result]}  # type: ignore[index]


def test_results_are_lines_of_columns(run: Run) -> None:
    result = run(Service(reply(WHOLE)), "search", "--id", "x")
    assert result.stdout == "rank\tid\tscore\tphash\tsize\tpath\n1\ta/b.jpg\t0.9300\t4\t640x480\t\n"
    assert (result.exit_code, result.stderr) == (0, "")


def test_an_image_is_sent_with_all_that_was_asked(run: Run, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"the picture")
    service = Service(reply(WHOLE))
    run(
        service,
        *("search", str(photo), "-k", "5", "--features", "phash,color", "--weights", "phash=2"),
        *("--max-distance", "phash=64", "--param", "phash.orientations=all", "--text", "a bridge"),
        *("--filter", "width >= 9"),
    )
    form = service.form
    assert "the picture" in form
    for name, value in {
        "k": "5",
        "features": "phash,color",
        "weights": '{"phash": 2.0}',
        "max_distance": '{"phash": 64.0}',
        "params": '{"phash": {"orientations": "all"}}',
        "text": "a bridge",
        "filter": "width >= 9",
    }.items():
        assert f'name="{name}"\r\n\r\n{value}\r\n' in form


def test_options_that_are_given_several_times_all_count(run: Run) -> None:
    service = Service(reply(WHOLE))
    twice = {
        "--features": ("phash", "color,local"),
        "--weights": ("phash=2", "color=3"),
        "--max-distance": ("phash=64", "color=1"),
        "--param": ("phash.mirror=false", "local.min_inliers=8"),
    }
    given = [word for option, values in twice.items() for value in values for word in (option, value)]
    assert run(service, "search", "--id", "x", *given).exit_code == 0
    assert service.body == {
        "id": "x",
        "k": 10,
        "features": ["phash", "color", "local"],
        "weights": {"phash": 2, "color": 3},
        "max_distance": {"phash": 64, "color": 1},
        "params": {"phash": {"mirror": False}, "local": {"min_inliers": 8}},
    }


def test_several_pictures_are_searched_by_together(run: Run, tmp_path: Path) -> None:
    photo, other = tmp_path / "photo.jpg", tmp_path / "other.jpg"
    photo.write_bytes(b"the picture")
    other.write_bytes(b"another picture")
    service = Service(reply(WHOLE))
    given = (str(photo), str(other), "--id", "a", "--id", "b", "--combine", "all")
    assert run(service, "search", *given).exit_code == 0
    assert "the picture" in service.form
    assert "another picture" in service.form
    assert service.form.count('name="id"') == 2
    assert 'name="combine"\r\n\r\nall\r\n' in service.form


@pytest.mark.usefixtures("terminal")
def test_an_id_is_never_broken_over_many_lines(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    long_id = "2019/summer at the sea/" + "a" * 100 + ".jpg"
    matches = {name: {"distance": 0.1234, "rank": 1} for name in ("phash", "color", "global", "image_text")}
    found = answer({"id": long_id, "path": PATH, "matches": matches})
    lines = run(Service(reply(found)), "search", "--id", "x").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    begin = next(number for number, line in enumerate(lines) if line.startswith("    2019/summer"))
    assert "".join("".join(lines[begin : begin + 3]).split()) == "".join(long_id.split())


def test_sentences_to_keep_away_from_are_sent(run: Run) -> None:
    service = Service(reply(WHOLE))
    run(service, "search", "--text", "a bridge", "--text-not", "at night", "--text-not", "rain")
    assert service.body == {"text": "a bridge", "text_not": ["at night", "rain"], "k": 10}


SHOWN = [{"annotations": ANNOTATIONS}, {"annotations": {"tags": ANNOTATIONS["tags"] * 2}}, {}]


def test_what_pictures_show_is_a_column_where_any_result_says_it(run: Run) -> None:
    results = [ANSWER["results"][0] | shown for shown in SHOWN]  # type: ignore[index]
    lines = run(Service(reply(WHOLE | {"results": results})), "search", "--id", "x").stdout.splitlines()
    assert [line.split("\t")[-2] for line in lines] == [
        "shows",
        "an airliner over the sea",
        "airliner 0.93, wing 0.41, airliner 0.93",
        "",
    ]


def test_a_feature_that_left_something_out_says_so(run: Run) -> None:
    features = {"phash": {"status": "ok"}, "image_text": {"status": "ok", "reason": "the text was cut: 12 tokens"}}
    result = run(Service(reply(WHOLE | {"features": features})), "search", "--id", "x")
    assert (result.exit_code, result.stderr) == (0, "lookalike: image_text: the text was cut: 12 tokens\n")


def test_json_is_the_answer_itself(run: Run) -> None:
    result = run(Service(reply(ANSWER)), "search", "--text", "a bridge", "--json")
    shown = json.loads(result.stdout)
    of_no_file = {"path": None, "bytes": 0, "taken_at": None, "camera": None, "gps": None, "missing": False}
    assert shown["results"] == [result | of_no_file for result in ANSWER["results"]]  # type: ignore[attr-defined]
    assert (shown["partial"], shown["missing_shards"], shown["took_ms"]) == (True, [1], 18.4)


def test_an_incomplete_answer_says_what_is_missing(run: Run) -> None:
    result = run(Service(reply(ANSWER)), "search", "--id", "x")
    assert result.exit_code == 0
    assert "image_text is unavailable (no weights), shard 1 did not answer" in result.stderr
    assert result.stderr.count("\n") == 1


def test_inliers_stand_where_there_is_no_distance(run: Run) -> None:
    found = answer({"matches": {"local": {"inliers": 83, "rank": 1}}})
    found["features"] = {"phash": {"status": "ok"}, "local": {"status": "ok"}}
    result = run(Service(reply(found)), "search", "--id", "x")
    assert result.stdout.splitlines()[1].split("\t") == ["1", "a/b.jpg", "0.9300", "", "83", "640x480", ""]


CROP = {  # the query shows 198 400 of the 307 200 pixels of 640 x 480
    "inliers": 83,
    "rank": 1,
    "view": "as_given",
    "homography": [[1, 0, -10], [0, 1, -20], [0, 0, 1]],
    "box": [[10, 20], [506, 20], [506, 420], [10, 420]],
}
SENTENCE = "crop of a/b.jpg, 65 % of its area"


@pytest.mark.parametrize("on_terminal", [False, True])
def test_the_part_that_a_crop_shows_is_said_below_the_table(
    run: Run, on_terminal: bool, request: pytest.FixtureRequest
) -> None:
    if on_terminal:
        request.getfixturevalue("terminal")
    result = run(
        Service(reply(answer({"matches": {"phash": {"distance": 4, "rank": 1}, "local": CROP}}))), "search", "--id", "x"
    )
    table, _, below = result.stdout.partition("\n\n")
    assert "a/b.jpg" in table
    assert below == SENTENCE + "\n"
    assert (result.exit_code, result.stderr) == (0, "")


def test_only_the_first_results_are_put_in_words(run: Run) -> None:
    results = answer({"matches": {"local": CROP}})["results"] * 6
    result = run(Service(reply(WHOLE | {"results": results})), "search", "--id", "x")
    assert result.stdout.count(SENTENCE) == 5
    assert len(result.stdout.partition("\n\n")[0].splitlines()) == 7


def test_a_match_that_does_not_say_where_is_only_in_the_table(run: Run) -> None:
    nowhere = CROP | {"homography": [[None] * 3] * 3}
    result = run(Service(reply(answer({"matches": {"local": nowhere}}))), "search", "--id", "x")
    assert "crop" not in result.stdout
    assert len(result.stdout.splitlines()) == 2
    assert result.exit_code == 0


@pytest.mark.usefixtures("terminal")
def test_a_terminal_gets_a_table(run: Run) -> None:
    mirrored = answer({"matches": {"phash": {"distance": 4, "rank": 1, "view": "mirrored"}}})
    result = run(Service(reply(mirrored)), "search", "--id", "x")
    assert "┃ id " in result.stdout
    assert " 4 mirrored " in result.stdout


@pytest.mark.usefixtures("terminal")
def test_a_terminal_is_told_that_nothing_was_found(run: Run) -> None:
    assert run(Service(reply(WHOLE | {"results": []})), "search", "--id", "x").stdout == "nothing found\n"


PATH = "/home/anna/Pictures/2019/summer at the sea/a/b.jpg"


def test_the_path_is_the_last_column(run: Run) -> None:
    lines = run(Service(reply(answer({"path": PATH}))), "search", "--id", "x").stdout.splitlines()
    assert lines == ["rank\tid\tscore\tphash\tsize\tpath", f"1\ta/b.jpg\t0.9300\t4\t640x480\t{PATH}"]


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (200, f"│ {PATH} │"),
        (85, "anna/…mmer at the sea/a/b.jpg │"),
        (70, f"\n    {PATH}"),
        (50, "\n    /home/anna/Pict…2019/summer at the sea/a/b.jpg"),
    ],
)
def test_a_terminal_gets_as_much_of_the_path_as_it_has_room_for(
    run: Run, monkeypatch: pytest.MonkeyPatch, columns: int, shown: str
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    result = run(Service(reply(answer({"path": PATH}))), "search", "--id", "x")
    assert shown in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= columns


@pytest.mark.parametrize("on_terminal", [False, True])
def test_an_id_is_shown_as_text(run: Run, on_terminal: bool, request: pytest.FixtureRequest) -> None:
    if on_terminal:
        request.getfixturevalue("terminal")
    hostile = "[red]x[/red]\x1b]0;owned\x07\t\u202egpj.exe :smile:"
    result = run(
        Service(reply(answer({"id": hostile, "path": hostile, "matches": {"local": CROP}}))), "search", "--id", "x"
    )
    assert result.stdout.count("[red]x[/red]\\x1b]0;owned\\x07\\t\\u202egpj.exe :smile:") == 3
    assert "\x1b" not in result.stdout
