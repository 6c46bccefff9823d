"""Which pairs are called duplicates, of photographs with seeded copies: ``python -m benchmarks.duplicate_pairs``.

Stored are all photographs at hand, the bursts and panoramas among them, and 2,000 copies by edits that leave a picture
the `same` (`benchmarks.right_relations`). Right are the pairs of pictures that come from one photograph, wrong all
others; folders of one photograph in several files say nothing either way. A group gives the pairs of its members. The
features and rows are those of the service, in one process. The set and the index are kept in ``build``, so a run that
was stopped goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path

from benchmarks.more_edits import MORE_EDITS
from benchmarks.photo_groups import WHOLE, photographs
from benchmarks.photo_sets import ROOT, upright
from benchmarks.report import Report
from benchmarks.right_relations import CHANGES
from graph.jobs.evaluating.edits import EDITS
from graph.jobs.evaluating.relations import SAME
from graph.requests.messages import AddRequest
from lookalike_client import DuplicateGroup
from lookalike_client.matches import Relation
from storage.operations.pictures import Page
from tests.unit.graph.local_catalog import LocalService, local_service

FOLDER = ROOT / "build" / "duplicate-pairs"
LONG_SIDE = 1280  # of copies before they are edited
CROPS = "crop", "overlap"  # whose right relation is another one, whatever `CHANGES` says of the rest
COPYING = sorted(name for name, right in CHANGES.items() if right == SAME and not name.startswith(CROPS))
WANTED = 0.995, 0.97  # precision, recall


@dataclass(frozen=True, slots=True)
class Stored:
    """source: the photograph that it is, or is a copy of. group: of that. edit: empty of a photograph itself."""

    id: str
    source: str
    group: str
    edit: str


def main() -> None:
    options = arguments()
    folder: Path = options.folder
    pictures = made(folder, options.copies, options.seed)
    with local_service(folder / "data", {"phash": {}, "local": {}}, shard_count=2) as service:
        asyncio.run(indexed(service, folder, pictures, options.seconds))
        took_s, groups = asyncio.run(walked(service, {"same"}))
        again_s, again = asyncio.run(walked(service, {"same"}))
    assert groups == again
    report = Report("duplicate_pairs", f"Pairs of duplicates among {len(pictures):,} pictures")
    table(report, pictures, groups)
    report.line(f"\nthe first walk took {took_s:.1f} s, the second {again_s:.1f} s")
    report.write()


def made(folder: Path, copies: int, seed: int) -> list[Stored]:
    """The set, made where it is not there yet."""
    listed = folder / "pictures.json"
    if not listed.exists():
        (folder / "stored").mkdir(parents=True, exist_ok=True)
        listed.write_text(
            json.dumps([[one.id, one.source, one.group, one.edit] for one in _made(folder, copies, seed)])
        )
    return [Stored(*entry) for entry in json.loads(listed.read_text())]


def _made(folder: Path, copies: int, seed: int) -> Iterable[Stored]:
    dice, edits = random.Random(seed), {**EDITS, **MORE_EDITS}
    found = photographs()
    for number, each in enumerate(found):
        name = f"{number:04}-{each.path.name}"
        (folder / "stored" / name).write_bytes(each.path.read_bytes())
        yield Stored(name, name, each.group, "")
    apart = [entry for entry in enumerate(found) if entry[1].group not in WHOLE.values()]
    chosen = dice.sample(list(product(apart, COPYING)), k=copies)
    for place, ((number, each), edit) in enumerate(chosen):
        picture = upright(each.path)
        picture.thumbnail((LONG_SIDE, LONG_SIDE))
        copy = edits[edit](picture, dice)
        name = f"copy {place:04}.{copy.format.lower()}"
        (folder / "stored" / name).write_bytes(copy.encoded())
        yield Stored(name, f"{number:04}-{each.path.name}", each.group, edit)


async def indexed(service: LocalService, folder: Path, pictures: Sequence[Stored], most_s: float) -> None:
    """Adds those that are not there yet; ends the program where that takes longer."""
    began = time.monotonic()
    there = {row.id for port in service.shards for row in await port.ask(Page(None, 10**6), timeout_s=60)}
    for one in pictures:
        if one.id in there:
            continue
        data = (folder / "stored" / one.id).read_bytes()
        await service.catalog.pictures.add(AddRequest(data, id=one.id, on_conflict="skip"))
        if time.monotonic() - began > most_s:
            raise SystemExit("not all is indexed yet: run it again")


async def walked(service: LocalService, relations: set[Relation]) -> tuple[float, list[DuplicateGroup]]:
    began, groups, cursor = time.perf_counter(), list[DuplicateGroup](), None
    while True:
        page = await service.catalog.duplicates.related(cursor, 1000, relations=relations)
        groups += page.groups
        cursor = page.next_cursor
        if cursor is None:
            return time.perf_counter() - began, groups


def table(report: Report, pictures: Sequence[Stored], groups: Sequence[DuplicateGroup]) -> None:
    by_id = {one.id: one for one in pictures}
    of_source: Mapping[str, list[str]] = defaultdict(list)
    for one in pictures:
        of_source[one.source].append(one.id)
    wanted = {pair for ids in of_source.values() for pair in combinations(sorted(ids), 2)}
    listed = [sorted([group.keep.id, *(one.id for one in group.duplicates)]) for group in groups]
    said = {pair for ids in listed for pair in combinations(ids, 2)}
    neutral = {pair for pair in said - wanted if by_id[pair[0]].group == by_id[pair[1]].group in WHOLE.values()}
    said -= neutral
    right = said & wanted
    report.table(
        ("", "pairs"),
        [
            ("right ones in the set", len(wanted)),
            ("called duplicates", len(said)),
            ("of these right", len(right)),
            ("of one photograph in several files, not counted", len(neutral)),
        ],
    )
    precision, recall = len(right) / max(len(said), 1), len(right) / max(len(wanted), 1)
    report.line(f"\nprecision {precision:.4f} (wanted: {WANTED[0]}), recall {recall:.4f} (wanted: {WANTED[1]})")
    asked, found = Counter[str](), Counter[str]()
    for pair in wanted:
        for edit in {by_id[one].edit or "the photograph itself" for one in pair}:
            asked[edit] += 1
            found[edit] += pair in right
    rows = [(edit, asked[edit], found[edit], f"{found[edit] / asked[edit]:.4f}") for edit in sorted(asked)]
    report.table(("pairs with a picture by", "pairs", "found", "recall"), rows)
    wrong = sorted(said - wanted)
    report.line(f"\nwrong pairs: {len(wrong)}")
    for pair in wrong[:20]:
        report.line("  " + " | ".join(f"{image_id} ({by_id[image_id].edit or 'itself'})" for image_id in pair))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--seconds", type=float, default=1e9, help="that indexing may take in this run")
    return parser.parse_args()


if __name__ == "__main__":
    main()
