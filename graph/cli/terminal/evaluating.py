"""What came of an evaluation, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from graph.cli.terminal import output

ALL = "all"  # features together
FEWEST = 59  # strangers that anything is stored of


def share_text(share: float) -> str:
    """0.984 -> "98 %"; only what is always so has 100, only what is never so has 0."""
    if share in (0, 1):
        return f"{share:.0%}".replace("%", " %")
    return f"{min(max(round(100 * share), 1), 99)} %"


def show_evaluation(report: Mapping[str, Any]) -> None:
    """The report of a job: edits, features, how sure results are, strangers."""
    if report["all_edits"]["n"]:
        headings = ["edit", "n ", "first ", "relation right ", *(f"{name} " for name in features_of(report))]
        output.show_table(headings, edit_rows(report))
    output.show_table(["searched by", "first ", "p50 ms ", "p95 ms "], list(feature_rows(report)))
    if report["calibration"]:
        output.show_table(["confidence", "results ", "right "], calibration_rows(report))
    for line in remarks(report):
        output.say(line)


def features_of(report: Mapping[str, Any]) -> list[str]:
    """In the order in which they are asked."""
    counted = report["all_edits"]["by_feature"]
    return [*(name for name in report["latency_ms"] if name in counted)] or list(counted)


def edit_rows(report: Mapping[str, Any]) -> list[list[str]]:
    """Of each edit, and of all: how often the photo was first, its relation right, and the photo first by a feature."""
    every = {"name": "all edits", **report["all_edits"]}
    return [_edit_row(told, features_of(report)) for told in (*report["edits"].values(), every)]


def _edit_row(told: Mapping[str, Any], features: Sequence[str]) -> list[str]:
    alone = [told["by_feature"].get(name) for name in features]
    return [
        told["name"],
        str(told["n"]),
        share_text(told["recall_at_1"]),
        share_text(told["relation_right"]),
        *("" if one is None else share_text(one["recall_at_1"]) for one in alone),
    ]


def feature_rows(report: Mapping[str, Any]) -> Iterator[list[str]]:
    """Of all together, and of each alone: how often the photo was first, and how long it took."""
    counted = {ALL: report["all_edits"], **report["all_edits"]["by_feature"]}
    for name in (ALL, *features_of(report)):
        took = report["latency_ms"].get(name)
        times = ["", ""] if took is None else [f"{took['p50']:.0f}", f"{took['p95']:.0f}"]
        first = share_text(counted[name]["recall_at_1"]) if counted[name]["n"] else ""
        yield ["all features" if name == ALL else name, first, *times]


def calibration_rows(report: Mapping[str, Any]) -> list[list[str]]:
    """How often results of so much confidence were right."""
    return [
        [f"{row['from']:.2f} to {row['to']:.2f}", str(row["n"]), share_text(row["right"])]
        for row in report["calibration"]
    ]


def remarks(report: Mapping[str, Any]) -> Iterator[str]:
    """What the tables do not say, a line each."""
    strangers, photos, edited = report["strangers"], report["photos"], report["edited_photos"]
    copies = f"; {strangers['with_copies']} have copies in the collection" if strangers["with_copies"] else ""
    yield f"{output.counted(strangers['n'], 'photo')} left out: {strangers['called_match']} called a match{copies}"
    if not report["all_edits"]["n"]:
        yield "no photo was asked for by edits of it: none of them is in the collection, or there was no time"
    if report["unreadable"]:
        yield f"{output.counted(report['unreadable'], 'photo')} could not be read"
    if report["unanswered"]:
        codes = ", ".join(f"{count} {code}" for code, count in report["unanswered"].items())
        yield f"searches without an answer: {codes}"
    if report["out_of_time"]:
        yield (
            f"out of time: {edited['asked']} of {edited['wanted']} photos were edited, "
            f"{photos['asked']} of {photos['wanted']} left out"
        )


def calibration_text(report: Mapping[str, Any]) -> str:
    """What was stored for the collection."""
    if report["thresholds"] is not None:
        return f"stored: {thresholds_text(report['thresholds'])}"
    few = report["strangers"]["n"] < FEWEST
    why = f"fewer than {FEWEST} photos" if few else "strangers are called a match at any confidence"
    return f"nothing stored: {why}"


def thresholds_text(told: Mapping[str, Any]) -> str:
    """In one line."""
    said = f"matches have a confidence of {told['least_confidence']:g} or more"
    risk = f"at most {1000 * told['risk']:.3g} of 1000 strangers get one, with {100 * told['certainty']:g} % certainty"
    return f"{said}: {risk} ({told['called_match']} of {told['strangers']} did)"
