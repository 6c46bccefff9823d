"""Writers and searchers beside what happens to a service, and the ledger of what it said yes to."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from graph.client import Client
from storage.errors import ImageNotFound, LookalikeError
from tests.e2e.running_service import wait_for
from tests.unit.graph.local_catalog import photo


@dataclass
class Ledger:
    """What the service said yes to. A picture whose last request failed is uncertain: it may be there or not."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    added: dict[str, int] = field(default_factory=dict)  # id -> seed of its picture
    deleted: set[str] = field(default_factory=set)
    uncertain: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    searches: int = 0
    partial: int = 0
    refused: int = 0
    last_answer: float = 0.0  # of `time.monotonic`
    longest_silence_s: float = 0.0  # between two answers, since it was set to 0

    def answered(self) -> None:
        with self.lock:
            now = time.monotonic()
            if self.last_answer:
                self.longest_silence_s = max(self.longest_silence_s, now - self.last_answer)
            self.last_answer = now

    def some_id(self, choose: random.Random) -> tuple[str, int] | None:
        with self.lock:
            return choose.choice(list(self.added.items())) if self.added else None


class Load:
    """Writers and searchers that go on until they are told to stop, whatever happens to the service."""

    def __init__(self, url: str, ledger: Ledger, *, writers: int = 8, searchers: int = 8, seed: int = 0) -> None:
        self._url = url
        self._writers = writers
        self._searchers = searchers
        self._first_seed = 1000 * seed
        self._ledger = ledger
        self._stop = threading.Event()
        self._seed = 0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        with ThreadPoolExecutor(self._writers + self._searchers) as threads:
            steps = [self._write] * self._writers + [self._search] * self._searchers
            work = [threads.submit(self._repeat, step, self._first_seed + i) for i, step in enumerate(steps)]
            try:
                yield
            finally:
                self._stop.set()
            for one in work:
                one.result()

    def _repeat(self, step: Callable[[Client, random.Random], None], seed: int) -> None:
        choose = random.Random(seed)
        with Client(self._url, timeout_s=30, retries=0) as client:
            while not self._stop.is_set():
                try:
                    step(client, choose)
                    self._ledger.answered()
                except LookalikeError:
                    self._ledger.refused += 1
                    self._stop.wait(0.1)

    def _write(self, client: Client, choose: random.Random) -> None:
        if choose.random() < 0.2:
            self._delete(client, choose)
            return
        with self._ledger.lock:
            self._seed += 1
            seed = self._seed
        image_id = f"photo/{seed}"
        with self._uncertain_unless_answered(image_id):
            client.add(photo(seed), id=image_id)
        with self._ledger.lock:
            self._ledger.added[image_id] = seed

    def _delete(self, client: Client, choose: random.Random) -> None:
        with self._ledger.lock:
            if len(self._ledger.added) < 20:
                return
            image_id = choose.choice(list(self._ledger.added))
            del self._ledger.added[image_id]  # from here on a search may or may not find it
        with self._uncertain_unless_answered(image_id):
            client.delete(image_id)
        with self._ledger.lock:
            self._ledger.deleted.add(image_id)

    @contextlib.contextmanager
    def _uncertain_unless_answered(self, image_id: str) -> Iterator[None]:
        try:
            yield
        except ImageNotFound as failure:
            with self._ledger.lock:
                self._ledger.wrong.append(f"{image_id}: {failure.message}")
            raise
        except LookalikeError:
            with self._ledger.lock:
                self._ledger.uncertain.add(image_id)
            raise

    def _search(self, client: Client, choose: random.Random) -> None:
        known = self._ledger.some_id(choose)
        if known is None:
            self._stop.wait(0.05)
            return
        image_id, seed = known
        answer = client.search(image=photo(seed), k=3)
        with self._ledger.lock:
            self._ledger.searches += 1
            self._ledger.partial += answer.partial
            still_there = image_id in self._ledger.added
            found = [result.id for result in answer.results]
            if not answer.partial and still_there and image_id not in found[:1]:
                self._ledger.wrong.append(f"{image_id} asked, {found} answered as complete")


def progress(ledger: Ledger, count: int) -> Callable[[], bool]:
    """Whether ``count`` more searches and adds than now were answered."""
    goal_searches, goal_added = ledger.searches + count, len(ledger.added) + len(ledger.deleted) + count
    return lambda: ledger.searches >= goal_searches and len(ledger.added) + len(ledger.deleted) >= goal_added


def nothing_pending(client: Client) -> bool:
    """Whether the features are there of pictures that were added while an extractor was down."""
    return not any("pending" in row.features.values() for row in client.images())


def check_everything(client: Client, ledger: Ledger) -> None:
    assert ledger.wrong == []
    wait_for(lambda: nothing_pending(client), "pending features are filled in")

    def check_added(image_id: str, seed: int) -> None:
        answer = client.search(image=photo(seed), features=["phash"], k=1)
        assert not answer.partial, answer
        assert [result.id for result in answer.results] == [image_id], client.get(image_id)

    def check_deleted(image_id: str) -> None:
        with pytest.raises(ImageNotFound):
            client.get(image_id)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(check_added, ledger.added, ledger.added.values()))
        list(threads.map(check_deleted, ledger.deleted))
    stored = {row.id for row in client.images()}
    assert set(ledger.added) <= stored
    assert not stored & ledger.deleted
    assert stored <= set(ledger.added) | ledger.uncertain
    report = client.verify()
    assert report.ok, report
