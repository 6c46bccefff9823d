"""The sum over all routers, whichever of them is asked.

Each router counts for itself, and all keep what each counted last: a row for each router there ever was. A row only
grows, so of two the later is right, and rows may be handed on in any order, and twice. Before a router says a sum it
asks all others, and tells them its own row in the same breath: whatever was said is then known to every one of them, so
that no sum is ever smaller than one before, whoever says it and whoever has died meanwhile. What a router counted since
it last told goes with it when it is killed.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgpack
from prometheus_client.metrics_core import Metric

from graph.figures.figures import STARTED, Figures

Samples = list[tuple[str, str, Sequence[Sequence[str]], float]]  # family, name, labels with their values, value


@dataclass(frozen=True, slots=True)
class Row:
    """What one router counted, packed. version: grows with it."""

    version: int
    counts: bytes


@dataclass(frozen=True, slots=True)
class Question:
    """known: the versions of the rows that the asker has, by router; it gets the later ones."""

    router: str
    row: Row
    known: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Answer:
    """rows: by router, its own among them. gauges: what is so at this moment, with the router that says it."""

    rows: Mapping[str, Row]
    gauges: Samples


class OtherRouters(Protocol):
    """The way to them."""

    async def ask(self, question: Question) -> Sequence[Answer]:
        """From those that answer soon."""
        ...


class NoOthers:
    """A router that is alone."""

    async def ask(self, question: Question) -> Sequence[Answer]:
        return ()


class RoutersFigures:
    """Belongs to its router's event loop."""

    def __init__(self, figures: Figures, others: OtherRouters | None = None) -> None:
        self.figures = figures
        self._others = others or NoOthers()
        self._name = uuid.uuid4().hex
        self._rows: dict[str, Row] = {self._name: Row(0, pack([]))}
        self._told = 0

    async def families(self) -> list[Metric]:
        """Summed over all routers, those that are gone included; gauges over those that answer."""
        answers, own_gauges = await self._exchange()
        gauges = [own_gauges, *(answer.gauges for answer in answers)]
        return summed(self.figures.families(), [unpack(row.counts) for row in self._rows.values()], gauges)

    async def tell(self) -> None:
        """Tells the others what is new, so that it is not lost with this router."""
        if self.figures.changes > self._told:
            await self._exchange()

    def answer(self, question: Question) -> Answer:
        """To another router."""
        gauges = self._look()
        self._take({question.router: question.row})
        later = {name: row for name, row in self._rows.items() if row.version > question.known.get(name, 0)}
        return Answer(later, gauges)

    async def _exchange(self) -> tuple[Sequence[Answer], Samples]:
        changes, gauges = self.figures.changes, self._look()
        own = self._rows[self._name]
        known = {name: row.version for name, row in self._rows.items()}
        answers = await self._others.ask(Question(self._name, own, known))
        for answer in answers:
            self._take(answer.rows)
        self._told = max(self._told, changes)
        return answers, gauges

    def _look(self) -> Samples:
        """Keeps what was counted until now. Gives the gauges."""
        families = self.figures.families()
        counts = pack(samples_of(family for family in families if family.type != "gauge"))
        before = self._rows[self._name]
        if counts != before.counts:
            self._rows[self._name] = Row(before.version + 1, counts)
        return samples_of(family for family in families if family.type == "gauge")

    def _take(self, rows: Mapping[str, Row]) -> None:
        for name, row in rows.items():
            known = self._rows.get(name)
            if known is None or row.version > known.version:
                self._rows[name] = row


def summed(families: Iterable[Metric], counts: Iterable[Samples], gauges: Sequence[Samples]) -> list[Metric]:
    """families: what there is, by name, kind and text. Gauges are summed, too, but for the time of the start."""
    by_family: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = defaultdict(dict)
    for samples in (*counts, *gauges):
        for family_name, name, labels, value in samples:
            sums, key = by_family[family_name], (name, tuple((label, text) for label, text in labels))
            both = min if name == STARTED else sum
            sums[key] = both((sums[key], value)) if key in sums else value
    result = []
    for family in families:
        total = Metric(family.name, family.documentation, family.type)
        for (name, labels), value in by_family[family.name].items():
            total.add_sample(name, dict(labels), value)
        result.append(total)
    return result


def samples_of(families: Iterable[Metric]) -> Samples:
    return [
        (family.name, sample.name, list(sample.labels.items()), sample.value)
        for family in families
        for sample in family.samples
    ]


def pack(samples: Samples) -> bytes:
    packed: bytes = msgpack.packb(samples)
    return packed


def unpack(counts: bytes) -> Samples:
    samples: Samples = msgpack.unpackb(counts)
    return samples
