"""From strangers to what a match has to be sure of, so that few strangers are called one."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lookalike_client.job_answers import Thresholds
from lookalike_client.matches import PROVEN

RISK = 0.001  # that is promised where there are enough strangers
CERTAINTY = 0.95
ENOUGH = 3000  # strangers: of so many without a wrong match, 0.001 can be promised
FEWEST = 59  # promise 0.05, and fewer nothing worth it
GRID = (PROVEN, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999)
STEPS = 60


def thresholds_of(worst: Sequence[float], job: str) -> Thresholds | None:
    """The least confidence that keeps the promise: a risk of 0.001, or the least that so many strangers can tell. None
    where none does, or there are too few of them.

    worst: of each stranger the highest confidence of a wrong match, 0 where there is none. The confidences that are
    tried stand fixed, and the higher one calls no more strangers a match than the lower, so that choosing among them
    takes nothing from the certainty (fixed-sequence testing: Angelopoulos and others, Learn then Test, 2021).
    """
    strangers = len(worst)
    if strangers < FEWEST:
        return None
    promised = max(RISK, highest_risk(0, strangers))
    for least in GRID:
        called = sum(confidence >= least for confidence in worst)
        if highest_risk(called, strangers) <= promised:
            return Thresholds(least, round(promised, 6), CERTAINTY, strangers, called, job)
    return None


def highest_risk(called: int, strangers: int) -> float:
    """The upper limit of Clopper and Pearson (Biometrika 1934): were the share any higher, so few of so many would have
    been called a match in less than one case of twenty.
    """
    low, high = called / strangers, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(called, strangers, middle) > 1 - CERTAINTY else (low, middle)
    return high


def _at_most(called: int, strangers: int, share: float) -> float:
    """The probability of at most so many."""
    if share >= 1:
        return float(called >= strangers)
    if share <= 0:
        return 1.0
    logs = (
        math.log(math.comb(strangers, k)) + k * math.log(share) + (strangers - k) * math.log1p(-share)
        for k in range(called + 1)
    )
    return math.fsum(map(math.exp, logs))
