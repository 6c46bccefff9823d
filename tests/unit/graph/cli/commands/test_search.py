from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.suites.client_suite import ANNOTATIONS, ANSWER, Service, reply
from tests.unit.graph.cli.conftest import Run

WHOLE = ANSWER | {"partial": False, "missing_shards": []}
HEADING = "rank\tid\trelation\tconfidence\thow\tscore\tphash\tsize\tpath"


def answer(result: dict[str, Any]) -> dict[str, Any]:
    return found(result)


def found(*results: dict[str, Any]) -> dict[str, Any]:
    """An answer with results that have these fields."""
    plain: dict[str, Any] = ANSWER["results"][0]  # type: ignore[index]
    return WHOLE | {"results": [plain | result for result in results], "verdict": "match"}


def test_results_are_lines_of_columns(run: Run) -> None:
    result = run(Service(reply(WHOLE)), "search", "--id", "x")
    assert (
        result.stdout
        == "rank\tid\trelation\tconfidence\thow\tscore\tphash\tsize\tpath\n1\ta/b.jpg\t\t\t\t0.9300\t4\t640x480\t\n"
    )
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
        "relevance": "likely",
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
    assert service.body == {"text": "a bridge", "text_not": ["at night", "rain"], "k": 10, "relevance": "likely"}


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
    unsaid: dict[str, Any] = dict.fromkeys(("path", "taken_at", "camera", "gps", "relation", "confidence"))
    unsaid |= {"bytes": 0, "missing": False, "because": [], "transform": None, "overlap": None, "explain": None}
    assert shown["results"] == [result | unsaid for result in ANSWER["results"]]  # type: ignore[attr-defined]
    assert (shown["partial"], shown["missing_shards"], shown["took_ms"]) == (True, [1], 18.4)
    assert shown["verdict"] == "none"


def test_an_incomplete_answer_says_what_is_missing(run: Run) -> None:
    result = run(Service(reply(ANSWER)), "search", "--id", "x")
    assert result.exit_code == 0
    assert "image_text is unavailable (no weights), shard 1 did not answer" in result.stderr
    assert result.stderr.count("\n") == 1


def test_inliers_stand_where_there_is_no_distance(run: Run) -> None:
    found = answer({"matches": {"local": {"inliers": 83, "rank": 1}}})
    found["features"] = {"phash": {"status": "ok"}, "local": {"status": "ok"}}
    result = run(Service(reply(found)), "search", "--id", "x")
    assert result.stdout.splitlines()[1].split("\t") == ["1", "a/b.jpg", "", "", "", "0.9300", "", "83", "640x480", ""]


CROP = {  # the query shows 198 400 of the 307 200 pixels of 640 x 480
    "inliers": 83,
    "rank": 1,
    "view": "as_given",
    "homography": [[1, 0, -10], [0, 1, -20], [0, 0, 1]],
    "box": [[10, 20], [506, 20], [506, 420], [10, 420]],
}
SENTENCE = "crop of a/b.jpg, 65 % of its area"
PROVEN = {"relation": "crop", "confidence": 0.9}


@pytest.mark.parametrize("on_terminal", [False, True])
def test_the_part_that_a_crop_shows_is_said_below_the_table(
    run: Run, on_terminal: bool, request: pytest.FixtureRequest
) -> None:
    if on_terminal:
        request.getfixturevalue("terminal")
    result = run(
        Service(reply(answer(PROVEN | {"matches": {"phash": {"distance": 4, "rank": 1}, "local": CROP}}))),
        "search",
        "--id",
        "x",
    )
    table, _, below = result.stdout.partition("\n\n")
    assert "a/b.jpg" in table
    assert below == SENTENCE + "\n"
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize("unproven", [{}, {"relation": "scene", "confidence": 0.9}, PROVEN | {"confidence": 0.4}])
def test_nothing_is_called_a_crop_that_is_not_proven(run: Run, unproven: dict[str, Any]) -> None:
    result = run(Service(reply(answer(unproven | {"matches": {"local": CROP}}))), "search", "--id", "x")
    assert "crop of" not in result.stdout


def test_only_the_first_results_are_put_in_words(run: Run) -> None:
    results = answer(PROVEN | {"matches": {"local": CROP}})["results"] * 6
    result = run(Service(reply(WHOLE | {"results": results})), "search", "--id", "x")
    assert result.stdout.count(SENTENCE) == 5
    assert len(result.stdout.partition("\n\n")[0].splitlines()) == 7


def test_a_match_that_does_not_say_where_is_only_in_the_table(run: Run) -> None:
    nowhere = CROP | {"homography": [[None] * 3] * 3}
    result = run(Service(reply(answer(PROVEN | {"matches": {"local": nowhere}}))), "search", "--id", "x")
    assert "crop of" not in result.stdout
    assert len(result.stdout.splitlines()) == 2
    assert result.exit_code == 0


@pytest.mark.usefixtures("terminal")
def test_a_terminal_gets_a_table(run: Run) -> None:
    mirrored = answer({"matches": {"phash": {"distance": 4, "rank": 1, "view": "mirrored"}}})
    result = run(Service(reply(mirrored)), "search", "--id", "x")
    assert "┃ id " in result.stdout
    assert " 4 mirrored " in result.stdout


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ([], "likely"),
        (["--relevance", "strong"], "strong"),
        (["--all"], None),
        (["--relevance", "strong", "--all"], None),
        (["--relevance", "all"], None),
    ],
)
def test_what_is_likely_is_asked_for_unless_said(run: Run, options: list[str], sent: str | None) -> None:
    service = Service(reply(WHOLE))
    run(service, "search", "--id", "x", *options)
    assert service.body.get("relevance") == sent


