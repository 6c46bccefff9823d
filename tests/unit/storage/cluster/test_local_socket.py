"""The short way to a shard: answers come as they were given, and everything else is left to the actor."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from storage.cluster import local_socket as search_socket
from storage.cluster.local_socket import GREETING, MAX_MESSAGE_BYTES, SearchConnection, SearchSocket


def upside_down(question: bytes) -> bytes | None:
    if question == b"refuse":
        return None
    if question == b"fail":
        raise RuntimeError("told to fail")
    return question[::-1]


@pytest.fixture
def listening() -> Iterator[SearchSocket]:
    one = SearchSocket(upside_down)
    yield one
    one.close()


async def test_answers_of_every_size_come_back_on_one_connection(listening: SearchSocket) -> None:
    connection = await SearchConnection.open(listening.address)
    for question in (b"ab", b"x" * 100_000 + b"y", b"z" * 3_000_000, b"\0"):
        assert await connection.ask(question) == question[::-1]
    connection.close()


async def test_several_callers_are_answered_at_the_same_time(listening: SearchSocket) -> None:
    connections = [await SearchConnection.open(listening.address) for _ in range(5)]
    questions = [str(number).encode() * 10_000 for number in range(5)]
    answers = await asyncio.gather(*(each.ask(question) for each, question in zip(connections, questions, strict=True)))
    assert answers == [question[::-1] for question in questions]
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("question", [b"refuse", b"fail"])
async def test_what_has_no_answer_is_for_the_actor_and_the_connection_goes_on(
    listening: SearchSocket, question: bytes
) -> None:
    connection = await SearchConnection.open(listening.address)
    assert await connection.ask(question) is None
    assert await connection.ask(b"ab") == b"ba"
    connection.close()


async def test_a_process_of_another_user_is_turned_away() -> None:
    listening = SearchSocket(upside_down, user=os.getuid() + 1)
    with pytest.raises(OSError, match="not served"):
        await SearchConnection.open(listening.address)
    listening.close()


async def test_nobody_else_answers_in_the_place_of_a_shard(listening: SearchSocket) -> None:
    with pytest.raises(PermissionError, match="another user"):
        await SearchConnection.open(listening.address, user=os.getuid() + 1)


async def test_a_connection_that_cannot_be_taken_is_an_os_error_and_later_ones_are_taken(
    listening: SearchSocket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(thread: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(search_socket, "ACCEPT_PAUSE_S", 0.0)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", fail)
        with pytest.raises(OSError, match="not served"):
            await SearchConnection.open(listening.address)
    connection = await SearchConnection.open(listening.address)
    assert await connection.ask(b"ab") == b"ba"
    assert "was not taken" in caplog.text
    connection.close()


@pytest.mark.parametrize("address", ["", "\0lookalike-nobody-listens-here"])
async def test_an_address_of_another_machine_is_an_os_error(address: str) -> None:
    with pytest.raises(OSError, match=r"."):
        await SearchConnection.open(address)


async def test_a_message_that_claims_too_much_ends_the_connection(listening: SearchSocket) -> None:
    with socket.socket(socket.AF_UNIX) as end:
        end.settimeout(5)
        end.connect(listening.address)
        assert end.recv(1) == GREETING
        end.sendall(struct.pack("<I", MAX_MESSAGE_BYTES + 1))
        assert end.recv(1) == b""


async def test_a_closed_socket_takes_nobody_new(listening: SearchSocket) -> None:
    listening.close()
    with pytest.raises(OSError, match="refused"):
        await SearchConnection.open(listening.address)
