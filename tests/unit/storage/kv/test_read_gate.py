"""The gate lets readers in, and a writer past a crowd of them."""

from __future__ import annotations

import threading

import pytest

from storage.errors import StorageFailure
from storage.kv.read_gate import ReadGate


def test_a_closed_gate_keeps_readers_out_until_it_opens() -> None:
    gate = ReadGate()
    entered = threading.Event()

    def read() -> None:
        with gate.reading():
            entered.set()

    with gate.closed():
        reader = threading.Thread(target=read)
        reader.start()
        assert gate.wait_until_empty(1)
        assert not entered.is_set()
    assert entered.wait(10)
    reader.join()


def test_waiting_ends_with_the_last_reader_or_with_the_time() -> None:
    gate = ReadGate()
    with gate.reading(), gate.closed():
        assert not gate.wait_until_empty(0.01)
    with gate.closed():
        assert gate.wait_until_empty(0.01)


def test_a_reader_that_stays_too_long_is_told_of_and_the_gate_opens_again() -> None:
    gate = ReadGate()
    with gate.reading(), pytest.raises(StorageFailure, match="a read has not ended"), gate.alone(0.01):
        pass
    with gate.alone(0.01):
        pass
    with gate.reading():
        pass


def test_a_crowd_of_readers_does_not_starve_the_writer() -> None:
    gate, done = ReadGate(), threading.Event()

    def read() -> None:
        while not done.is_set():
            with gate.reading():
                pass

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    emptied = []
    for _ in range(50):
        with gate.closed():
            emptied.append(gate.wait_until_empty(10))
    done.set()
    for reader in readers:
        reader.join()
    assert all(emptied)
