"""From evidence to a probability: what each number adds to the odds, read off a table.

The tables are made by `benchmarks/judgement_fit.py` from pictures of which the truth is known, and stand in
``calibration.json`` with the run that they come from. Between two points of a table the odds follow a straight line.
What is not known adds what its absence was worth in that run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path

import numpy as np

from graph.judging.evidence import Evidence

CALIBRATION = Path(__file__).with_name("calibration.json")


@dataclass(frozen=True, slots=True)
class Table:
    """at, adds: (P,) values of the evidence, rising, and what each adds to the logarithm of the odds. unknown: what
    is added where there is no value.
    """

    at: tuple[float, ...]
    adds: tuple[float, ...]
    unknown: float

    @property
    def least(self) -> float:
        return min(self.unknown, *self.adds)

    @property
    def most(self) -> float:
        return max(self.unknown, *self.adds)

    def worth(self, value: float | None) -> float:
        return self.unknown if value is None else float(np.interp(value, self.at, self.adds))


@dataclass(frozen=True, slots=True)
class Odds:
    """start: the logarithm of the odds before any evidence. tables: by the evidence's name."""

    start: float
    tables: Mapping[str, Table]

    def parts(self, evidence: Evidence) -> Mapping[str, float]:
        """What each piece of evidence adds to the logarithm of the odds."""
        return {name: table.worth(evidence.get(name)) for name, table in self.tables.items()}

    def probability(self, evidence: Evidence) -> float:
        return self._of(self.parts(evidence))

    def bounds(self, evidence: Evidence, silent: Set[str]) -> tuple[float, float]:
        """The least and the most that it could be, whatever evidence of these names there was had it been asked for."""
        parts = self.parts(evidence)
        unsaid = (silent & self.tables.keys()) - evidence.keys()
        least = {name: self.tables[name].least for name in unsaid}
        most = {name: self.tables[name].most for name in unsaid}
        return self._of({**parts, **least}), self._of({**parts, **most})

    def _of(self, parts: Mapping[str, float]) -> float:
        return 1 / (1 + math.exp(-(self.start + math.fsum(parts.values()))))


@dataclass(frozen=True, slots=True)
class Calibration:
    """strong: that two pictures are one photograph; scene: that two which are not are of one scene."""

    strong: Odds
    scene: Odds


@cache
def calibration() -> Calibration:
    """What the package comes with."""
    read = json.loads(CALIBRATION.read_text("utf-8"))
    return Calibration(*(_odds(read[name]) for name in ("strong", "scene")))


@cache
def calibration_mark() -> str:
    """Another one for every other calibration."""
    return blake2b(CALIBRATION.read_bytes(), digest_size=6).hexdigest()


def _odds(read: Mapping[str, object]) -> Odds:
    tables = read["tables"]
    start = read["start"]
    if not isinstance(tables, dict) or not isinstance(start, (int, float)):
        raise ValueError(f"{CALIBRATION.name} is damaged")
    return Odds(
        float(start),
        {name: Table(tuple(own["at"]), tuple(own["adds"]), float(own["unknown"])) for name, own in tables.items()},
    )
