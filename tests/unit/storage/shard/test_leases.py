"""Leases: one holder at a time, for as long as it renews."""

from __future__ import annotations

from storage.shard.leases import Leases


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_one_holder_at_a_time_has_a_lease_until_it_ends() -> None:
    clock = Clock()
    leases = Leases(clock)
    assert leases.take("fill", "a", 10)
    assert not leases.take("fill", "b", 10)
    assert leases.take("another", "b", 10)
    clock.now += 9
    assert leases.take("fill", "a", 10)  # renewed
    clock.now += 9
    assert not leases.take("fill", "b", 10)
    clock.now += 1
    assert leases.take("fill", "b", 10)
    assert not leases.take("fill", "a", 10)
