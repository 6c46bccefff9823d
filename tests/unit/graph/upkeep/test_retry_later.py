"""When what failed is tried again."""

from __future__ import annotations

from graph.upkeep.pending import FillFailures, FillKey


def key(image_id: str, model: str = "net-1") -> FillKey:
    return FillKey(image_id, "digest", "global", model)


def rounds_of_tries(failures: FillFailures, one: FillKey, rounds: int) -> list[int]:
    tried = []
    for number in range(rounds):
        failures.begin_round()
        if failures.is_due(one):
            failures.note(one)
            tried.append(number)
    return tried


def test_tries_come_further_and_further_apart_up_to_the_longest_wait() -> None:
    assert rounds_of_tries(FillFailures(longest_wait=8), key("a"), 34) == [0, 1, 3, 7, 15, 23, 31]


def test_another_model_or_a_success_starts_anew() -> None:
    failures = FillFailures(longest_wait=8)
    failures.begin_round()
    assert failures.note(key("a"))
    assert not failures.note(key("a"))
    assert not failures.is_due(key("a"))
    assert failures.is_due(key("a", "net-2"))
    failures.forget(key("a"))
    assert failures.is_due(key("a"))
    assert failures.note(key("a"))


def test_the_oldest_are_forgotten_where_there_are_too_many() -> None:
    failures = FillFailures(longest_wait=8, capacity=3)
    failures.begin_round()
    for name in "abcad":
        failures.note(key(name))
    assert len(failures) == 3
    assert [failures.is_due(key(name)) for name in "abcd"] == [False, True, False, False]
