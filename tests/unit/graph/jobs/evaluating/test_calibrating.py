"""What a match has to be sure of follows from strangers, and promises no more than their number allows."""

from __future__ import annotations

import pytest
from scipy.stats import beta

from graph.jobs.evaluating.calibrating import CERTAINTY, ENOUGH, FEWEST, highest_risk, thresholds_of


@pytest.mark.parametrize(("called", "strangers"), [(0, 1), (0, 59), (0, 3000), (1, 100), (7, 3000), (59, 60)])
def test_the_highest_risk_is_that_of_clopper_and_pearson(called: int, strangers: int) -> None:
    expected = beta.ppf(CERTAINTY, called + 1, strangers - called)
    assert highest_risk(called, strangers) == pytest.approx(expected, rel=1e-6)


def test_where_all_were_called_a_match_nothing_is_promised() -> None:
    assert highest_risk(5, 5) == pytest.approx(1.0)


def test_strangers_without_a_match_leave_what_the_package_asks() -> None:
    found = thresholds_of([0.0] * ENOUGH, "eval-1")
    assert found is not None
    assert (found.least_confidence, found.risk, found.strangers, found.called_match) == (0.5, 0.001, ENOUGH, 0)


def test_wrong_matches_raise_it_above_them() -> None:
    found = thresholds_of([0.0] * ENOUGH + [0.62, 0.91], "eval-1")
    assert found is not None
    assert (found.least_confidence, found.called_match) == (0.93, 0)


def test_many_strangers_allow_a_few_wrong_ones() -> None:
    found = thresholds_of([0.0] * 20_000 + [0.9] * 5, "eval-1")
    assert found is not None
    assert (found.least_confidence, found.called_match, found.risk) == (0.5, 5, 0.001)


def test_fewer_strangers_promise_less() -> None:
    found = thresholds_of([0.0] * 300, "eval-1")
    assert found is not None
    assert found.risk == pytest.approx(0.00994, abs=1e-4)


@pytest.mark.parametrize("worst", [[0.0] * (FEWEST - 1), [1.0] * 100])
def test_nothing_is_promised_that_cannot_be_kept(worst: list[float]) -> None:
    assert thresholds_of(worst, "eval-1") is None