EDITED = {
    "relation": "edited",
    "confidence": 0.984,
    "transform": {"mirrored": True, "rotation_deg": 89.7, "scale": 1.0},
    "matches": {"phash": {"distance": 4, "rank": 1, "view": "mirrored"}},
}
SIMILAR = {"relation": "similar", "because": ["color", "global"]}


def test_what_a_result_is_has_columns_of_its_own(run: Run) -> None:
    lines = run(Service(reply(found(EDITED, SIMILAR))), "search", "--id", "x").stdout.splitlines()
    assert [line.split("\t")[2:5] for line in lines] == [
        ["relation", "confidence", "how"],
        ["edited", "0.9840", "mirrored, turned 90°"],
        ["similar", "", "color, global"],
    ]


@pytest.mark.usefixtures("terminal")
def test_a_terminal_has_what_a_result_is_in_words(run: Run) -> None:
    result = run(Service(reply(found(EDITED, SIMILAR))), "search", "--id", "x")
    assert "│ edited 98 % │ mirrored, turned 90° │" in result.stdout
    assert "│ similar     │ color, global        │" in result.stdout
    assert " 4 │" in result.stdout  # and not once more that it is mirrored
    assert "no match" not in result.stdout


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(("confidence", "shown"), [(1.0, "same 100 %"), (0.998, "same 99 %"), (0.5, "same 50 %")])
def test_only_what_is_certain_has_a_hundred_percent(run: Run, confidence: float, shown: str) -> None:
    result = run(Service(reply(found({"relation": "same", "confidence": confidence}))), "search", "--id", "x")
    assert shown in result.stdout


@pytest.mark.usefixtures("terminal")
def test_a_table_of_judged_results_fits_eighty_columns(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    names = ("phash", "color", "local", "global", "image_text")
    matches = {name: {"distance": 0.1234, "rank": 1} for name in names}
    worst = EDITED | {"relation": "contains", "matches": matches, "id": "2019/" + "a" * 90, "path": PATH}
    lines = run(Service(reply(found(worst))), "search", "--id", "x").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert any("contains 98 %" in line for line in lines)
    assert "    mirrored, turned 90°" in lines


NONE = "no match: nothing in the collection stands out"
UNLIKE = "no match: nothing in the collection is the same picture"


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    ("verdict", "results", "options", "line"),
    [
        ("none", [], [], f"{NONE}; see the nearest all the same with --all"),
        ("none", [{}], ["--all"], NONE),
        ("similar", [SIMILAR], [], f"{UNLIKE}; some are similar"),
        ("similar", [SIMILAR], ["--all"], f"{UNLIKE}; some are similar"),
        ("similar", [], ["--relevance", "strong"], f"{UNLIKE}; see what is similar with --relevance likely"),
    ],
)
def test_a_terminal_is_told_that_nothing_is_the_same_picture(
    run: Run, verdict: str, results: list[dict[str, Any]], options: list[str], line: str
) -> None:
    result = run(Service(reply(found(*results) | {"verdict": verdict})), "search", "--id", "x", *options)
    assert result.stdout.splitlines()[0] == line
    assert len(result.stdout.splitlines()) == 1 or results


@pytest.mark.usefixtures("terminal")
def test_what_words_find_is_not_said_to_be_another_picture(run: Run) -> None:
    answer = found(SIMILAR) | {"verdict": "similar"}
    assert "no match" not in run(Service(reply(answer)), "search", "--text", "a bridge").stdout


@pytest.mark.usefixtures("terminal")
def test_an_incomplete_answer_speaks_for_what_answered(run: Run) -> None:
    result = run(Service(reply(found() | {"verdict": "none", "partial": True})), "search", "--id", "x")
    assert result.stdout.startswith("no match: nothing in what answered stands out; ")


@pytest.mark.usefixtures("terminal")
def test_what_hangs_on_a_part_that_did_not_answer_is_perhaps_a_match(run: Run) -> None:
    unsure = found(EDITED | {"confidence": None}) | {"verdict": "none", "partial": True}
    result = run(Service(reply(unsure)), "search", "--id", "x")
    assert result.stdout.splitlines()[0] == (
        "perhaps a match: how sure that is hangs on a part of the service that did not answer"
    )
    assert "│ edited, perhaps │" in result.stdout


def test_an_empty_table_on_a_pipe_has_its_reason_on_stderr(run: Run) -> None:
    result = run(Service(reply(found() | {"verdict": "none"})), "search", "--id", "x")
    assert len(result.stdout.splitlines()) == 1
    assert result.stderr == f"lookalike: {NONE}; see the nearest all the same with --all\n"


PATH = "/home/anna/Pictures/2019/summer at the sea/a/b.jpg"


def test_the_path_is_the_last_column(run: Run) -> None:
    lines = run(Service(reply(answer({"path": PATH}))), "search", "--id", "x").stdout.splitlines()
    assert lines == [
        "rank\tid\trelation\tconfidence\thow\tscore\tphash\tsize\tpath",
        f"1\ta/b.jpg\t\t\t\t0.9300\t4\t640x480\t{PATH}",
    ]


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
        Service(reply(answer(PROVEN | {"id": hostile, "path": hostile, "matches": {"local": CROP}}))),
        "search",
        "--id",
        "x",
    )
    assert result.stdout.count("[red]x[/red]\\x1b]0;owned\\x07\\t\\u202egpj.exe :smile:") == 3
    assert "\x1b" not in result.stdout
