"""A shard in a process of its own: a Ray actor around `storage.shard.shard.Shard`.

The actor opens its shard in the background and keeps trying: a folder that the previous owner still holds is waited
for, and one that cannot be opened leaves an actor that says why, rather than one that dies and is restarted without
end. Errors of ours travel back as values, in the place of the answer, because Ray would wrap a raised one in a
traceback of its own.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import ray

from storage.cluster.leases import Leases
from storage.cluster.local_socket import SearchSocket
from storage.cluster.plan import ShardPlan
from storage.duplicates.messages import NearAnswer, NearPicture, NearQuestions
from storage.encoding.mutation_messages import EncodedResults, decode_mutations, encode_results
from storage.encoding.search_messages import decode_queries, encode_answers
from storage.errors import InvalidRequest, LookalikeError, ShardUnavailable
from storage.index.whitening import Whitening
from storage.shard.shard import Shard
from storage.types.features import FeatureRows, FeatureSpec, FloatVectors, Vectors
from storage.types.jobs import JobFailure, JobRecord
from storage.types.mutations import Mutation, MutationResult
from storage.types.pictures import ImageRecord, PendingImage, PendingPage
from storage.types.reports import GenerationRole, ShardStats, TrainingReport, VerifyReport

logger = logging.getLogger(__name__)
T = TypeVar("T")

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
        self._leases = Leases()
        self._socket = SearchSocket(self._answer_on_socket)
        self._opener = threading.Thread(target=self._open_and_keep, name="shard-opener", daemon=True)
        self._opener.start()

    def _open_and_keep(self) -> None:
        """Opens the shard, trying until it can, then looks after its indexes and its memory from time to time."""
        while not self._closing.is_set() and self._shard is None:
            try:
                self._shard = Shard.open(
                    Path(self._plan.directory),
                    index=self._plan.index,
                    shard_count=self._plan.shard_count,
                    features=self._plan.features,
                    lock_timeout_s=LOCK_TIMEOUT_S,
                    index_configs=self._plan.index_configs,
                    late=self._plan.late,
                    annotations=self._plan.annotations,
                    keeps_originals=self._plan.keeps_originals,
                )
            except LookalikeError as failure:
                self._failure = ShardUnavailable(
                    f"shard {self._plan.index} cannot be opened: {failure.message}", failure.hint
                )
                logger.warning("%s", self._failure)
                self._closing.wait(REOPEN_PAUSE_S)
            except Exception as failure:
                self._failure = ShardUnavailable(
                    f"shard {self._plan.index} cannot be opened: {failure}", "see the log of its actor"
                )
                logger.exception("shard %d cannot be opened", self._plan.index)
                self._closing.wait(REOPEN_PAUSE_S)
        saved, last_saved = 0, time.monotonic()
        while not self._closing.wait(min(TRAINING_PAUSE_S, self._plan.snapshot_interval_s)):
            self._forget_expired()
            self._train_indexes()
            if time.monotonic() - last_saved >= self._plan.snapshot_interval_s:
                saved, last_saved = self._save_indexes(saved), time.monotonic()

    def _forget_expired(self) -> None:
        shard = self._shard
        if shard is not None:
            shard.forget_expired()

    def _train_indexes(self) -> None:
        shard = self._shard
        if shard is None:
            return
        try:
            for feature in shard.training_due():
                logger.info("%s", shard.train(feature))
        except Exception:  # it is tried again, and searching goes on with the index there is
            logger.exception("an index of shard %d could not be trained", self._plan.index)

    def _save_indexes(self, saved: int) -> int:
        shard = self._shard
        if shard is None:
            return saved
        sequence = shard.sequence
        if sequence - saved < self._plan.snapshot_min_changes:
            return saved
        try:
            shard.snapshot()
        except Exception:
            logger.exception(
                "the indexes of shard %d could not be saved; they can be rebuilt from its store", self._plan.index
            )
        return sequence

    def _ask(self, question: Callable[[Shard], T]) -> T | LookalikeError:
        shard = self._shard
        if shard is None:
            return self._failure
        try:
            return question(shard)
        except LookalikeError as failure:
            return failure

    @ray.method(concurrency_group="write")
    def apply(self, mutations: bytes) -> EncodedResults | LookalikeError:
        """Mutations and results in the form of `storage.encoding.mutation_messages`."""
        return self._ask(lambda shard: encode_results(apply_each(shard, decode_mutations(mutations))))

    @ray.method(concurrency_group="read")
    def search(self, queries: bytes) -> bytes | LookalikeError:
        """Queries and answers in the form of `storage.encoding.search_messages`."""
        return self._search(queries)

    def _search(self, queries: bytes) -> bytes | LookalikeError:
        return self._ask(lambda shard: encode_answers(shard.search(decode_queries(queries))))

    def _answer_on_socket(self, queries: bytes) -> bytes | None:
        answers = self._search(queries)
        return answers if isinstance(answers, bytes) else None

    @ray.method(concurrency_group="control")
    def search_address(self) -> str:
        """Where processes of this machine may put the same question as to ``search``: see
        `storage.cluster.local_socket`.
        """
        return self._socket.address

    @ray.method(concurrency_group="read")
    def near(self, questions: NearQuestions) -> Sequence[NearAnswer] | LookalikeError:
        return self._ask(lambda shard: shard.near(questions))

    @ray.method(concurrency_group="read")
    def walk(self, feature: str, views: int, after: int, limit: int) -> Sequence[NearPicture] | LookalikeError:
        return self._ask(lambda shard: shard.walk(feature, views, after, limit))

    @ray.method(concurrency_group="read")
    def records(self, ids: Sequence[str]) -> Sequence[ImageRecord | None] | LookalikeError:
        return self._ask(lambda shard: shard.records(ids))

    @ray.method(concurrency_group="read")
    def page(self, after: str | None, limit: int) -> Sequence[ImageRecord] | LookalikeError:
        return self._ask(lambda shard: shard.page(after, limit))

    @ray.method(concurrency_group="read")
    def ids_of_file_name(self, name: str) -> list[str] | LookalikeError:
        return self._ask(lambda shard: shard.ids_of_file_name(name))

    @ray.method(concurrency_group="read")
    def thumbnail(self, image_id: str) -> bytes | LookalikeError | None:
        return self._ask(lambda shard: shard.thumbnail(image_id))

    @ray.method(concurrency_group="read")
    def features(self, image_id: str, names: Sequence[str]) -> Mapping[str, FeatureRows] | LookalikeError | None:
        return self._ask(lambda shard: shard.features(image_id, names))

    @ray.method(concurrency_group="read")
    def rows_of_each(
        self, ids: Sequence[str], names: Sequence[str]
    ) -> Sequence[Mapping[str, Vectors] | None] | LookalikeError:
        return self._ask(lambda shard: shard.rows_of_each(ids, names))

    @ray.method(concurrency_group="read")
    def original(self, image_id: str) -> bytes | LookalikeError | None:
        return self._ask(lambda shard: shard.original(image_id))

    @ray.method(concurrency_group="read")
    def unchanged(self, sources: Sequence[tuple[str, str, int, int]]) -> Sequence[str] | LookalikeError:
        return self._ask(lambda shard: shard.unchanged(sources))

    @ray.method(concurrency_group="control")
    def pending(self, after: str | None, limit: int) -> Sequence[PendingImage] | LookalikeError:
        return self._ask(lambda shard: shard.pending(limit, after))

    @ray.method(concurrency_group="control")
    def pending_for(self, wanted: Mapping[str, str], start: int, limit: int) -> PendingPage | LookalikeError:
        return self._ask(lambda shard: shard.pending_for(wanted, start, limit))

    @ray.method(concurrency_group="control")
    def lease(self, name: str, holder: str, seconds: float) -> bool:
        """See `storage.cluster.leases`. Answered while the shard opens, too."""
        return self._leases.take(name, holder, seconds)

    @ray.method(concurrency_group="upkeep")
    def count_pending(self, wanted: Mapping[str, str]) -> int | LookalikeError:
        return self._ask(lambda shard: shard.count_pending(wanted))

    @ray.method(concurrency_group="upkeep")
    def pending_without_file(self, wanted: Mapping[str, str], limit: int) -> Sequence[str] | LookalikeError:
        return self._ask(lambda shard: shard.pending_without_file(wanted, limit))

    @ray.method(concurrency_group="control")
    def stats(self) -> ShardStats | LookalikeError:
        return self._ask(lambda shard: shard.stats())

    @ray.method(concurrency_group="upkeep")
    def verify(self) -> VerifyReport | LookalikeError:
        return self._ask(lambda shard: shard.verify())

    @ray.method(concurrency_group="upkeep")
    def train(self, feature: str) -> TrainingReport | LookalikeError:
        return self._ask(lambda shard: shard.train(feature))

    @ray.method(concurrency_group="upkeep")
    def sample_rows(self, feature: str, count: int, seed: int, fingerprint: str = "") -> FloatVectors | LookalikeError:
        return self._ask(lambda shard: shard.sample_rows(feature, count, seed, fingerprint))

    @ray.method(concurrency_group="control")
    def whitening_of(self, feature: str, fingerprint: str) -> Whitening | LookalikeError | None:
        return self._ask(lambda shard: shard.whitening_of(feature, fingerprint))

    @ray.method(concurrency_group="upkeep")
    def whiten(self, feature: str, fingerprint: str, whitening: Whitening | None) -> TrainingReport | LookalikeError:
        return self._ask(lambda shard: shard.whiten(feature, fingerprint, whitening))

    @ray.method(concurrency_group="control")
    def adopt(
        self, spec: FeatureSpec, origin: Mapping[str, Any], replaces_empty: bool = False
    ) -> GenerationRole | LookalikeError:
        """This and the four that follow: see `storage.upkeep.model_switch`."""
        return self._ask(lambda shard: shard.keeper.adopt(spec, origin, replaces_empty=replaces_empty))

    @ray.method(concurrency_group="upkeep")
    def begin_generation(self, spec: FeatureSpec, origin: Mapping[str, Any]) -> GenerationRole | LookalikeError:
        return self._ask(lambda shard: shard.keeper.begin(spec, origin))

    @ray.method(concurrency_group="upkeep")
    def count_left_behind(self, feature: str, fingerprint: str, added_before: float) -> int | LookalikeError:
        return self._ask(lambda shard: shard.keeper.count_left_behind(feature, fingerprint, added_before))

    @ray.method(concurrency_group="upkeep")
    def take_over(self, feature: str, fingerprint: str) -> LookalikeError | None:
        return self._ask(lambda shard: shard.keeper.take_over(feature, fingerprint))

    @ray.method(concurrency_group="upkeep")
    def drop_replaced(self, feature: str) -> int | LookalikeError:
        return self._ask(lambda shard: shard.keeper.drop_replaced(feature))

    @ray.method(concurrency_group="write")
    def put_job(self, record: JobRecord) -> LookalikeError | None:
        return self._ask(lambda shard: shard.put_job(record))

    @ray.method(concurrency_group="write")
    def add_job_failures(self, job_id: str, failures: Sequence[JobFailure]) -> LookalikeError | None:
        return self._ask(lambda shard: shard.add_job_failures(job_id, failures))

    @ray.method(concurrency_group="control")
    def jobs(self) -> Sequence[JobRecord] | LookalikeError:
        return self._ask(lambda shard: shard.jobs())

    @ray.method(concurrency_group="control")
    def job(self, job_id: str) -> JobRecord | LookalikeError | None:
        return self._ask(lambda shard: shard.job(job_id))

    @ray.method(concurrency_group="control")
    def job_failures(self, job_id: str, offset: int, limit: int) -> Sequence[JobFailure] | LookalikeError:
        return self._ask(lambda shard: shard.job_failures(job_id, offset, limit))

    @ray.method(concurrency_group="control")
    def process_id(self) -> int:
        return os.getpid()

    @ray.method(concurrency_group="control")
    def close(self) -> None:
        """Saves the indexes and gives the folder up. The actor answers nothing afterwards."""
        self._closing.set()
        self._socket.close()
        shard, self._shard = self._shard, None
        self._failure = ShardUnavailable(f"shard {self._plan.index} is closed", "try again in a second")
        if shard is not None:
            shard.close()


def apply_each(shard: Shard, mutations: Sequence[Mutation]) -> list[MutationResult | LookalikeError]:
    """All in one transaction, but for those that the shard refuses: they come from different callers, and only their
    own fail.
    """
    answers: dict[int, MutationResult | LookalikeError] = {}
    for place, mutation in enumerate(mutations):
        try:
            shard.check(mutation)
        except InvalidRequest as refusal:
            answers[place] = refusal
    accepted = [place for place in range(len(mutations)) if place not in answers]
    if accepted:
        answers.update(zip(accepted, shard.apply([mutations[place] for place in accepted]), strict=True))
    return [answers[place] for place in range(len(mutations))]


def shard_actor_class(*, read_threads: int = 4, **options: Any) -> Any:
    """The actor class with its threads and Ray options, ready for ``.remote(plan)``."""
    groups = {"read": read_threads, "write": 1, "control": 2, "upkeep": 1}
    remote = cast(Any, ray.remote)(concurrency_groups=groups)(ShardActor)
    return remote.options(**options)
