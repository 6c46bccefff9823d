"""The short way to a shard on the same machine: searches over a local socket, past Ray.

A call of an actor passes through half a dozen threads, a local socket through two; with one client at a time that is
most of what a search of a shard costs. Only answers travel here. Whatever goes wrong, the caller asks the actor
itself, so that there is one place that knows about errors, restarts and shards on other machines.

A socket has no file: its address is a random name in Linux's abstract namespace, and both ends ask the kernel whose
process is at the other. The server greets with one byte, so that a connection that nobody serves is told from one that
is. Each message is its length (u32, little-endian) and its bytes; an answer has a status byte before.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 1 << 28
GREETING_TIMEOUT_S = 2.0
ACCEPT_PAUSE_S = 0.5  # after a failure, such as no file descriptor being left
GREETING = b"\1"
ANSWERED, REFUSED = 0, 1
_LENGTH = struct.Struct("<I")
_HEAD = struct.Struct("<BI")
_CREDENTIALS = struct.Struct("iII")  # process, user, group


class SearchSocket:
    """Answers local processes of one user, each on a thread of its own, from the moment it is made.

    answer: bytes to bytes, or None for a question that is to be put to the actor; called from several threads.
    address: what `SearchConnection.open` wants; empty on systems that have no such sockets.
    """

    def __init__(self, answer: Callable[[bytes], bytes | None], *, user: int | None = None) -> None:
        self.address = ""
        self._answer = answer
        self._user = os.getuid() if user is None else user
        self._listener: socket.socket | None = None
        if sys.platform != "linux":
            return
        self.address = f"\0lookalike-{secrets.token_hex(16)}"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.address)
        self._listener.listen()
        threading.Thread(target=self._accept, args=(self._listener,), name="search-socket", daemon=True).start()

    def close(self) -> None:
        """No further connections; those that are open go on until their other end leaves."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while self._listener is listener:
            try:
                self._take(listener.accept()[0])
            except (OSError, RuntimeError):  # RuntimeError: no thread can be started
                if self._listener is listener:
                    logger.exception("a connection was not taken; its searches go through the actor")
                    time.sleep(ACCEPT_PAUSE_S)

    def _take(self, connection: socket.socket) -> None:
        try:
            threading.Thread(target=self._serve, args=(connection,), name="search-socket", daemon=True).start()
        except BaseException:
            connection.close()
            raise

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                if _user_of(connection) != self._user:
                    return
                connection.sendall(GREETING)
                while question := _receive(connection):
                    connection.sendall(self._answered(question))
            except OSError:
                return  # the other end has left

    def _answered(self, question: bytes) -> bytes:
        try:
            answer = self._answer(question)
        except Exception:
            logger.exception("a search failed; it is asked again through the actor")
            answer = None
        if answer is None:
            return _HEAD.pack(REFUSED, 0)
        return _HEAD.pack(ANSWERED, len(answer)) + answer


class SearchConnection:
    """A caller's end, of one event loop, for one question at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, address: str, *, user: int | None = None) -> SearchConnection:
        """Raises OSError where no process of the user serves the address, as on any other machine."""
        if not address:
            raise OSError("this system has no local sockets without a file")
        end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            end.setblocking(False)
            end.connect(address)
            if _user_of(end) != (os.getuid() if user is None else user):
                raise PermissionError("a process of another user listens in the place of a shard")
            reader, writer = await asyncio.open_unix_connection(sock=end)
        except BaseException:
            end.close()
            raise
        try:
            async with asyncio.timeout(GREETING_TIMEOUT_S):
                await reader.readexactly(len(GREETING))
        except BaseException as failure:
            writer.close()
            if isinstance(failure, EOFError | TimeoutError):
                raise OSError("the connection is not served") from failure
            raise
        return cls(reader, writer)

    async def ask(self, question: bytes) -> bytes | None:
        """None where the actor is to be asked. Raises OSError or EOFError when the other end is gone; the connection
        is of no use then.
        """
        self._writer.write(_LENGTH.pack(len(question)))
        self._writer.write(question)
        status, length = _HEAD.unpack(await self._reader.readexactly(_HEAD.size))
        return await self._reader.readexactly(length) if status == ANSWERED else None

    def close(self) -> None:
        self._writer.close()


def _user_of(connection: socket.socket) -> int:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    user: int = _CREDENTIALS.unpack(credentials)[1]
    return user


def _receive(connection: socket.socket) -> bytes:
    """A message; empty when the other end has left, or sends what is none."""
    head = connection.recv(_LENGTH.size, socket.MSG_WAITALL)
    if len(head) < _LENGTH.size:
        return b""
    [length] = _LENGTH.unpack(head)
    if length > MAX_MESSAGE_BYTES:
        return b""
    message = bytearray()
    while len(message) < length and (part := connection.recv(length - len(message))):
        message += part
    return bytes(message) if len(message) == length else b""
