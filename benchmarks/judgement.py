"""Whether the service says what a result is: ``python -m benchmarks.judgement [--share 1.0] [SET...]``.

Each set of `benchmarks.judgement_sets` is indexed by a service of its own, and asked over HTTP what nothing was fitted
on: the half ``test`` of its questions. A set is built once, in ``build/``.
"""

from __future__ import annotations

import argparse
import itertools
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import mean
from typing import NamedTuple, get_args

import numpy as np

from benchmarks import judgement_sets, service
from benchmarks.judgement_sets import Question, questions
from benchmarks.photo_sets import BESIDE, ROOT
from benchmarks.report import Report
from graph.jobs.evaluating.edits import EDITS
from lookalike_client import Client, SearchAnswer, SearchResult
from lookalike_client.matches import Verdict

SETS: Mapping[str, Callable[[Path], None]] = {
    "edits": partial(judgement_sets.edits, edits_each=17),
    "strangers": judgement_sets.strangers,
    "hard": judgement_sets.hard,
    "scenes": judgement_sets.scenes,
    "look_alikes": judgement_sets.look_alikes,
    "kinds": judgement_sets.kinds,
}
CLIENTS = 3
SURE = 0.9
BINS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.97, 1.0001)
DIFFICULT = {  # what is asked: heavy edits, small crops, shots of one scene
    "jpeg 15", "overlay text", "blur strong", "thumbnail 200 px", "upscaled thumbnail", "photo of a screen", "meme",
    "screenshot", "sticker", "gamma", "crop 25 %", "crop 10 %", "crop 50 % + jpeg 20", "crop 50 % + text", "rotate 45",
    "judged", "scenes", "geometry",
}  # fmt: skip
EXTRACTORS: Mapping[str, Mapping[str, object]] = {"phash": {}, "color": {}, "local": {}}
WITH_MEANING = {**EXTRACTORS, "global": {"model": str(BESIDE.parent / "models" / "mobilenet-v2-imagenet")}}


class Asked(NamedTuple):
    """alone: by extractor, the picture that it finds first by itself."""

    question: Question
    answer: SearchAnswer
    alone: Mapping[str, str | None]

    @property
    def first(self) -> SearchResult | None:
        return self.answer.results[0] if self.answer.results else None

    @property
    def wrong(self) -> list[SearchResult]:
        """Strong relations, more likely than not, to what is not in the question's right answers."""
        strong = [result for result in self.answer.results if result.is_strong]
        return [one for one in strong if one.relation not in self.question.right.get(one.id, ())]


def main() -> None:
    parser = argparse.ArgumentParser(description="Whether the service says what a result is.")
    parser.add_argument("sets", nargs="*", default=list(SETS))
    parser.add_argument("--share", type=float, default=1.0, help="of the questions of each set")
    options = parser.parse_args()
    report = Report("judgement", "what results are said to be, on pictures that nothing was fitted on")
    every: dict[str, list[Asked]] = {}
    for name in options.sets:
        every[name] = asked = ask(name, options.share)
        report.line(f"{name}: {len(asked)} questions")
        SAYS[name](report, asked)
    if {"edits", "strangers"} <= every.keys():
        usual = [one for one in every["edits"] if one.question.what in EDITS]
        micro_average_precision(report, "edits that `lookalike eval` makes", usual, every["strangers"])
        micro_average_precision(report, "edits of all kinds", every["edits"], every["strangers"])
    calibration(report, [calls for asked in every.values() for one in asked for calls in _calls(one)])
    difficult = [one for asked in every.values() for one in asked if one.question.what in DIFFICULT]
    report.line("of those, the difficult: heavy edits, small crops and scenes")
    calibration(report, [calls for one in difficult for calls in _calls(one)])
    report.write()


def ask(name: str, share: float) -> list[Asked]:
    folder = ROOT / "build" / "judgement-sets" / name
    if not (folder / "questions.jsonl").exists():
        SETS[name](folder)
    own = [one for one in questions(folder) if one.half == "test"]
    own = random.Random(name).sample(own, round(len(own) * share))
    with ExitStack() as open_things:
        data = open_things.enter_context(tempfile.TemporaryDirectory(prefix="lookalike-benchmark-"))
        extractors = WITH_MEANING if name == "kinds" else EXTRACTORS
        running = open_things.enter_context(service.lookalike_service(Path(data) / "data", extractors))
        service.index(running, folder / "stored")
        client = open_things.enter_context(Client(running.base_url, timeout_s=120))
        threads = open_things.enter_context(ThreadPoolExecutor(CLIENTS))
        return list(threads.map(partial(_asked, client, folder, EXTRACTORS if name == "edits" else ()), own))


def _asked(client: Client, folder: Path, alone: Iterable[str], question: Question) -> Asked:
    left_out = {"not": {"field": "id", "op": "in", "value": list(question.leave_out)}}
    search = partial(client.search, folder / question.query, filter=left_out if question.leave_out else None)
    by_one = {name: next((one.id for one in search(features=[name], k=1).results), None) for name in alone}
    return Asked(question, search(k=50), by_one)


def edits(report: Report, asked: Sequence[Asked]) -> None:
    kinds = sorted({one.question.what for one in asked})
    rows = [_edit_row(kind, [one for one in asked if one.question.what == kind]) for kind in kinds]
    report.table(("edit", "questions", "first", "relation right", "wrong strong"), rows)
    usual = [one for one in asked if one.question.what in EDITS]
    every = [_edit_row("those of `lookalike eval`", usual), _edit_row("all", asked)]
    report.table(("edit", "questions", "first", "relation right", "wrong strong"), every)
    merged(report, asked)


