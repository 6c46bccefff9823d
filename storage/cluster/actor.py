"""A shard in a process of its own: a Ray actor around `storage.shard.shard.Shard`.

The actor opens its shard in the background and keeps trying: a folder that the previous owner still holds is waited
for, and one that cannot be opened leaves an actor that says why, rather than one that dies and is restarted without
end. Errors of ours travel back as values, in the place of the answer, because Ray would wrap a raised one in a
traceback of its own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

import ray

from storage.cluster.local_socket import SearchSocket
from storage.encoding.mutation_messages import EncodedResults, decode_mutations, encode_results
from storage.encoding.search_messages import decode_queries, encode_answers
from storage.errors import DataFolderInUse, LookalikeError, ShardBroken, ShardUnavailable
from storage.operations.duplicates import ForgetExpired
from storage.operations.indexes import SaveIndexes, TrainWhatIsDue
from storage.shard.operation import Operation
from storage.shard.plan import ShardPlan
from storage.shard.shard import Shard

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")

READ_THREADS = 4
REOPEN_PAUSE_S = 2.0
LOCK_TIMEOUT_S = 30.0
TRAINING_PAUSE_S = 2.0


class ShardActor:
    """Calls come in groups of threads, so that searches, writes, questions and what takes minutes never wait for each
    other.
    """

    def __init__(self, plan: ShardPlan) -> None:
        self._plan = plan
        self._shard: Shard | None = None
        self._failure: LookalikeError = ShardUnavailable(f"shard {plan.index} is opening", "try again in a second")
        self._closing = threading.Event()
        self._socket = SearchSocket(self._answer_on_socket)
        threading.Thread(target=self._open_and_keep, name="shard-opener", daemon=True).start()

    @ray.method(concurrency_group="write")
    def apply(self, mutations: bytes) -> EncodedResults | LookalikeError:
        """Mutations and results in the form of `storage.encoding.mutation_messages`."""
        return self._with_shard(lambda shard: encode_results(shard.apply(decode_mutations(mutations))))

    @ray.method(concurrency_group="read")
    def search(self, queries: bytes) -> bytes | LookalikeError:
        """Queries and answers in the form of `storage.encoding.search_messages`."""
        return self._search(queries)

    @ray.method(concurrency_group="read")
    def ask(self, operation: Operation[Answer]) -> Answer | LookalikeError:
        """To be called in the operation's own group: ``ask.options(concurrency_group=operation.group)``."""
        return self._with_shard(lambda shard: shard.ask(operation))

    @ray.method(concurrency_group="control")
    def lease(self, name: str, holder: str, seconds: float) -> bool | LookalikeError:
        return self._with_shard(lambda shard: shard.lease(name, holder, seconds))

    @ray.method(concurrency_group="control")
    def close(self) -> None:
        """Saves the indexes and gives the folder up. The actor answers nothing afterwards."""
        self._end()

    def _end(self) -> None:
        self._closing.set()
        self._socket.close()
        shard, self._shard = self._shard, None
        self._failure = ShardUnavailable(f"shard {self._plan.index} is closed", "try again in a second")
        if shard is not None:
            shard.close()

    def _with_shard(self, question: Callable[[Shard], Answer]) -> Answer | LookalikeError:
        shard = self._shard
        if shard is None:
            return self._failure
        try:
            return question(shard)
        except LookalikeError as failure:
            return failure

    def _search(self, queries: bytes) -> bytes | LookalikeError:
        return self._with_shard(lambda shard: encode_answers(shard.search(decode_queries(queries))))

    def _answer_on_socket(self, queries: bytes) -> bytes | None:
        answers = self._search(queries)
        return answers if isinstance(answers, bytes) else None

    def _open_and_keep(self) -> None:
        """Opens the shard, trying until it can, then looks after its indexes and its memory from time to time."""
        while not self._closing.is_set() and self._shard is None:
            try:
                self._shard = Shard.open(self._plan, lock_timeout_s=LOCK_TIMEOUT_S, search_address=self._socket.address)
            except LookalikeError as failure:
                message, *hints = failure.args
                kind = ShardUnavailable if isinstance(failure, DataFolderInUse) else ShardBroken
                self._failure = kind(f"shard {self._plan.index} cannot be opened: {message}", *hints)
                logger.warning("%s", self._failure)
                self._closing.wait(REOPEN_PAUSE_S)
            except Exception as failure:
                self._failure = ShardBroken(
                    f"shard {self._plan.index} cannot be opened: {failure}", "see the log of its actor"
                )
                logger.exception("shard %d cannot be opened", self._plan.index)
                self._closing.wait(REOPEN_PAUSE_S)
        if self._closing.is_set():  # while it was being opened
            self._end()
        settings, last_saved = self._plan.settings, time.monotonic()
        while not self._closing.wait(min(TRAINING_PAUSE_S, settings.snapshot_interval_s)):
            self._keep(ForgetExpired())
            for report in self._keep(TrainWhatIsDue()) or ():
                logger.info("%s", report)
            if time.monotonic() - last_saved >= settings.snapshot_interval_s:
                self._keep(SaveIndexes(settings.snapshot_min_changes))
                last_saved = time.monotonic()

    def _keep(self, operation: Operation[Answer]) -> Answer | None:
        """None where it failed: it is tried again, and the shard answers with the indexes that there are."""
        shard = self._shard
        if shard is None:
            return None
        try:
            return shard.ask(operation)
        except Exception:
            logger.exception("shard %d: %s failed", self._plan.index, operation)
            return None


def shard_actor_class(**options: Any) -> Any:
    """The actor class with its threads and Ray options, ready for ``.remote(plan)``."""
    groups = {"read": READ_THREADS, "write": 1, "control": 2, "upkeep": 1}
    remote = cast(Any, ray.remote)(concurrency_groups=groups)(ShardActor)
    return remote.options(**options)
