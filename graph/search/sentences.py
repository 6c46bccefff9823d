"""Which pictures a sentence fits: what `graph.judging.sentences` needs to tell it, kept by each router.

The ordinary sentences are embedded by the model that answers now, as soon as it is there; how near they come to the
collection is measured on a sample of it, again whenever it has grown or shrunk by a tenth.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import numpy as np

from graph.judging.sentences import OrdinarySentences, ordinary_sentences
from graph.ports.batching import all_of
from graph.ports.contract import ExtractorPort
from graph.requests.shards import Shards
from storage.errors import DeadlineExceeded
from storage.operations.features import RowsOfEach, SampleRows
from storage.types.features import FeatureRows, FloatVectors

SAMPLED = 1024  # pictures
EMBEDDING_S = 60.0  # for a sentence, on a busy CPU
CHANGED = 0.1  # of the collection


class SentenceFits:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._embedding: dict[str, tuple[str, asyncio.Task[FloatVectors]]] = {}  # by feature, with the model
        self._measured: dict[str, tuple[str, OrdinarySentences]] = {}
        self._turn = asyncio.Lock()

    def prepare(self, ports: Iterable[ExtractorPort]) -> None:
        """Has the ordinary sentences embedded by the models that have come, on the running event loop. What needs no
        model does so when it is asked.
        """
        for port in ports:
            spec = port.served.spec
            if port.is_late and port.embeds_text and spec is not None and spec.metric == "cosine":
                self._embedded(port, spec.fingerprint)

    async def fitting(
        self, port: ExtractorPort, sentence: FeatureRows, ids: Sequence[str], pictures: int, *, timeout_s: float
    ) -> frozenset[str]:
        """Those of the pictures that the sentence fits. pictures: how many the collection has with this feature. Raises
        what a part that does not answer raises.
        """
        if not ids:
            return frozenset()
        try:
            async with asyncio.timeout(timeout_s):
                async with self._turn:
                    ordinary = await self._ordinary(port, sentence.fingerprint, pictures, timeout_s)
                rows = await self._rows(port.name, ids, timeout_s)
        except TimeoutError as late:
            raise DeadlineExceeded("it could not be told in time what the sentence fits", "try again") from late
        if not rows:
            return frozenset()
        fit = ordinary.fit(np.asarray(sentence.rows[0], np.float32), np.concatenate(list(rows.values())))
        return frozenset(image_id for image_id, fits in zip(rows, fit.tolist(), strict=True) if fits)

    async def _ordinary(
        self, port: ExtractorPort, fingerprint: str, pictures: int, timeout_s: float
    ) -> OrdinarySentences:
        made_by, known = self._measured.get(port.name, ("", None))
        if known is not None and made_by == fingerprint and abs(pictures - known.pictures) <= CHANGED * known.pictures:
            return known
        with port.caller():
            rows = await asyncio.shield(self._embedded(port, fingerprint))
        share = -(-SAMPLED // len(self._shards.ports))
        sampled = await self._shards.ask_all(SampleRows(port.name, fingerprint, share), timeout_s=timeout_s)
        measured = OrdinarySentences.measured(rows, np.concatenate(sampled).astype(np.float32), pictures)
        self._measured[port.name] = fingerprint, measured
        return measured

    def _embedded(self, port: ExtractorPort, fingerprint: str) -> asyncio.Task[FloatVectors]:
        """Goes on when who waits for it gives up; what failed is tried again."""
        made_by, task = self._embedding.get(port.name, ("", None))
        has_failed = task is not None and task.done() and (task.cancelled() or task.exception() is not None)
        if task is None or has_failed or made_by != fingerprint:
            task = asyncio.create_task(_embed(port))
            self._embedding[port.name] = fingerprint, task
        return task

    async def _rows(self, feature: str, ids: Sequence[str], timeout_s: float) -> dict[str, FloatVectors]:
        """(1, D) of each that is still there."""
        groups = list(self._shards.with_their_ids(ids).items())
        asked = [
            self._shards.ports[number].ask(RowsOfEach(tuple(own), (feature,)), timeout_s=timeout_s)
            for number, own in groups
        ]
        answers = await all_of(asked)
        return {
            image_id: np.asarray(rows[feature], np.float32)
            for (_, own), found in zip(groups, answers, strict=True)
            for image_id, rows in zip(own, found, strict=True)
            if rows is not None and feature in rows
        }


async def _embed(port: ExtractorPort) -> FloatVectors:
    """One after the other, so that searches find their turn between them; by the replicas that are there."""
    found = [await port.embed_text(one, timeout_s=EMBEDDING_S) for one in ordinary_sentences()]
    return np.concatenate([one.rows for one in found]).astype(np.float32)