def merged(report: Report, asked: Sequence[Asked]) -> None:
    """The first answer of all extractors together, beside that of each of them."""
    kinds = sorted({one.question.what for one in asked})
    rows, behind = [], []
    for kind in kinds:
        own = [one for one in asked if one.question.what == kind]
        together = _edit_row(kind, own)[2]
        alone = [mean(one.alone[name] in one.question.right for one in own) for name in EXTRACTORS]
        rows.append((kind, together, *(round(share, 3) for share in alone)))
        behind.append(max(alone) - together)
    report.line("found first, by all together and by each alone")
    report.table(("edit", "all", *EXTRACTORS), rows)
    report.line(f"behind the best alone by at most {max(behind):.3f}")


def micro_average_precision(report: Report, what: str, edits: Sequence[Asked], strangers: Sequence[Asked]) -> None:
    """As DISC21 counts it: the results of all questions in one list by confidence."""
    found = [one for one in edits if one.question.what != "crop 10 %"]
    apart = strangers[: len(found)]
    results = [(one, result) for one in [*found, *apart] for result in one.answer.results]
    results.sort(key=lambda entry: (-(entry[1].confidence or 0.0), -entry[1].score))
    right = np.array([result.id in one.question.right for one, result in results])
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    value = float(precision[right].sum()) / len(found)
    report.line(f"micro average precision of {len(found)} {what} and {len(apart)} strangers: {value:.4f}")


def _edit_row(kind: str, asked: Sequence[Asked]) -> tuple[str, int, float, float, int]:
    first = [one.first is not None and one.first.id in one.question.right for one in asked]
    right = [
        one.first is not None and one.first.is_strong and one.first.relation in one.question.right.get(one.first.id, ())
        for one in asked
    ]
    elsewhere = sum(any(result.id not in one.question.right for result in one.wrong) for one in asked)
    return kind, len(asked), round(mean(first), 4), round(mean(right), 4), elsewhere


def strangers(report: Report, asked: Sequence[Asked]) -> None:
    counts = Counter(one.question.what for one in asked)
    matches = Counter(one.question.what for one in asked if one.answer.verdict == "match")
    none = Counter(one.question.what for one in asked if one.answer.verdict == "none")
    rows = [(what, counts[what], matches[what], none[what]) for what in sorted(counts)]
    report.table(("stranger", "questions", "match", "none"), rows)
    for one in asked:
        for result in one.wrong:
            report.line(f"  {one.question.query} {result.relation} {result.confidence} of {result.id}")


def hard(report: Report, asked: Sequence[Asked]) -> None:
    kinds = sorted({one.question.what for one in asked})
    rows = []
    for kind in kinds:
        own = [one for one in asked if one.question.what == kind]
        found = mean([any(result.is_strong for result in one.answer.results) for one in own])
        rows.append((kind, len(own), sum(bool(one.wrong) for one in own), round(found, 3)))
    report.table(("kind", "questions", "with a wrong strong relation", "share with any"), rows)


def scenes(report: Report, asked: Sequence[Asked]) -> None:
    by_group: dict[str, list[bool]] = {}
    called = []
    for one in asked:
        sure = {result.id for result in one.answer.results if result.is_strong and (result.confidence or 0) >= SURE}
        for name, right in one.question.right.items():
            by_group.setdefault(one.question.group, []).append(name in sure)
            if right == ["scene"]:
                called.append(any(result.id == name and result.relation == "scene" for result in one.answer.results))
    averaged = mean(mean(own) for own in by_group.values())
    report.line(f"pairs with a strong relation of {SURE} or more, averaged over {len(by_group)} groups: {averaged:.3f}")
    report.line(", ".join(f"{group} {sum(own)} of {len(own)}" for group, own in by_group.items() if any(own)))
    report.line(f"pairs whose view changed little called scene: {mean(called) if called else 0:.3f} of {len(called)}")


def look_alikes(report: Report, asked: Sequence[Asked]) -> None:
    wrong = [(one, result) for one in asked for result in one.wrong]
    report.line(f"strong relations between different things: {len(wrong)} in {len(asked)} times 20 pairs")
    for one, result in wrong[:20]:
        report.line(f"  {one.question.query} {result.relation} {result.confidence} of {result.id}")


def kinds(report: Report, asked: Sequence[Asked]) -> None:
    rows = []
    for what in ("there", "stranger"):
        own = [one.answer.verdict for one in asked if one.question.what == what]
        rows.append((what, len(own), *(round(own.count(verdict) / len(own), 3) for verdict in get_args(Verdict))))
    report.table(("query", "questions", *get_args(Verdict)), rows)


def _calls(one: Asked) -> list[tuple[float, bool]]:
    return [
        (result.confidence, result.relation in one.question.right.get(result.id, ()))
        for result in one.answer.results
        if result.confidence is not None and result.is_strong
    ]


def calibration(report: Report, told: Sequence[tuple[float, bool]]) -> None:
    rows = []
    for low, high in itertools.pairwise(BINS):
        inside = [(confidence, right) for confidence, right in told if low <= confidence < high]
        if inside:
            said, right = mean(one for one, _ in inside), mean(right for _, right in inside)
            rows.append((f"{low} to {min(high, 1)}", len(inside), round(said, 4), round(right, 4)))
    report.line("strong relations by confidence")
    report.table(("confidence", "results", "said", "right"), rows)


SAYS: Mapping[str, Callable[[Report, Sequence[Asked]], None]] = {
    "edits": edits,
    "strangers": strangers,
    "hard": hard,
    "scenes": scenes,
    "look_alikes": look_alikes,
    "kinds": kinds,
}

if __name__ == "__main__":
    main()
